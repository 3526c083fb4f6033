"""Work on all cores at once: threads that leave the interpreter alone while NumPy computes."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Task = TypeVar("Task")
Result = TypeVar("Result")


def cores() -> int:
    """Return how many cores this process may use."""
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1


def in_parallel(work: Callable[[Task], Result], tasks: Sequence[Task]) -> list[Result]:
    """Return what `work` makes of each task, in their order; the first error ends it.

    Each thread multiplies its own matrices on one core: threads of the matrix library that wait for each other lose
    most of their time as soon as anything else runs on the machine.
    """
    threads = min(cores(), len(tasks))
    if threads < 2:
        return [work(task) for task in tasks]
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1, user_api="blas"), ThreadPoolExecutor(threads) as pool:
        try:
            return list(pool.map(work, tasks))
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
