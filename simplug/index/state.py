"""The open parts of an index: records, directory and search structure, kept in step."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from simplug.api import Engine, Records
from simplug.api.search import scan
from simplug.api.store import Rows
from simplug.index import folder
from simplug.index.directory import Directory
from simplug.index.recipe import Recipe
from simplug.kernel.errors import ArtifactError, InvalidInputError

_SCANNED_AT_ONCE = 8192
_SILENT_SECONDS = 1.0
_TRIES = 3


class State:
    """Records are the truth; directory and search structure are made from them, and again when they may be out of step.

    Attributes:
        recipe: What the index is made of.
        records: The open store.
        directory: Ids and labels by row, in memory.
        engine: The search structure.
        sequence: The number of commits that directory and engine reflect.
        stale: Whether a change was interrupted, so that directory and engine may not reflect the records.
        opened: How the search structure came to be.
        saved: The sequence of the search structure that lies in the folder; None if none does.
    """

    directory: Directory
    engine: Engine
    sequence: int

    def __init__(self, recipe: Recipe, records: Records, path: Path | None, *, base: int, readonly: bool) -> None:
        """Bring an open store to work.

        Args:
            recipe: What the index is made of.
            records: The open store; owned from now on.
            path: The folder of the index.
            base: What its own count of commits lacks, when the records were read from files.
            readonly: Whether another process may write to the store meanwhile.
        """
        self.recipe = recipe
        self.records = records
        self.path = path
        self.readonly = readonly
        self.stale = False
        self.saved: int | None = None
        self._base = base
        for tries_left in reversed(range(_TRIES)):
            try:
                self.opened = self._load()
                break
            except (ArtifactError, InvalidInputError):
                # A writer in another process may have removed records between two reads; a real damage stays.
                if not readonly or not tries_left:
                    raise

    def reload(self) -> None:
        """Make directory and search structure from the records."""
        self._load()
        self.stale = False

    def require_present(self, ids: np.ndarray, what: str = "ids") -> None:
        """Refuse ids that the index does not have.

        Raises:
            InvalidInputError: It lacks one; the message names it.
        """
        present = self.directory.present(ids)
        if not present.all():
            unknown = ids[~present]
            others = f" (nor {len(unknown) - 1} others)" if len(unknown) > 1 else ""
            raise InvalidInputError(f"{what} holds {unknown[0]}, which the index does not have{others}")

    def apply(self, added: Rows | None, removed_ids: np.ndarray) -> None:
        """Commit a change, then bring directory and search structure after it."""
        removed = self.directory.rows_of(removed_ids)
        before = self.records.sequence
        # Whatever interrupts what follows, the next use finds the mark and starts from the records.
        self.stale = True
        try:
            self.records.commit(added, removed)
        except BaseException:
            self.stale = self.records.sequence != before
            raise
        if len(removed):
            self.engine.remove(removed)
            self.directory.remove(removed_ids)
        if added is not None:
            self.engine.add(added.rows, added.embeddings)
            self.directory.add(added.rows, added.ids, added.labels)
        self.sequence = self._base + self.records.sequence
        self.stale = False

    def search(
        self, queries: np.ndarray, k: int, where: Mapping[str, np.ndarray] | None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return (q, k) rows and distances of the nearest records, among those that pass a filter."""
        if where is None:
            return self.engine.search(queries, k)
        rows = self.directory.select(where)
        return scan(self.recipe.distance.numpy, queries, self._blocks(rows), k)

    def embeddings(self, rows: np.ndarray) -> np.ndarray:
        """Return the (n, d) float32 embeddings of present rows.

        Raises:
            InvalidInputError: This is a reader, and the writer has removed such a row since it was opened.
            ArtifactError: A record is damaged.
        """
        try:
            return self.records.embeddings(rows)
        except ArtifactError:
            self.require_current()
            raise

    def payloads(self, rows: np.ndarray) -> list[bytes]:
        """Return the payloads of present rows; raises as :meth:`embeddings` does."""
        try:
            return self.records.payloads(rows)
        except ArtifactError:
            self.require_current()
            raise

    def require_current(self) -> None:
        """Refuse to go on where the records are newer than what was read of them.

        Raises:
            InvalidInputError: This is a reader, and the writer has changed the index since it was opened.
        """
        if self.readonly and self._base + self.records.sequence != self.sequence:
            raise InvalidInputError(
                f"{self.path} was changed by its writer since it was opened here for reading; open it again"
            )

    def save_graph(self) -> None:
        """Save the search structure, if it can be and the saved one is older."""
        if self.path is not None and self.recipe.search.persistent and self.saved != self.sequence:
            folder.save_graph(self.path, self.recipe, self.engine, self.sequence)
            self.saved = self.sequence

    def _load(self) -> str:
        sequence = -1
        while sequence != self._base + self.records.sequence:
            sequence = self._base + self.records.sequence
            rows, ids, labels = self.records.keys()
        self.directory = Directory(rows, ids, labels)
        self.sequence = sequence
        self.engine, how = self._engine(rows)
        return how

    def _engine(self, rows: np.ndarray) -> tuple[Engine, str]:
        reason = "the search keeps nothing on disk"
        if self.path is not None and self.recipe.search.persistent:
            loaded = folder.load_graph(self.path, self.recipe, self.sequence, len(rows))
            if not isinstance(loaded, str):
                self.saved = self.sequence
                return loaded, "loaded the saved search structure"
            reason = loaded
            if not self.readonly:
                folder.remove_graph(self.path)
                self.saved = None
        engine = self.recipe.search.create(self.recipe.dim, self.recipe.distance)
        with _Progress(len(rows)) as progress:
            for part, vectors in self._blocks(rows):
                engine.add(part, vectors)
                progress.advance(len(part))
        return engine, f"built from {len(rows)} records: {reason}" if len(rows) else "empty"

    def _blocks(self, rows: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        for start in range(0, len(rows), _SCANNED_AT_ONCE):
            part = rows[start : start + _SCANNED_AT_ONCE]
            yield part, self.embeddings(part)


class _Progress:
    """A progress bar that appears when the work takes longer than a second and somebody may be looking."""

    def __init__(self, total: int) -> None:
        self._total = total
        self._done = 0
        self._bar: Any = None

    def __enter__(self) -> _Progress:
        self._started = time.monotonic()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    def advance(self, count: int) -> None:
        self._done += count
        if self._bar is None and time.monotonic() - self._started > _SILENT_SECONDS and sys.stderr.isatty():
            from rich.console import Console
            from rich.progress import Progress

            self._bar = Progress(console=Console(stderr=True))
            self._bar.add_task("rebuilding the search structure", total=self._total)
            self._bar.start()
        if self._bar is not None:
            self._bar.update(self._bar.task_ids[0], completed=self._done)
