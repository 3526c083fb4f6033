"""Records in LMDB: fixed-size heads, embeddings and payloads in databases of their own, keyed by row."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any
from zlib import crc32

import attrs
import numpy as np

from simplug.api import ArtifactError, Records, Rows
from simplug_lmdb.datafile import extend
from simplug_lmdb.environment import DATA, Environment, wait_for_whole_file

_FORMAT = 1
_STATE_KEY = b"state"
_STATE = struct.Struct("<IIQQqqI")
_HEAD = struct.Struct("<qqII")
_HEAD_FIELDS = np.dtype([("id", "<i8"), ("label", "<i8"), ("payload", "<u4"), ("checksum", "<u4")])
_CHECKSUM = struct.Struct("<I")


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

    The head of a record holds its id, its label and the checksum of its payload, and is small, so that :meth:`keys`
    reads little. Each checksum includes the row, so a value that is found under the wrong key counts as damaged.
    """

    def __init__(self, folder: Path, dim: int, *, map_size: int, create: bool, readonly: bool) -> None:
        self._path = folder / DATA
        is_new = _is_new(folder, create and not readonly)
        missing = 0 if is_new else wait_for_whole_file(self._path)
        if missing and readonly:
            raise ArtifactError(
                f"{self._path} is {missing} bytes too short: it was truncated, or its writer was killed; open the "
                "index for writing to find out"
            )
        self._environment = Environment.acquire(folder, map_size=map_size, readonly=readonly)
        try:
            if missing:
                extend(self._path, missing)
            self._open(dim, is_new)
            if missing:
                self._verify()
        except BaseException as error:
            self._environment.release()
            if missing:
                extend(self._path, -missing)
            if missing and isinstance(error, ArtifactError):
                raise ArtifactError(f"{self._path} is damaged: {missing} bytes are missing at its end") from error
            raise

    def _open(self, dim: int, is_new: bool) -> None:
        import lmdb

        names = (b"meta", b"records", b"vectors", b"payloads")
        try:
            self._meta, self._heads, self._vectors, self._payloads = map(self._environment.database, names)
        except lmdb.Error as cause:
            raise ArtifactError(f"{self._path} holds no records of an index: {cause}") from cause
        if is_new:
            state = _State(dim)
            self._environment.write(lambda transaction: transaction.put(_STATE_KEY, state.packed(), db=self._meta))
        state = self._state()
        if state.dim != dim:
            raise ArtifactError(f"{self._path} holds embeddings of dimension {state.dim}, not {dim}")

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
        """Add records and take others away, in one transaction that is on disk when this returns."""
        additions = _encoded(added) if added is not None and len(added.rows) else None

        def change(transaction: Any) -> None:
            state = self._read_state(transaction)
            for key in _keys(removed):
                if not transaction.delete(key, db=self._heads):
                    raise ArtifactError(f"{self._path}: row {_row(key)} is not in the store")
                transaction.delete(key, db=self._vectors)
                transaction.delete(key, db=self._payloads)
            last_row, last_id, more = state.last_row, state.last_id, 0
            if additions is not None and added is not None:
                self._append(transaction, additions)
                more = len(added.rows)
                last_row, last_id = int(added.rows[-1]), max(last_id, int(added.ids.max()))
            count = state.count + more - len(removed)
            new = _State(state.dim, state.sequence + 1, count, last_row, last_id)
            transaction.put(_STATE_KEY, new.packed(), db=self._meta)

        self._environment.write(change)

    def adopt(self, sequence: int, last_row: int, last_id: int) -> None:
        """Take over the counters of the store whose records were copied into this one."""

        def change(transaction: Any) -> None:
            state = self._read_state(transaction)
            new = attrs.evolve(state, sequence=sequence, last_row=last_row, last_id=last_id)
            transaction.put(_STATE_KEY, new.packed(), db=self._meta)

        self._environment.write(change)

    def flush(self) -> None:
        """Do nothing: every commit is on the disk when it returns."""

    def _append(self, transaction: Any, additions: tuple[list[tuple[bytes, bytes]], ...]) -> None:
        for database, items in zip((self._heads, self._vectors, self._payloads), additions, strict=True):
            _, put = transaction.cursor(database).putmulti(items, append=True)
            if put != len(items):
                raise ArtifactError(f"{self._path}: rows must be ascending and above all that were ever used")

    def keys(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return rows, ids and labels of all records, in ascending order of rows."""
        with self._environment.reading() as transaction:
            items = list(transaction.cursor(self._heads))
            count = self._read_state(transaction).count
        if len(items) != count:
            raise ArtifactError(f"{self._path} is damaged: {len(items)} of its {count} records can be found")
        for key, value in items:
            self._head(key, value)
        rows = np.frombuffer(b"".join(key for key, _ in items), dtype=">u8").astype(np.int64)
        heads = np.frombuffer(b"".join(value for _, value in items), dtype=_HEAD_FIELDS)
        return rows, heads["id"].astype(np.int64), heads["label"].astype(np.int64)

    def embeddings(self, rows: np.ndarray) -> np.ndarray:
        """Return the (n, d) float32 embeddings of present rows."""
        with self._environment.reading() as transaction:
            dim = self._read_state(transaction).dim
            values = [self._embedding(transaction, key, 4 * dim + 4) for key in _keys(rows)]
        fields = np.frombuffer(b"".join(values), dtype=[("embedding", "<f4", (dim,)), ("checksum", "<u4")])
        return np.ascontiguousarray(fields["embedding"], dtype=np.float32)

    def payloads(self, rows: np.ndarray) -> list[bytes]:
        """Return the payloads of present rows."""
        with self._environment.reading() as transaction:
            return [self._payload(transaction, key) for key in _keys(rows)]

    def close(self) -> None:
        """Close the store; what was committed stays."""
        self._environment.release()

    def _verify(self) -> None:
        """Read every record, and write, which reads the list of free pages."""
        rows, _, _ = self.keys()
        for start in range(0, len(rows), 1024):
            self.embeddings(rows[start : start + 1024])
            self.payloads(rows[start : start + 1024])
        state = self._state().packed()
        self._environment.write(lambda transaction: transaction.put(_STATE_KEY, state, db=self._meta))

    def _state(self) -> _State:
        with self._environment.reading() as transaction:
            return self._read_state(transaction)

    def _read_state(self, transaction: Any) -> _State:
        value = transaction.get(_STATE_KEY, db=self._meta)
        if value is None:
            raise ArtifactError(f"{self._path} is damaged: it does not say what it holds")
        return _State.unpacked(value, self._path)

    def _head(self, key: bytes, value: bytes) -> tuple[int, int]:
        """Return id and checksum of the payload."""
        if len(key) != 8 or len(value) != _HEAD.size:
            raise ArtifactError(f"{self._path} is damaged: a record has a key of {len(key)} and {len(value)} bytes")
        id_, _, payload, checksum = _HEAD.unpack(value)
        if crc32(value[:-4], crc32(key)) != checksum:
            raise ArtifactError(f"{self._path} is damaged: id and label of row {_row(key)}, which reads as id {id_}")
        return id_, payload

    def _present_head(self, transaction: Any, key: bytes) -> tuple[int, int]:
        value = transaction.get(key, db=self._heads)
        if value is None:
            raise ArtifactError(f"{self._path}: row {_row(key)} is not in the store")
        return self._head(key, value)

    def _embedding(self, transaction: Any, key: bytes, size: int) -> bytes:
        value: bytes | None = transaction.get(key, db=self._vectors)
        if value is not None and len(value) == size:
            (checksum,) = _CHECKSUM.unpack_from(value, size - 4)
            if crc32(value[:-4], crc32(key)) == checksum:
                return value
        id_, _ = self._present_head(transaction, key)
        raise ArtifactError(f"{self._path} is damaged: the embedding of id {id_} (row {_row(key)})")

    def _payload(self, transaction: Any, key: bytes) -> bytes:
        id_, checksum = self._present_head(transaction, key)
        value: bytes = transaction.get(key, db=self._payloads) or b""
        if crc32(value, crc32(key)) != checksum:
            raise ArtifactError(f"{self._path} is damaged: the data of id {id_} (row {_row(key)})")
        return value


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


def _encoded(added: Rows) -> tuple[list[tuple[bytes, bytes]], ...]:
    """Return keys and values of heads, embeddings and payloads, each in the order of rows."""
    keys = _keys(added.rows)
    embeddings = np.ascontiguousarray(added.embeddings, dtype="<f4")
    heads, vectors, payloads = [], [], []
    for i, (key, id_, label) in enumerate(zip(keys, added.ids.tolist(), added.labels.tolist(), strict=True)):
        of_key = crc32(key)
        payload, vector = added.payloads[i], embeddings[i].tobytes()
        fields = _HEAD.pack(id_, label, crc32(payload, of_key), 0)[:-4]
        heads.append((key, fields + _CHECKSUM.pack(crc32(fields, of_key))))
        vectors.append((key, vector + _CHECKSUM.pack(crc32(vector, of_key))))
        if payload:
            payloads.append((key, payload))
    return heads, vectors, payloads


def _keys(rows: np.ndarray) -> list[bytes]:
    """Return rows as big-endian keys, whose order in the database is the order of rows."""
    packed = rows.astype(">u8").tobytes()
    return [packed[start : start + 8] for start in range(0, len(packed), 8)]


def _row(key: bytes) -> int:
    return int.from_bytes(key, "big")
