"""Records in LMDB: heads, vectors and payloads in databases of their own, keyed by row."""

from __future__ import annotations

import contextlib
import struct
from pathlib import Path
from typing import Any
from zlib import crc32

import attrs
import numpy as np

from simplug.api import ArtifactError, InvalidInputError, Records, Rows
from simplug_lmdb import codec
from simplug_lmdb.datafile import Tree, extend
from simplug_lmdb.environment import DATA, Environment, go_back_if_needed, wait_for_whole_file
from simplug_lmdb.pages import Leaves, Pages

_FORMAT = 1
_STATE_KEY = b"state"
_STATE = struct.Struct("<IIQQqqI")
_CHECKSUM = struct.Struct("<I")
_META, _HEADS, _VECTORS, _PAYLOADS = _NAMES = (b"meta", b"records", b"vectors", b"payloads")
_DROPPED_AT_ONCE = 8192


@attrs.frozen
class _State:
    """What the store says of itself; written in the transaction of each commit, with a checksum."""

    dim: int
    sequence: int = 0
    count: int = 0
    last_row: int = -1
    last_id: int = -1

    def packed(self) -> bytes:
        fields = _STATE.pack(_FORMAT, self.dim, self.sequence, self.count, self.last_row, self.last_id, 0)[:-4]
        return fields + _CHECKSUM.pack(crc32(fields))

    @classmethod
    def unpacked(cls, value: bytes, path: Path) -> _State:
        if len(value) != _STATE.size:
            raise ArtifactError(f"{path} is damaged: its state has {len(value)} bytes, not {_STATE.size}")
        version, *fields, checksum = _STATE.unpack(value)
        if crc32(value[:-4]) != checksum:
            raise ArtifactError(f"{path} is damaged: its state is not as it was written")
        if version != _FORMAT:
            raise ArtifactError(f"{path} holds records of format {version}; this reads format {_FORMAT}")
        return cls(*fields)


