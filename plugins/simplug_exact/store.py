"""The store in memory."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import attrs
import numpy as np

from simplug.api import ArtifactError, Records, Rows, Store


@attrs.frozen
class Memory(Store):
    """Keeps records in memory; an index on a path writes them as files when it is flushed, saved or closed."""

    persistent: ClassVar[bool] = False

    def open(self, folder: Path | None, dim: int, *, create: bool = True, readonly: bool = False) -> Records:
        """Return an empty store; the folder is not used."""
        return MemoryRecords(dim)


@attrs.frozen(eq=False)
class _Record:
    id: int
    label: int
    embedding: np.ndarray
    payload: bytes


class MemoryRecords(Records):
    """Records in a dictionary by row; rows come in ascending order and a dictionary keeps that."""

    def __init__(self, dim: int) -> None:
        self._dim = dim
        self._records: dict[int, _Record] = {}
        self._sequence = 0
        self._last_row = -1
        self._last_id = -1

    def __len__(self) -> int:
        return len(self._records)

    @property
    def sequence(self) -> int:
        """The number of commits so far."""
        return self._sequence

    @property
    def last_row(self) -> int:
        """The highest row ever committed."""
        return self._last_row

    @property
    def last_id(self) -> int:
        """The highest id ever committed."""
        return self._last_id

    def commit(self, added: Rows | None, removed: np.ndarray) -> None:
        """Add records and take others away, all or nothing."""
        missing = [row for row in removed.tolist() if row not in self._records]
        if missing:
            raise ArtifactError(f"row {missing[0]} is not in the store")
        new: dict[int, _Record] = {}
        if added is not None and len(added.rows):
            # One copy of the block, so that the caller's array may change afterwards.
            embeddings = np.array(added.embeddings, dtype=np.float32)
            columns = zip(added.rows.tolist(), added.ids.tolist(), added.labels.tolist(), strict=True)
            for i, (row, id_, label) in enumerate(columns):
                new[row] = _Record(id_, label, embeddings[i], added.payloads[i])
        for row in removed.tolist():
            del self._records[row]
        self._records.update(new)
        if new and added is not None:
            self._last_row = int(added.rows[-1])
            self._last_id = max(self._last_id, int(added.ids.max()))
        self._sequence += 1

    def adopt(self, sequence: int, last_row: int, last_id: int) -> None:
        """Take over the counters of the store whose records were copied into this one."""
        self._sequence, self._last_row, self._last_id = sequence, last_row, last_id

    def flush(self) -> None:
        """Do nothing: there is no disk."""

    def keys(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return rows, ids and labels of all records, in ascending order of rows."""
        records = self._records.values()
        rows = np.fromiter(self._records, dtype=np.int64, count=len(self._records))
        ids = np.fromiter((record.id for record in records), dtype=np.int64, count=len(records))
        labels = np.fromiter((record.label for record in records), dtype=np.int64, count=len(records))
        return rows, ids, labels

    def embeddings(self, rows: np.ndarray) -> np.ndarray:
        """Return the (n, d) float32 embeddings of present rows."""
        found = np.empty((len(rows), self._dim), dtype=np.float32)
        for i, row in enumerate(rows.tolist()):
            found[i] = self._record(row).embedding
        return found

    def payloads(self, rows: np.ndarray) -> list[bytes]:
        """Return the payloads of present rows."""
        return [self._record(row).payload for row in rows.tolist()]

    def close(self) -> None:
        """Forget the records."""
        self._records = {}

    def _record(self, row: int) -> _Record:
        if row not in self._records:
            raise ArtifactError(f"row {row} is not in the store")
        return self._records[row]
