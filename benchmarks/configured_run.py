"""A `simplug run` in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any


def configured_run(config: Path, folder: Path, settings: Iterable[str]) -> dict[str, Any]:
    """Run a config with further settings, each as for ``--set``, into a folder, and return its metrics."""
    command = [sys.executable, "-m", "simplug", "run", str(config), "--json", "--out", str(folder)]
    for setting in settings:
        command += ["--set", setting]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    metrics: dict[str, Any] = json.loads(done.stdout)
    return metrics
