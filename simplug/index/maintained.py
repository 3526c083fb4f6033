"""An index that is looked after: its state told, its records checked, its search tuned, its space given back."""

from __future__ import annotations

import contextlib
import uuid
from pathlib import Path
from typing import Any

import attrs
import numpy as np

from simplug.evaluation.calibration import Calibration
from simplug.index import folder, inspection, tuning, validation
from simplug.index.inspection import Verification
from simplug.index.locking import WriterLock
from simplug.index.opened import OpenIndex, PathLike
from simplug.index.state import State
from simplug.index.tuning import Tuning
from simplug.kernel.artifacts import staged_folder
from simplug.kernel.errors import InvalidInputError


class MaintainedIndex(OpenIndex):
    """What is done with an index as a whole, rather than with its records."""

    def stats(self) -> dict[str, Any]:
        """Return what the index is made of, its size, how it was opened, and how often and how fast it was asked.

        ``removed`` is the number of removed records that still take space in the search structure; ``bytes`` says
        how much each part takes on the disk.
        """
        with self._reading() as state:
            labels = state.directory.records()[2]
            size, opened, sequence, removed = len(labels), state.opened, state.sequence, state.engine.removed
            calibrated = isinstance(self._calibration, Calibration) and self._calibration.sequence == sequence
        with self._counting:
            asked = dict(self._lookups)
        config = self._recipe.to_config()
        return {
            "path": None if self._path is None else str(self._path),
            "size": size,
            "labels": len(np.unique(labels[labels != validation.UNLABELED])),
            **{name: config[name] for name in ("dim", "distance", "search", "store")},
            "sequence": sequence,
            "calibrated": calibrated,
            "opened": opened,
            "removed": removed,
            "bytes": {} if self._path is None else folder.sizes(self._path),
            "lookups": asked["lookups"],
            "queries": asked["queries"],
            "lookup_seconds": asked["seconds"],
            "seconds_per_query": asked["seconds"] / asked["queries"] if asked["queries"] else None,
        }

    def verify(self) -> Verification:
        """Read every record and every file, compare all with their checksums, and ask the search for records it has.

        Nothing is changed. Lookups go on meanwhile, changes wait.
        """
        with self._reading() as state:
            return inspection.verify(state)

    def tune(
        self, recall: float = 0.95, *, k: int = 10, queries: Any = None, sample: int = 500, seed: int = 0
    ) -> Tuning:
        """Set the effort of the search to the least that finds enough, measured on these very records.

        The true neighbours are found by measuring everything. The setting is saved with the index.

        Args:
            recall: The share of the true `k` neighbours to be found, above 0 and at most 1.
            k: How many neighbours a query gets.
            queries: (q, d) queries as they will come; None takes records, each left out of its own neighbours.
            sample: How many records to take when `queries` is None.
            seed: The seed of their choice.

        Returns:
            What was measured, and the setting.

        Raises:
            InvalidInputError: The search has nothing to tune, the index is empty or read only, or no effort finds
                enough; then the setting stays as it was.
        """
        wanted = validation.share(recall, "recall")
        k, sample = validation.neighbors_wanted(k), validation.neighbors_wanted(sample, "sample")
        asked = None if queries is None else validation.embeddings(queries, self.dim, self.distance, "queries")
        with self._changing() as state:
            found = tuning.tune(state, wanted, k, asked, sample, seed)
            state.recipe = found.recipe
            if self._path is not None:
                folder.finish(self._path, state.recipe)
        return found.tuning

    def rebuild(self) -> None:
        """Build the search structure anew from the records; removed records no longer take space in it."""
        with self._changing() as state:
            state.rebuild()
            self._write()

    def compact(self) -> None:
        """Give back the space of removed and replaced records, in the store and in the search structure.

        The store is written anew beside the old one, and takes its place when it is complete: a crash leaves one or
        the other. A reader in another process goes on with what it has opened.

        Raises:
            ArtifactError: A record is damaged, or the disk takes no more; then nothing is changed.
        """
        with self._changing() as state:
            if self._path is not None and self.store.persistent:
                self._write_store_anew(state, self._path)
            if state.engine.removed:
                state.rebuild()
            self._write()

    def _write_store_anew(self, state: State, path: Path) -> None:
        recipe = attrs.evolve(state.recipe, generation=state.recipe.generation + 1)
        place = folder.store_folder(path, recipe)
        with contextlib.ExitStack() as undo:
            undo.callback(folder.remove_other_stores, path, state.recipe)
            copy = recipe.store.open(place, recipe.dim)
            undo.callback(copy.close)
            folder.copy_records(state.records, copy)
            folder.finish(path, recipe)
            undo.pop_all()
        old, state.records, state.recipe = state.records, copy, recipe
        old.close()
        folder.remove_other_stores(path, recipe)

    def save(self, path: PathLike, *, overwrite: bool = False) -> None:
        """Write a complete copy, calibration included, into a new folder, whether the index is in memory or on a path.

        Raises:
            ArtifactError: `path` exists and `overwrite` is false, or holds something else, or cannot be written.
            InvalidInputError: It is the folder of this index, or of one that is open for writing; or this index is
                read only and its writer has changed it since it was opened.
        """
        place = Path(path)
        if self._path is not None and place.resolve() == self._path.resolve():
            raise InvalidInputError(f"{place} is the folder of this index; flush writes to it")
        folder.require_free(place, overwrite=overwrite)
        with contextlib.ExitStack() as held:
            if place.exists():
                held.callback(WriterLock(place / folder.LOCK).release)
            state = held.enter_context(self._reading())
            copied = attrs.evolve(self._recipe, uuid=uuid.uuid4().hex, generation=0)
            with staged_folder(place, overwrite=True) as staging:
                folder.write_copy(staging, copied, state.records, state.engine)
                # A writer in another process may have been at work; then records and search structure differ.
                state.require_current()
                found = self._calibration
                if isinstance(found, Calibration) and found.sequence == state.sequence:
                    folder.write_calibration(staging, found)
                folder.finish(staging, copied)
