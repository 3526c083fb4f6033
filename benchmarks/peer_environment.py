"""The environment of TensorFlow Similarity 0.17.1, which needs Python 3.10 and an old TensorFlow."""

from __future__ import annotations

import subprocess
from pathlib import Path

STEPS = (
    ["tensorflow-cpu==2.11.*", "numpy<1.24", "protobuf<3.20", "pandas<2.1", "scikit-learn<1.4", "matplotlib<3.9",
     "tabulate", "tqdm"],
    ["--no-deps", "tensorflow-similarity==0.17.1", "tensorflow-datasets==4.8.3"],
    ["etils[epath,enp]<1.6", "promise", "dill", "tensorflow-metadata==1.12.0", "toml", "click", "dm-tree", "psutil",
     "nmslib", "wrapt==1.14.1", "umap-learn<0.5.6", "numba<0.60", "bokeh==2.4.3", "distinctipy", "numpy<1.24",
     "protobuf<3.20"],
)  # fmt: skip
"""What it needs, in the order in which pip must be told."""

_DONE = "made-for-simplug"


def make_peer(python: str, folder: Path) -> Path:
    """Return the interpreter of the environment in a folder; what was made there before is used again.

    Args:
        python: A Python 3.10.
        folder: Where the environment is, or is made.
    """
    interpreter = folder / "bin" / "python"
    if not (folder / _DONE).is_file():
        subprocess.run([python, "-m", "venv", "--clear", str(folder)], check=True)
        for step in STEPS:
            subprocess.run([str(interpreter), "-m", "pip", "install", "--quiet", *step], check=True)
        (folder / _DONE).touch()
    return interpreter
