"""An index that is open: its parts, its locks, and how it is closed."""

from __future__ import annotations

import contextlib
import os
import threading
import warnings
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

from simplug.api import Distance, Search, Store
from simplug.evaluation.calibration import Calibration
from simplug.index import folder
from simplug.index.locking import ThreadLock, WriterLock
from simplug.index.recipe import Recipe
from simplug.index.state import State
from simplug.kernel.artifacts import MANIFEST
from simplug.kernel.errors import ArtifactError, InvalidInputError

PathLike = str | os.PathLike[str]


class OpenIndex:
    """What every method of an index needs: the open state, under a lock, and the folder it is written to."""

    def __init__(
        self,
        state: State,
        *,
        path: Path | None,
        lock: WriterLock | None,
        calibration: Calibration | ArtifactError | None = None,
    ) -> None:
        self._state = state
        self._path = path
        self._lock = lock
        self._calibration = calibration
        self._threads = ThreadLock()
        self._counting = threading.Lock()
        self._lookups = {"lookups": 0, "queries": 0, "seconds": 0.0}
        self._closed = False

    @property
    def path(self) -> Path | None:
        """The folder of the index; None if it is in memory."""
        return self._path

    @property
    def dim(self) -> int:
        """The dimension of the embeddings."""
        return self._recipe.dim

    @property
    def distance(self) -> Distance:
        """How far two embeddings are apart."""
        return self._recipe.distance

    @property
    def search(self) -> Search:
        """How neighbours are found."""
        return self._recipe.search

    @property
    def store(self) -> Store:
        """Where records live."""
        return self._recipe.store

    def flush(self) -> None:
        """Write what is not on disk yet: the search structure, and the records of a store that is not persistent."""
        with self._threads.writing():
            self._require_open()
            self._write()

    def close(self) -> None:
        """Flush the index and close it; a closed index stays closed."""
        with self._threads.writing():
            if self._closed:
                return
            self._closed = True
            try:
                self._write()
            finally:
                self._state.records.close()
                if self._lock is not None:
                    self._lock.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __del__(self) -> None:
        # An index that failed to be made has no state; one in memory loses nothing that was promised to last.
        if not getattr(self, "_closed", True) and self._lock is not None:
            warnings.warn(f"{self!r} was never closed", ResourceWarning, source=self, stacklevel=2)
            self._lock.release()

    def __repr__(self) -> str:
        size = "closed" if self._closed else f"{len(self._state.directory)} records"
        return f"<Index {self._path or 'in memory'}: {size}, dim {self.dim}>"

    @property
    def _recipe(self) -> Recipe:
        return self._state.recipe

    @contextlib.contextmanager
    def _reading(self) -> Iterator[State]:
        """Give the state to read, while nobody changes it."""
        while True:
            with self._threads:
                self._require_open()
                if not self._state.stale:
                    yield self._state
                    return
            with self._threads.writing():
                self._require_open()
                if self._state.stale:
                    self._state.reload()

    @contextlib.contextmanager
    def _changing(self) -> Iterator[State]:
        """Give the state to change, while nobody else uses it."""
        with self._threads.writing():
            self._require_open()
            if self._path is not None and self._lock is None:
                raise InvalidInputError(f"{self._path} was opened with readonly=True and cannot be changed")
            if self._state.stale:
                self._state.reload()
            yield self._state

    def _require_open(self) -> None:
        if self._closed:
            raise InvalidInputError(f"the index {self._path or 'in memory'} is closed")

    def _write(self) -> None:
        if self._path is None or self._lock is None:
            return
        if not (self._path / MANIFEST).exists():
            raise ArtifactError(f"{self._path} was removed while it was open; nothing can be written there")
        if self._state.stale:
            self._state.reload()
        if not self.store.persistent:
            folder.write_records(self._path, self._recipe, self._state.records)
        self._state.records.flush()
        self._state.save_graph()

    def _count_lookup(self, queries: int, seconds: float) -> None:
        with self._counting:
            self._lookups["lookups"] += 1
            self._lookups["queries"] += queries
            self._lookups["seconds"] += seconds