class LmdbRecords(Records):
    """The records of one index.

    A large commit is written slice by slice, each in a transaction of its own, because LMDB keeps every page that a
    transaction changes in memory. The state, which the last slice brings, makes them all visible at once: rows above
    its `last_row` are what a commit left that did not come to its end, and the next commit drops them.

    The pages of the file are checked before LMDB follows them. Where a page with records is damaged, its rows are
    never asked for, and nothing is written any more, because a change may touch that page.
    """

    def __init__(
        self, folder: Path, dim: int, *, map_size: int, create: bool, readonly: bool, unsynced: int | None = 0
    ) -> None:
        self._path = folder / DATA
        self._lost: dict[bytes, list[tuple[int, int]]] = {}
        self._heads_at: tuple[int, Leaves] | None = None
        self._damage: dict[int, str] = {}
        self._may_be_unfinished = True
        self._changed = False
        is_new = _is_new(folder, create and not readonly)
        if not is_new:
            go_back_if_needed(folder, readonly=readonly)
        missing = 0 if is_new else wait_for_whole_file(self._path)
        if missing and readonly:
            raise ArtifactError(
                f"{self._path} is {missing} bytes too short: it was truncated, or its writer was killed; open the "
                "index for writing to find out"
            )
        if missing:
            extend(self._path, missing)
        try:
            self._environment = Environment.acquire(folder, map_size=map_size, readonly=readonly, unsynced=unsynced)
            try:
                self._open(dim, is_new)
                if missing:
                    self._verify()
            except BaseException:
                with contextlib.suppress(ArtifactError):
                    self._environment.release()
                raise
        except BaseException as error:
            if missing:
                extend(self._path, -missing)
            if missing and isinstance(error, ArtifactError):
                raise ArtifactError(f"{self._path} is damaged: {missing} bytes are missing at its end") from error
            raise

    def _open(self, dim: int, is_new: bool) -> None:
        trees: dict[bytes, Tree] = {}
        if not is_new:
            with self._environment.pages() as (_, pages):
                pages.free()
                trees = pages.trees()
                if set(trees) == set(_NAMES):
                    pages.single(trees[_META])
        if not is_new and set(trees) != set(_NAMES):
            raise ArtifactError(f"{self._path} holds no records of an index")
        self._databases = {name: self._environment.database(name) for name in _NAMES}
        if is_new:
            self._write_state(_State(dim))
        state = self._state()
        if state.dim != dim:
            raise ArtifactError(f"{self._path} holds embeddings of dimension {state.dim}, not {dim}")
        self._vector_type = codec.vector_type(dim)
        if not is_new:
            self._check_pages()

    def _check_pages(self) -> None:
        """Find the rows that damaged pages hold."""
        with self._environment.pages() as (transaction, pages):
            pages.free()
            trees = pages.trees()
            pages.single(trees[_META])
            heads = pages.leaves(trees[_HEADS], size=codec.HEAD.itemsize, keep=True)
            vectors = pages.leaves(trees[_VECTORS], size=self._vector_type.itemsize)
            payloads = pages.leaves(trees[_PAYLOADS])
            self._heads_at = transaction.id(), heads
        found = {_HEADS: heads.damaged, _VECTORS: vectors.damaged, _PAYLOADS: payloads.damaged}
        self._lost = {name: ranges for name, ranges in found.items() if ranges}

    def __len__(self) -> int:
        return self._state().count

    @property
    def sequence(self) -> int:
        """The number of commits so far."""
        return self._state().sequence

    @property
    def last_row(self) -> int:
        """The highest row ever committed."""
        return self._state().last_row

    @property
    def last_id(self) -> int:
        """The highest id ever committed."""
        return self._state().last_id

    def commit(self, added: Rows | None, removed: np.ndarray) -> None:
        """Add records and take others away; see :meth:`simplug.api.Records.commit`."""
        self._require_sound_pages()
        if self._may_be_unfinished:
            self._drop_unfinished()
        parts = list(codec.slices(added)) if added is not None and len(added.rows) else []
        self._may_be_unfinished = len(parts) > 1
        try:
            for part in parts[:-1]:
                self._append(added, part, None)
            self._append(added, parts[-1] if parts else None, removed)
        except BaseException:
            if self._may_be_unfinished:
                # What cannot be dropped now is dropped by the next commit, and nobody sees it until then.
                with contextlib.suppress(ArtifactError):
                    self._drop_unfinished()
            raise
        self._may_be_unfinished = False

    def _append(self, added: Rows | None, part: slice | None, removed: np.ndarray | None) -> None:
        """Write some of the records to be added; with the rows to be removed, which are the last thing, it counts."""
        encoded = codec.encode(added, part) if added is not None and part is not None else None

        def change(transaction: Any) -> None:
            state = self._read_state(transaction)
            if encoded is not None:
                self._put(transaction, encoded)
            if removed is None:
                return
            for row, key in zip(removed.tolist(), codec.keys_of(removed), strict=True):
                if row > state.last_row or not transaction.delete(key, db=self._databases[_HEADS]):
                    raise ArtifactError(f"{self._path}: row {row} is not in the store")
                transaction.delete(key, db=self._databases[_VECTORS])
                transaction.delete(key, db=self._databases[_PAYLOADS])
            last_row, last_id, more = state.last_row, state.last_id, 0
            if added is not None and encoded is not None:
                more = len(added.rows)
                last_row, last_id = int(added.rows[-1]), max(last_id, int(added.ids.max()))
            count = state.count + more - len(removed)
            new = _State(state.dim, state.sequence + 1, count, last_row, last_id)
            transaction.put(_STATE_KEY, new.packed(), db=self._databases[_META])

        self._write(change, room=codec.room(encoded) if encoded is not None else 0)

    def _put(self, transaction: Any, encoded: codec.Encoded) -> None:
        for name, items, count in (
            (_HEADS, zip(encoded.keys, encoded.heads, strict=True), len(encoded.keys)),
            (_VECTORS, zip(encoded.keys, encoded.vectors, strict=True), len(encoded.keys)),
            (_PAYLOADS, iter(encoded.payloads), len(encoded.payloads)),
        ):
            _, put = transaction.cursor(self._databases[name]).putmulti(items, append=True)
            if put != count:
                raise ArtifactError(f"{self._path}: rows must be ascending and above all that were ever used")

    def _drop_unfinished(self) -> None:
        """Drop the rows of a commit that did not come to its end."""

        def change(transaction: Any) -> int:
            key = codec.keys_of(np.array([self._read_state(transaction).last_row + 1]))[0]
            dropped = 0
            for name in (_HEADS, _VECTORS, _PAYLOADS):
                cursor = transaction.cursor(self._databases[name])
                is_there = cursor.set_range(key)
                for _ in range(_DROPPED_AT_ONCE):
                    if not is_there:
                        break
                    cursor.delete()
                    dropped += 1
                    is_there = bool(cursor.key())
            return dropped

        with self._environment.reading() as transaction:
            last_row = self._read_state(transaction).last_row
            cursors = [transaction.cursor(self._databases[name]) for name in (_HEADS, _VECTORS, _PAYLOADS)]
            is_clean = not any(cursor.last() and _row(cursor.key()) > last_row for cursor in cursors)
        while not is_clean:
            is_clean = self._write(change) == 0

    def adopt(self, sequence: int, last_row: int, last_id: int) -> None:
        """Take over the counters of the store whose records were copied into this one."""
        self._write_state(attrs.evolve(self._state(), sequence=sequence, last_row=last_row, last_id=last_id))

    def flush(self) -> None:
        """Bring every commit to the disk."""
        self._environment.flush()

    def keys(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return rows, ids and labels of the records whose ids and labels are intact, in ascending order of rows."""
        with self._environment.pages() as (transaction, pages):
            state = self._read_state(transaction)
            if self._heads_at is not None and self._heads_at[0] == transaction.id():
                found = self._heads_at[1]
            else:
                found = pages.leaves(pages.trees()[_HEADS], size=codec.HEAD.itemsize, keep=True)
            self._heads_at = None
            rows = found.keys.astype(np.int64)
            heads = found.values.view(codec.HEAD)
            intact = codec.intact(heads, rows)
            present = intact & (rows <= state.last_row)
            self._damage = {}
            if not intact.all() or int(present.sum()) != state.count:
                read_as = dict(zip(rows[~intact].tolist(), heads["id"][~intact].tolist(), strict=True))
                self._damage = self._lost_heads(transaction, pages, state, rows[present], read_as)
        return rows[present], heads["id"][present].astype(np.int64), heads["label"][present].astype(np.int64)

    def damage(self) -> dict[int, str]:
        """Return what is wrong with the records that :meth:`keys` left out when it was last asked."""
        return dict(self._damage)

    def _lost_heads(
        self, transaction: Any, pages: Pages, state: _State, present: np.ndarray, read_as: dict[int, int]
    ) -> dict[int, str]:
        """Name the records whose heads are damaged, by the ids that lie with their embeddings."""
        every = pages.leaves(pages.trees()[_VECTORS], size=self._vector_type.itemsize).keys.astype(np.int64)
        rows = np.union1d(every, np.array(list(read_as), dtype=np.int64))
        rows = np.setdiff1d(rows[(rows >= 0) & (rows <= state.last_row)], present)
        if len(present) + len(rows) < state.count:
            raise ArtifactError(
                f"{self._path} is damaged: of {state.count} records, {len(present) + len(rows)} can be found"
            )
        damage = {}
        for row, key in zip(rows.tolist(), codec.keys_of(rows), strict=True):
            vector = self._vector(transaction, row, key)
            if vector is not None:
                name = f"id {int.from_bytes(vector[:8], 'little', signed=True)} (row {row})"
            else:
                name = f"row {row}" + (f", which reads as id {read_as[row]}" if row in read_as else "")
            damage[row] = f"{self._path} is damaged: id and label of {name}"
        return damage

    def embeddings(self, rows: np.ndarray) -> np.ndarray:
        """Return the (n, d) float32 embeddings of present rows."""
        keys, database = codec.keys_of(rows), self._databases[_VECTORS]
        with self._environment.reading() as transaction:
            self._require_visible(transaction, rows)
            if self._lost:
                values = [self._value(transaction, _VECTORS, *pair) for pair in zip(rows.tolist(), keys, strict=True)]
            else:
                values = [transaction.get(key, None, database) for key in keys]
            size = self._vector_type.itemsize
            there = [value for value in values if value is not None and len(value) == size]
            found = np.frombuffer(b"".join(there), dtype=self._vector_type)
            if len(found) == len(rows) and codec.intact(found, rows).all():
                return np.ascontiguousarray(found["embedding"], dtype=np.float32)
            bad = (row for row, key in zip(rows.tolist(), keys, strict=True) if not self._vector(transaction, row, key))
            raise self._damaged(transaction, "the embedding", next(bad))

    def payloads(self, rows: np.ndarray) -> list[bytes]:
        """Return the payloads of present rows."""
        with self._environment.reading() as transaction:
            self._require_visible(transaction, rows)
            return [
                self._payload(transaction, row, key)
                for row, key in zip(rows.tolist(), codec.keys_of(rows), strict=True)
            ]

    def close(self) -> None:
        """Close the store; what was committed stays."""
        if self._changed:
            # Each of the two meta pages now leads to all records: LMDB takes the older where the newer is damaged.
            with contextlib.suppress(ArtifactError, InvalidInputError):
                self._write_state(self._state())
        self._environment.release()

    def _verify(self) -> None:
        """Read every record; an error if one is not whole."""
        rows, _, _ = self.keys()
        for message in self._damage.values():
            raise ArtifactError(message)
        for start in range(0, len(rows), 1024):
            self.embeddings(rows[start : start + 1024])
            self.payloads(rows[start : start + 1024])

    def _require_sound_pages(self) -> None:
        if self._lost:
            raise ArtifactError(
                f"{self._path} is damaged, and a change might touch the damaged pages; what is whole can still be "
                "read, and added to a new index"
            )

    def _write(self, change: Any, *, room: int = 0) -> Any:
        self._require_sound_pages()
        self._heads_at = None
        result = self._environment.write(change, room=room)
        self._changed = True
        return result

    def _write_state(self, state: _State) -> None:
        self._write(lambda transaction: transaction.put(_STATE_KEY, state.packed(), db=self._databases[_META]))

    def _state(self) -> _State:
        with self._environment.reading() as transaction:
            return self._read_state(transaction)

    def _read_state(self, transaction: Any) -> _State:
        value = transaction.get(_STATE_KEY, db=self._databases[_META])
        if value is None:
            raise ArtifactError(f"{self._path} is damaged: it does not say what it holds")
        return _State.unpacked(value, self._path)

    def _require_visible(self, transaction: Any, rows: np.ndarray) -> None:
        """Refuse rows that only a commit has which did not come to its end."""
        if len(rows) and rows.max() > self._read_state(transaction).last_row:
            raise ArtifactError(f"{self._path}: row {rows.max()} is not in the store")

    def _value(self, transaction: Any, name: bytes, row: int, key: bytes) -> bytes | None:
        """Return a value; None if there is none, or if it lies in a damaged page."""
        if self._lost and any(first <= row <= last for first, last in self._lost.get(name, ())):
            return None
        value: bytes | None = transaction.get(key, db=self._databases[name])
        return value

    def _vector(self, transaction: Any, row: int, key: bytes) -> bytes | None:
        """Return the intact value that holds an embedding; None if it is not there."""
        value = self._value(transaction, _VECTORS, row, key)
        is_whole = value is not None and len(value) == self._vector_type.itemsize and codec.is_intact(value, row)
        return value if is_whole else None

    def _payload(self, transaction: Any, row: int, key: bytes) -> bytes:
        head = self._value(transaction, _HEADS, row, key)
        if head is None or len(head) != codec.HEAD.itemsize or not codec.is_intact(head, row):
            raise self._damaged(transaction, "id and label", row)
        payload = self._value(transaction, _PAYLOADS, row, key) or b""
        if codec.checksum(payload, row) != int(np.frombuffer(head, dtype=codec.HEAD)["payload"][0]):
            raise self._damaged(transaction, "the data", row)
        return payload

    def _damaged(self, transaction: Any, what: str, row: int) -> ArtifactError:
        """Return the error for a record that cannot be read, with its id if that is to be had."""
        key = codec.keys_of(np.array([row]))[0]
        head, vector = self._value(transaction, _HEADS, row, key), self._vector(transaction, row, key)
        if head is None and vector is None and not self._lost:
            return ArtifactError(f"{self._path}: row {row} is not in the store")
        known = vector or (head if head is not None and codec.is_intact(head, row) else None)
        name = f"id {int.from_bytes(known[:8], 'little', signed=True)} (row {row})" if known else f"row {row}"
        return ArtifactError(f"{self._path} is damaged: {what} of {name}")


def _is_new(folder: Path, create: bool) -> bool:
    """Say whether the folder gets a new store.

    Raises:
        ArtifactError: There is no store and none may be made, or there are other files.
    """
    if (folder / DATA).is_file():
        return False
    if not create:
        raise ArtifactError(f"{folder} holds no records: {DATA} is missing")
    if folder.is_dir() and any(folder.iterdir()):
        raise ArtifactError(f"{folder} holds other files, and no {DATA}")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as cause:
        raise ArtifactError(f"{folder} cannot be made: {cause}") from cause
    return True


def _row(key: bytes) -> int:
    return int.from_bytes(key, "big")
