"""Work on all cores at once: threads that leave the interpreter alone while NumPy computes."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

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
    with _one_thread_each(), ThreadPoolExecutor(threads) as pool:
        try:
            return list(pool.map(work, tasks))
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


class _Limit:
    """The limit on the threads of matrix libraries, which holds for the whole process, and who needs it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._users = 0
        self._set: Any = None

    def acquire(self) -> None:
        from threadpoolctl import threadpool_limits

        with self._lock:
            # Whoever comes second would take the limit of the first for what was there before.
            if self._users == 0:
                self._set = threadpool_limits(1, user_api="blas")
            self._users += 1

    def release(self) -> None:
        with self._lock:
            self._users -= 1
            if self._users == 0:
                self._set.restore_original_limits()


_LIMIT = _Limit()


@contextlib.contextmanager
def _one_thread_each() -> Iterator[None]:
    _LIMIT.acquire()
    try:
        yield
    finally:
        _LIMIT.release()
