"""One side of a part of ``evaluation.py``: a process that scores embeddings, and times itself.

    python evaluation_worker.py MODULE FILE CORE...

MODULE has ``prepare()``, which imports what is needed, and ``score(embeddings, labels)``, which returns values by their
names. FILE holds the two arrays. The process stays on these cores; its answer is a line of JSON.
"""

from __future__ import annotations

import json
import os
import sys
import time
from importlib import import_module
from pathlib import Path

import numpy as np


def main() -> None:
    """Score the embeddings once."""
    module, file, *cores = sys.argv[1:]
    os.sched_setaffinity(0, {int(core) for core in cores})
    side = import_module(module)
    with np.load(file) as arrays:
        embeddings, labels = arrays["embeddings"], arrays["labels"]
    side.prepare()
    base = memory("VmRSS")
    cpu, wall = time.process_time(), time.perf_counter()
    values = side.score(embeddings, labels)
    seconds = {"seconds": time.perf_counter() - wall, "cpu": time.process_time() - cpu}
    print(json.dumps({"values": values, **seconds, "peak": memory("VmHWM"), "base": base}))


def memory(entry: str) -> float:
    """Return an entry of the process's status in MB."""
    with Path("/proc/self/status").open() as lines:
        return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(entry))


if __name__ == "__main__":
    main()
