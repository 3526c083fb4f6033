"""Locks of an index: many readers or one writer among threads, and one writer among processes."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import IO

from simplug.kernel.errors import ArtifactError, InvalidInputError


class ThreadLock:
    """Many threads read, or one writes; a waiting writer goes before new readers.

    A context manager for reading; :meth:`writing` gives the one for writing. Neither may be entered again inside.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._changed = threading.Condition(self._lock)
        self._readers = 0
        self._writing = False
        self._waiting = 0

    def __enter__(self) -> None:
        # The plain lock, not the condition around it: a single lookup feels the difference.
        with self._lock:
            while self._writing or self._waiting:
                self._changed.wait()
            self._readers += 1

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._lock:
            self._readers -= 1
            if not self._readers and self._waiting:
                self._changed.notify_all()

    @contextlib.contextmanager
    def writing(self) -> Iterator[None]:
        """Wait until nobody reads or writes, and keep everybody out for the block."""
        with self._changed:
            self._waiting += 1
            try:
                while self._writing or self._readers:
                    self._changed.wait()
                self._writing = True
            finally:
                self._waiting -= 1
                self._changed.notify_all()
        try:
            yield
        finally:
            with self._changed:
                self._writing = False
                self._changed.notify_all()


class WriterLock:
    """The right to write to a folder, held by at most one index in all processes.

    It is a lock of the operating system on a file that holds the process number; it ends with its process, whatever
    ends that.
    """

    def __init__(self, path: Path) -> None:
        """Take the lock.

        Raises:
            InvalidInputError: Another index holds it.
            ArtifactError: The file cannot be opened or locked.
        """
        # POSIX alone has this module; an index in memory works without.
        import fcntl

        try:
            stream: IO[str] = path.open("a+", encoding="ascii")
        except OSError as cause:
            raise ArtifactError(f"{path.parent} cannot be written: {cause}") from cause
        try:
            # flock, not lockf: it also keeps a second index of this process out.
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as cause:
            stream.seek(0)
            holder = stream.read().strip() or "unknown"
            stream.close()
            if not isinstance(cause, BlockingIOError):
                raise ArtifactError(f"{path} cannot be locked: {cause}") from cause
            here = " (this one)" if holder == str(os.getpid()) else ""
            raise InvalidInputError(
                f"{path.parent} is open for writing in process {holder}{here}; close it there, or open it with "
                "readonly=True"
            ) from None
        stream.truncate(0)
        stream.write(f"{os.getpid()}\n")
        stream.flush()
        self._stream = stream

    def release(self) -> None:
        """Give the lock back; the file stays, because removing it could let two writers in."""
        self._stream.close()
