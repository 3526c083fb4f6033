"""The open parts of an index: records, directory and search structure, kept in step."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from simplug.api import Block, Engine, Records, scan
from simplug.api.store import Rows
from simplug.index import filtered, folder
from simplug.index.condensed import Condensations
from simplug.index.directory import Directory
from simplug.index.fields import Fields
from simplug.index.filters import Filter
from simplug.index.recipe import Recipe
from simplug.kernel.errors import ArtifactError, InvalidInputError

_SCANNED_AT_ONCE = 8192
_SILENT_SECONDS = 1.0
_TRIES = 3
_COMPARED = 16


class State:
    """Records are the truth; directory and search structure are made from them, and again when they may be out of step.

    Attributes:
        recipe: What the index is made of.
        records: The open store.
        directory: Ids and labels by row, in memory.
        fields: Fields of payloads by row, in memory as far as filters have asked for them.
        selections: Vectors of the records that recent filters let pass.
        condensations: What matchers make of the records.
        engine: The search structure.
        sequence: The number of commits that directory and engine reflect.
        stale: Whether a change was interrupted, so that directory and engine may not reflect the records.
        opened: How the search structure came to be.
        damaged: What is wrong with which record, by its row; such a record is never found.
        saved: The sequence of the search structure that lies in the folder; None if none does.
    """

    directory: Directory
    engine: Engine
    sequence: int

    def __init__(self, recipe: Recipe, records: Records, path: Path | None, *, readonly: bool) -> None:
        """Bring an open store to work.

        Args:
            recipe: What the index is made of.
            records: The open store; owned from now on.
            path: The folder of the index.
            readonly: Whether another process may write to the store meanwhile.
        """
        self.recipe = recipe
        self._coarse = recipe.search.coarse
        self.records = records
        self.path = path
        self.readonly = readonly
        self.fields = Fields()
        self.selections = filtered.Selections()
        self.condensations = Condensations()
        self.stale = False
        self.damaged: dict[int, str] = {}
        self.saved: int | None = None
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

    def rows_of(self, ids: np.ndarray, what: str = "ids") -> np.ndarray:
        """Return the rows of (n,) ids.

        Raises:
            InvalidInputError: The index lacks one; the message names it.
        """
        rows = self.directory.rows_of(ids)
        unknown = ids[rows < 0]
        if len(unknown):
            others = f" (nor {len(unknown) - 1} others)" if len(unknown) > 1 else ""
            raise InvalidInputError(f"{what} holds {unknown[0]}, which the index does not have{others}")
        return rows

    def apply(self, added: Rows | None, removed_ids: np.ndarray, removed: np.ndarray) -> None:
        """Commit a change, then bring directory and search structure after it.

        Args:
            added: New records, with rows above all others; None for none.
            removed_ids: (n,) ids of present records.
            removed: Their (n,) rows.
        """
        before = self.records.sequence
        # Whatever interrupts what follows, the next use finds the mark and starts from the records.
        self.stale = True
        try:
            self.records.commit(added, removed)
        except BaseException:
            self.stale = self.records.sequence != before
            raise
        if len(removed):
            self.engine.remove(self._searched(removed))
            self.directory.remove(removed_ids)
            self.damaged = {row: reason for row, reason in self.damaged.items() if row not in removed}
        if added is not None:
            self.engine.add(added.rows, self.recipe.distance.prepare(added.embeddings))
            self.directory.add(added.rows, added.ids, added.labels)
        self.sequence = self.records.sequence
        self.stale = False

    def search(self, queries: np.ndarray, k: int, where: Filter | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Return (q, k) rows and distances of the nearest records, among those that pass a filter.

        Queries are (q, d), as the distance prepares them; so they are for :meth:`measured`.
        """
        if where is not None:
            return filtered.search(self, queries, k, where)
        times = self._coarse
        if not times:
            return self.engine.search(queries, k)
        # What is nearest among rounded vectors holds the nearest; the embeddings in the store tell which they are.
        candidates, _ = self.engine.search(queries, times * k)
        found = [self.measured(queries[i : i + 1], k, np.sort(rows[rows >= 0])) for i, rows in enumerate(candidates)]
        return np.concatenate([rows for rows, _ in found]), np.concatenate([distances for _, distances in found])

    def measured(self, queries: np.ndarray, k: int, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return rows and distances of the true neighbours among (n,) rows, by measuring all of them."""
        distance = self.recipe.distance
        return scan(distance, queries, self._prepared(rows), k)

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
        if self.readonly and self.records.sequence != self.sequence:
            raise InvalidInputError(
                f"{self.path} was changed by its writer since it was opened here for reading; open it again"
            )

    def save_graph(self) -> None:
        """Save the search structure, if it can be and the saved one is older."""
        if self.path is not None and self.recipe.search.persistent and self.saved != self.sequence:
            folder.save_graph(self.path, self.recipe, self.engine, self.sequence)
            self.saved = self.sequence

    def rebuild(self) -> None:
        """Make directory and search structure anew, without what removed records left in them."""
        self.directory = Directory(*self.directory.records())
        rows = self.directory.records()[0]
        self.engine = self._filled(self.recipe.search.create(self.recipe.dim, self.recipe.distance), rows)
        self.saved = None

    def _load(self) -> str:
        sequence = -1
        while sequence != self.records.sequence:
            sequence = self.records.sequence
            rows, ids, labels = self.records.keys()
        self.damaged = self.records.damage()
        self.directory = Directory(rows, ids, labels)
        self.sequence = sequence
        self.engine, how = self._engine(rows)
        return how

    def _engine(self, rows: np.ndarray) -> tuple[Engine, str]:
        """Return a search structure of these rows, and how it came to be."""
        self.saved = None
        engine, reason = None, "the search keeps nothing on disk"
        if self.path is not None and self.recipe.search.persistent:
            engine, saved, reasons = folder.load_graph(self.path, self.recipe, self.sequence)
            reason = "; ".join(reasons)
            if engine is not None:
                how = self._caught_up(engine, rows)
                if how is None:
                    engine, reason = None, f"the saved search structure is not of these records, at commit {saved}"
                else:
                    self.saved = saved
                    reason = f" ({reason})" if reasons else ""
            if not self.readonly:
                folder.remove_graphs(self.path, but=self.saved)
        if engine is not None:
            return engine, f"loaded the saved search structure{how}{reason}"
        engine = self._filled(self.recipe.search.create(self.recipe.dim, self.recipe.distance), rows)
        return engine, f"built from {len(rows)} records: {reason}" if len(rows) else "empty"

    def _caught_up(self, engine: Engine, rows: np.ndarray) -> str | None:
        """Bring a structure of earlier records to these rows.

        A row has one embedding for ever, so what changed since is the difference of two sets of rows.

        Returns:
            What was done; None if the structure turns out to be of other records.
        """
        had = engine.rows()
        # Most often nothing is to be done, and a million rows need not be sorted to see it.
        shared = rows if np.array_equal(had, rows) else np.intersect1d(had, rows, assume_unique=True)
        # Records that were restored from a copy may have gone on differently; then the last rows tell.
        if not all(self.has_embeddings(engine, *block) for block in self._blocks(shared[-_COMPARED:])):
            return None
        kept = self._searched(shared)
        gone = had[:0] if len(kept) == len(had) else np.setdiff1d(had, kept, assume_unique=True)
        missing = rows[:0] if shared is rows else np.setdiff1d(rows, shared, assume_unique=True)
        if len(gone):
            engine.remove(gone)
        self._filled(engine, missing)
        return f", then added {len(missing)} and removed {len(gone)} rows" if len(gone) or len(missing) else ""

    def has_embeddings(self, engine: Engine, rows: np.ndarray, embeddings: np.ndarray) -> bool:
        """Say whether a structure has these (n, d) embeddings for these (n,) rows, as far as it keeps them."""
        if not len(rows):
            return True
        vectors = self.recipe.distance.prepare(embeddings)
        # A search may round its vectors; those of other records are farther than this.
        return np.allclose(engine.vectors(rows), vectors, rtol=0, atol=1e-2 * float(np.abs(vectors).max()))

    def _filled(self, engine: Engine, rows: np.ndarray) -> Engine:
        with _Progress(len(rows)) as progress:
            for part, vectors in self._blocks(rows):
                engine.add(part, self.recipe.distance.prepare(vectors))
                progress.advance(len(part))
        return engine

    def _prepared(self, rows: np.ndarray) -> Iterator[Block]:
        """Yield vectors as the distance prepares them: those of the search structure, which is nearer than the disk."""
        for start in range(0, len(rows), _SCANNED_AT_ONCE):
            part = rows[start : start + _SCANNED_AT_ONCE]
            if self._coarse:
                yield Block(part, self.recipe.distance.prepare(self.embeddings(part)))
            else:
                yield Block(part, self.engine.vectors(part))

    def _blocks(self, rows: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yield rows and their embeddings, without damaged ones, which are remembered."""
        for start in range(0, len(rows), _SCANNED_AT_ONCE):
            part = rows[start : start + _SCANNED_AT_ONCE]
            try:
                embeddings = self.embeddings(part)
            except ArtifactError:
                part = part[[self._is_whole(row) for row in part.tolist()]]
                embeddings = self.embeddings(part)
            yield part, embeddings

    def _searched(self, rows: np.ndarray) -> np.ndarray:
        """Return those of some rows that the search structure has."""
        return rows[~np.isin(rows, list(self.damaged))] if self.damaged else rows

    def _is_whole(self, row: int) -> bool:
        try:
            self.embeddings(np.array([row]))
        except ArtifactError as cause:
            self.damaged[row] = str(cause)
            return False
        return True


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
