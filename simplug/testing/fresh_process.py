"""Running a few lines with a component in a Python process of their own."""

from __future__ import annotations

import inspect
import json
import os
import subprocess
import sys
from typing import Any

from simplug.kernel.entries import RUNTIME, Entry

_LOAD = """
import importlib, importlib.util, json, sys
arguments = json.loads(sys.argv[1])
def load():
    module = arguments["module"]
    if arguments["file"] is None:
        return importlib.import_module(module)
    spec = importlib.util.spec_from_file_location(module, arguments["file"])
    sys.modules[module] = loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    return loaded
def load_class():
    found = load()
    for part in arguments["attribute"].split("."):
        found = getattr(found, part)
    return found
"""


def run_fresh(entry: Entry, code: str, **arguments: Any) -> Any:
    """Run code in a fresh process and return the JSON value of the last line that it prints.

    Args:
        entry: The component; the code calls ``load()`` for its module and ``load_class()`` for its class.
        code: Python code that may use ``arguments``, a dict.
        **arguments: Plain values for the code.

    Raises:
        AssertionError: The process failed; the message has its output.
    """
    module, _, attribute = entry.target.partition(":")
    # What a script registered cannot be imported by name elsewhere: it is loaded from its file.
    file = inspect.getsourcefile(entry.load()) if entry.distribution == RUNTIME else None
    passed = {**arguments, "module": module, "attribute": attribute, "file": file}
    # The child sees what this process sees, in the same order.
    paths = os.pathsep.join(path for path in sys.path if path)
    done = subprocess.run(
        [sys.executable, "-c", _LOAD + code, json.dumps(passed)],
        env={**os.environ, "PYTHONPATH": paths},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"a fresh process failed:\n{done.stdout}{done.stderr}"
    return json.loads(done.stdout.strip().splitlines()[-1])
