"""One side of ``losses.py``: a process that builds a loss when it is told to, and times it.

    python losses_worker.py MODULE CORE GIGABYTES

MODULE has ``prepare(case, batch, options)``, which returns a function that does one forward and backward pass and
returns the value of the loss and its gradient with respect to the embeddings. Requests and answers are lines of JSON:
``prepare`` builds a case and runs it once, ``time`` runs it for some seconds. The process stays on one core, and its
address space may grow by so many gigabytes.
"""

from __future__ import annotations

import contextlib
import json
import os
import resource
import sys
import time
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from losses_cases import DIM, MEMORY_ROWS

MEGABYTE = 2**20

Step = Callable[[], tuple[float, np.ndarray]]


class Inputs:
    """The numbers of a case, the same on both sides.

    Attributes:
        embeddings: (n, d) float32, standard normal.
        views: A second view of each, near the first.
        labels: (n,) int64, each class as often as asked for, in a random order; sorted if the peer needs it so.
    """

    def __init__(self, batch: int, per_class: int, seed: int, *, grouped: bool) -> None:
        rng = np.random.default_rng(seed)
        self.embeddings = rng.normal(size=(batch, DIM)).astype(np.float32)
        self.views = self.embeddings + rng.normal(size=(batch, DIM)).astype(np.float32)
        labels = np.arange(batch) // per_class
        self.labels = labels if grouped else rng.permutation(labels)


def weight(shape: tuple[int, ...]) -> np.ndarray:
    """Return a trained weight of a loss, the same on both sides."""
    return np.random.default_rng(1).normal(size=shape).astype(np.float32)


class Worker:
    """Answers requests.

    The memory that it tells is the process's peak above the level at which it started. Allocators keep what was freed,
    so only the first case of a process shows what it needs.
    """

    def __init__(self, prepare: Callable[..., Step]) -> None:
        self._prepare = prepare
        self._step: Step | None = None
        self._base = _memory("VmRSS")

    def prepare(self, case: dict[str, Any], batch: int, per_class: int, seed: int, jit: bool) -> dict[str, Any]:
        """Build a case and run it once; that run is timed, too, with all that it has to set up."""
        self._step = None
        inputs = Inputs(batch, per_class, seed, grouped=case["grouped"])
        step = self._prepare(case, inputs, jit)
        cpu, wall = time.process_time(), time.perf_counter()
        value, gradient = step()
        times = [(time.process_time() - cpu, time.perf_counter() - wall)]
        if case["keeps_state"]:
            # A memory that is still filling is a smaller one, on the side that looks at what it has.
            for _ in range(MEMORY_ROWS // batch):
                step()
        self._step = step
        return {
            "value": value,
            "gradient": float(np.linalg.norm(gradient.astype(np.float64))),
            "times": times,
            "memory": _memory("VmHWM") - self._base,
        }

    def time(self, seconds: float) -> dict[str, Any]:
        """Run the case that was prepared, at least once and until the seconds are over."""
        assert self._step is not None
        times = []
        end = time.perf_counter() + seconds
        while not times or time.perf_counter() < end:
            cpu, wall = time.process_time(), time.perf_counter()
            self._step()
            times.append((time.process_time() - cpu, time.perf_counter() - wall))
        return {"times": times, "memory": _memory("VmHWM") - self._base}


def _memory(entry: str) -> float:
    """Return an entry of the process's status in MB."""
    with Path("/proc/self/status").open() as lines:
        return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(entry))


def main() -> None:
    """Answer line by line until the input ends."""
    module, core, gigabytes = sys.argv[1:]
    os.sched_setaffinity(0, {int(core)})
    # Whatever a library prints goes to the error stream; answers alone go to the output.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    side = import_module(module)
    side.warm_up()
    limit = int(_memory("VmSize") * MEGABYTE + float(gigabytes) * 2**30)
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    worker = Worker(side.prepare)
    for line in sys.stdin:
        request = json.loads(line)
        try:
            answer = getattr(worker, request.pop("do"))(**request)
        except Exception as error:
            answer = {"error": f"{type(error).__name__}: {error}"}
        with contextlib.suppress(BrokenPipeError):
            print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    main()
