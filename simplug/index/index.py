"""The index: records that can be searched by the embeddings of queries."""

from __future__ import annotations

import contextlib
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from simplug.api import Distance, Search, Store
from simplug.api.store import Rows, no_rows
from simplug.evaluation.calibration import Calibration
from simplug.index import exchange, filters, folder, judging, payload, validation
from simplug.index.filters import Filter
from simplug.index.judged import JudgedIndex
from simplug.index.locking import WriterLock
from simplug.index.neighbors import Neighbors, Record, RecordBatch
from simplug.index.opened import PathLike
from simplug.index.recipe import Recipe, recipe, recipe_from
from simplug.index.state import State
from simplug.kernel.artifacts import read_manifest
from simplug.kernel.errors import ArtifactError, InvalidInputError
from simplug.kernel.plugins import plugins

_ITERATED_AT_ONCE = 1024

_FLOAT32 = np.dtype(np.float32)


class Index(JudgedIndex):
    """Records with ids, labels, embeddings and data, found by their distance to queries.

    An index is made with :meth:`create` and opened again with :meth:`open`; both are context managers. On a path it
    has one writer, in one process, and any number of readers; its threads may look up and change it at once. With a
    persistent store a change is on disk when the call returns; with another store it is when the index is flushed or
    closed. A reader in another process sees the index as it was when the reader opened it.

    Every argument is checked before anything is done. Unusable ones raise :class:`simplug.api.InvalidInputError`, and
    so does every use of a closed index and every change of one that was opened to be read.
    """

    @classmethod
    def create(
        cls,
        path: PathLike | None = None,
        *,
        dim: int,
        distance: str | Mapping[str, Any] | Distance = "cosine",
        search: str | Mapping[str, Any] | Search | None = None,
        store: str | Mapping[str, Any] | Store | None = None,
        overwrite: bool = False,
    ) -> Index:
        """Make a new, empty index.

        Args:
            path: The folder to make; None keeps the index in memory.
            dim: The dimension of the embeddings.
            distance: How far two embeddings are apart: a name, a table or an instance, as for the next two.
            search: How neighbours are found; by default ``hnsw`` on a path, if it can serve the distance, and else
                ``exact``.
            store: Where records live; by default ``lmdb`` on a path and else ``memory``.
            overwrite: Whether an index at `path` is replaced.

        Raises:
            ArtifactError: The path exists and `overwrite` is false, or holds something else, or cannot be written.
            InvalidInputError: The search cannot serve the distance, the store needs a path, or an index that is open
                for writing is at `path`.
        """
        made = recipe(dim, distance, search, store, has_path=path is not None, uuid=uuid.uuid4().hex)
        if path is None:
            return cls(State(made, made.store.open(None, made.dim), None, readonly=False), path=None, lock=None)
        place = Path(path)
        with contextlib.ExitStack() as undo:
            lock = folder.make(place, overwrite=overwrite)
            undo.callback(folder.unmake, place)
            undo.callback(lock.release)
            records = made.store.open(folder.store_folder(place, made), made.dim)
            undo.callback(records.close)
            state = State(made, records, place, readonly=False)
            if not made.store.persistent:
                folder.write_records(place, made, records)
            folder.finish(place, made)
            undo.pop_all()
            return cls(state, path=place, lock=lock)

    @classmethod
    def open(cls, path: PathLike, *, readonly: bool = False) -> Index:
        """Open a saved index.

        Args:
            path: Its folder.
            readonly: Whether it is only read; then others may read and one may write it at the same time.

        Raises:
            ArtifactError: There is no index, it is damaged, or it was written by a newer version.
            ComponentError: A component of it is not installed.
            InvalidInputError: It is open for writing already, here or in another process.
        """
        place = Path(path)
        if not place.exists():
            raise ArtifactError(f"{place} is no saved index: there is no such folder")
        with contextlib.ExitStack() as undo:
            lock = None if readonly else cls._locked(place, undo)
            made = recipe_from(read_manifest(place, "index"), place)
            try:
                index = cls._opened(place, made, lock)
            except ArtifactError:
                if not readonly or recipe_from(read_manifest(place, "index"), place) == made:
                    raise
                # A writer has compacted the store in between; what it was made of is elsewhere now.
                index = cls.open(place, readonly=True)
            undo.pop_all()
            return index

    @classmethod
    def _opened(cls, place: Path, made: Recipe, lock: WriterLock | None) -> Index:
        readonly = lock is None
        with contextlib.ExitStack() as undo:
            records = made.store.open(folder.store_folder(place, made), made.dim, create=False, readonly=readonly)
            undo.callback(records.close)
            if not readonly:
                folder.remove_other_stores(place, made)
            if not made.store.persistent:
                folder.read_records(place, made, records)
            state = State(made, records, place, readonly=readonly)
            calibration: Calibration | ArtifactError | None
            try:
                calibration = folder.read_calibration(place)
            except ArtifactError as error:
                # The records are whole; whoever asks for the cut points is told.
                calibration = error
            undo.pop_all()
            return cls(state, path=place, lock=lock, calibration=calibration)

    @staticmethod
    def _locked(place: Path, undo: contextlib.ExitStack) -> WriterLock:
        read_manifest(place, "index")  # no lock file is left in a folder that is no index
        lock = WriterLock(place / folder.LOCK)
        undo.callback(lock.release)
        folder.clean(place)
        return lock

    def add(self, embeddings: Any, labels: Any = None, ids: Any = None, data: Any = None) -> np.ndarray:
        """Add records, all or none.

        Args:
            embeddings: (n, d) finite numbers, kept as float32.
            labels: (n,) integers; a record without a label, as all are when this is None, has -1.
            ids: (n,) integers from 0 that no record has; None continues after the highest id that was ever used.
            data: n payloads, one a record: None, bytes, texts, numbers, NumPy arrays, and lists and dicts of these.

        Returns:
            The (n,) int64 ids.
        """
        vectors = validation.embeddings(embeddings, self.dim, self.distance)
        count = len(vectors)
        classes = validation.labels(labels, count)
        payloads = _encoded(validation.data(data, count))
        given = None if ids is None else validation.ids(ids)
        if given is not None:
            validation.require_length(len(given), count, "ids")
        return self._add(vectors, classes, given, payloads)

    def _add(
        self, vectors: np.ndarray, classes: np.ndarray, given: np.ndarray | None, payloads: Sequence[bytes]
    ) -> np.ndarray:
        """Add records that were checked; without ids they get the next ones."""
        count = len(vectors)
        with self._changing() as state:
            names = _next_ids(state, count) if given is None else given
            taken = state.directory.rows_of(names) >= 0
            if taken.any():
                raise InvalidInputError(f"ids holds {names[taken][0]}, which the index has already; see update")
            if count:
                state.apply(Rows(_next_rows(state, count), names, classes, vectors, payloads), no_rows(), no_rows())
            return names

    def remove(self, ids: Any) -> None:
        """Remove records, all or none.

        Args:
            ids: (n,) ids of present records.
        """
        names = validation.ids(ids)
        with self._changing() as state:
            rows = state.rows_of(names)
            if len(names):
                state.apply(None, names, rows)

    def update(self, ids: Any, embeddings: Any = None, labels: Any = None, data: Any = None) -> None:
        """Change records, all or none; what is not given stays, and so do the ids.

        Among records at equal distance, an updated one is the last.

        Args:
            ids: (n,) ids of present records.
            embeddings: (n, d) new embeddings.
            labels: (n,) new labels.
            data: n new payloads; a None among them removes the payload of its record.
        """
        names = validation.ids(ids)
        count = len(names)
        if embeddings is None and labels is None and data is None:
            raise InvalidInputError("update was given nothing to change: embeddings, labels and data are None")
        vectors = None if embeddings is None else validation.embeddings(embeddings, self.dim, self.distance)
        if vectors is not None:
            validation.require_length(len(vectors), count, "embeddings")
        classes = None if labels is None else validation.labels(labels, count)
        payloads = None if data is None else _encoded(validation.data(data, count))
        with self._changing() as state:
            rows = state.rows_of(names)
            if not count:
                return
            changed = Rows(
                _next_rows(state, count),
                names,
                state.directory.ids_and_labels(rows)[1] if classes is None else classes,
                state.embeddings(rows) if vectors is None else vectors,
                state.payloads(rows) if payloads is None else payloads,
            )
            state.apply(changed, names, rows)

    def get(self, ids: Any) -> RecordBatch:
        """Return the records of (n,) present ids, in that order."""
        names = validation.id_values(ids)
        with self._reading() as state:
            rows = state.rows_of(names)
            labels = state.directory.ids_and_labels(rows)[1]
            embeddings, payloads = state.embeddings(rows), state.payloads(rows)
        return RecordBatch(names, labels, embeddings, _decoded(payloads, names))

    def data_of(self, ids: Any) -> list[Any]:
        """Return the payloads of present ids, such as ``neighbors.ids``.

        Args:
            ids: (n,) or (n, k) integers; -1, as in a place that no neighbour fills, gives None.

        Returns:
            n payloads, or n lists of k.
        """
        given = np.asarray(ids)
        if given.ndim == 2:
            flat = self.data_of(given.reshape(-1))
            return [flat[row * given.shape[1] : (row + 1) * given.shape[1]] for row in range(len(given))]
        filled = given != -1
        names = validation.id_values(given[filled])
        with self._reading() as state:
            payloads = state.payloads(state.rows_of(names))
        found = iter(_decoded(payloads, names))
        return [next(found) if is_filled else None for is_filled in filled.tolist()]

    def lookup(self, queries: Any, k: int = 5, where: Mapping[str, Any] | None = None) -> Neighbors:
        """Return the nearest records of each query.

        Args:
            queries: (q, d) finite numbers.
            k: How many neighbours each query gets; where there are fewer, places stay unfilled.
            where: Only records that pass this filter, a table of conditions that must all hold::

                    {"label": [1, 2], "camera": "front", "iso": {"ge": 100, "lt": 800}}

                ``label`` and ``id`` are the records' own; every other name is a field of data that is a dict, and
                ``exif.iso`` is a field of a dict inside. ``data.label`` is a field of data that would otherwise mean
                something else. A condition is a value; a list, set, range or array of values, one of which it must be;
                or a table of ``eq``, ``ne``, ``in``, ``not_in``, ``lt``, ``le``, ``gt``, ``ge`` and ``exists``.
                ``{"any": [filter, ...]}``, ``{"all": [...]}`` and ``{"not": filter}`` go around filters.

                Values of different kinds, such as a text and a number, are not equal, and neither is below the other.
                A record without a field passes ``ne``, ``not_in`` and ``{"exists": False}``, and no other condition
                on it. The neighbours are the true ones if the search is exact or few records pass, up to 2,000 or a
                fifth of all; where more do, as near as the search finds them, and always as many as there are.

        Returns:
            Arrays of shape (q, k).
        """
        k = validation.neighbors_wanted(k)
        tree = None if where is None else filters.parse(where)
        vectors = validation.embeddings(queries, self.dim, self.distance, "queries")
        return Neighbors(*self._neighbors(vectors, self.distance.prepare(vectors), k, tree))

    def single_lookup(self, query: Any, k: int = 5, where: Mapping[str, Any] | None = None) -> Neighbors:
        """Return the nearest records of one query of shape (d,) or (1, d), as arrays of shape (k,)."""
        if type(k) is not int or k < 1:
            k = validation.neighbors_wanted(k)
        tree = None if where is None else filters.parse(where)
        recipe = self._state.recipe
        prepared = None
        if type(query) is np.ndarray and query.dtype == _FLOAT32 and query.shape == (recipe.dim,):
            # What production sends is checked and prepared in one step.
            prepared = recipe.distance.prepare_query(query)
        if prepared is None:
            query = validation.query(query, recipe.dim, recipe.distance)
            prepared = recipe.distance.prepare(query)
        ids, distances, labels = self._neighbors(query, prepared, k, tree)
        return Neighbors(ids[0], distances[0], labels[0])

    def _neighbors(self, queries: np.ndarray, prepared: np.ndarray, k: int, where: Filter | None) -> judging.Arrays:
        started = time.perf_counter()
        with self._threads:
            state = self._state
            # Not in _reading: a single lookup takes ten microseconds, and a generator around it one more.
            found = None if self._closed or state.stale else judging.neighbors(state, prepared, k, where)
        if found is None:
            with self._reading() as state:
                found = judging.neighbors(state, prepared, k, where)
        self._count_lookup(len(prepared), time.perf_counter() - started)
        if plugins.listens("simplug_lookup_done"):
            queries = queries.reshape(prepared.shape)
            plugins.hook.simplug_lookup_done(index=self, queries=queries, neighbors=Neighbors(*found))
        return found

    def to_columns(self, limit: int | None = None) -> dict[str, Any]:
        """Return the records as columns ``id``, ``label``, ``embedding`` and ``data``, the oldest first.

        Args:
            limit: At most this many records.
        """
        if limit is not None:
            limit = validation.neighbors_wanted(limit)
        with self._reading() as state:
            rows, ids, labels = (column[:limit] for column in state.directory.records())
            embeddings, payloads = state.embeddings(rows), state.payloads(rows)
        return {"id": ids, "label": labels, "embedding": list(embeddings), "data": _decoded(payloads, ids)}

    def to_data_frame(self, limit: int | None = None) -> Any:
        """Return the records as a pandas data frame, with the columns of :meth:`to_columns`.

        Args:
            limit: At most this many records.

        Raises:
            SimplugError: pandas is not installed.
        """
        return exchange.data_frame(self.to_columns(limit))

    def export(self, path: PathLike, *, overwrite: bool = False) -> None:
        """Write all records into one file, which :meth:`import_records` and other programs read.

        Lookups go on meanwhile, changes wait. The file is written beside its place, and takes it when it is complete.

        Args:
            path: A file whose name ends in ``.npz``, or in ``.arrow`` or ``.feather``, which need pyarrow.
            overwrite: Whether a file at `path` is replaced.

        Raises:
            ArtifactError: The file exists and `overwrite` is false, or cannot be written; or a record is damaged.
            InvalidInputError: The name ends otherwise.
            SimplugError: pyarrow is needed and not installed.
        """
        with self._reading() as state:
            exchange.write(state, Path(path), overwrite=overwrite)

    def import_records(self, path: PathLike) -> np.ndarray:
        """Add the records of a file that :meth:`export` wrote, all or none, with the ids that they have there.

        Args:
            path: A file whose name ends in ``.npz``, ``.arrow`` or ``.feather``.

        Returns:
            The (n,) int64 ids.

        Raises:
            ArtifactError: The file is missing, damaged, something else or of a newer format.
            InvalidInputError: An id is there already, or the embeddings do not fit this index.
            SimplugError: pyarrow is needed and not installed.
        """
        found = exchange.read(Path(path), self.dim, self.distance)
        return self._add(found.embeddings, found.labels, found.ids, found.payloads)

    def __iter__(self) -> Iterator[Record]:
        """Yield each record, the oldest first.

        Raises:
            InvalidInputError: The index was changed or closed since the first record.
        """
        with self._reading() as state:
            sequence, (rows, ids, labels) = state.sequence, state.directory.records()
        for start in range(0, len(rows), _ITERATED_AT_ONCE):
            some = slice(start, start + _ITERATED_AT_ONCE)
            with self._reading() as state:
                self._require_same(sequence)
                embeddings, payloads = state.embeddings(rows[some]), state.payloads(rows[some])
            data = _decoded(payloads, ids[some])
            for record in zip(ids[some].tolist(), labels[some].tolist(), embeddings, data, strict=True):
                self._require_open()
                self._require_same(sequence)
                yield Record(*record)

    def _require_same(self, sequence: int) -> None:
        if self._state.sequence != sequence:
            raise InvalidInputError("the index was changed while its records were iterated; begin again")

    def __len__(self) -> int:
        with self._reading() as state:
            return len(state.directory)

    def __contains__(self, id_: object) -> bool:
        if isinstance(id_, bool) or not isinstance(id_, int | np.integer):
            return False
        with self._reading() as state:
            return 0 <= int(id_) < 2**63 and int(id_) in state.directory


def _next_rows(state: State, count: int) -> np.ndarray:
    first = state.records.last_row + 1
    return np.arange(first, first + count, dtype=np.int64)


def _next_ids(state: State, count: int) -> np.ndarray:
    first = state.records.last_id + 1
    if first + count - 1 > np.iinfo(np.int64).max:
        raise InvalidInputError(f"no {count} ids are left after {first - 1}; pass ids")
    return np.arange(first, first + count, dtype=np.int64)


def _encoded(values: Sequence[Any]) -> list[bytes]:
    return [payload.encode(value, f"data[{i}]") for i, value in enumerate(values)]


def _decoded(payloads: Sequence[bytes], ids: np.ndarray) -> list[Any]:
    return [payload.decode(value, f"the data of id {id_}") for value, id_ in zip(payloads, ids.tolist(), strict=True)]
