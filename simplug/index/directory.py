"""Which record lies in which row: ids, labels and rows in memory, so that lookups ask no store."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np


class Directory:
    """Ids and labels of live records by row.

    Rows only grow: an update gives a record a new row, so a row means one embedding for ever. They are kept ascending;
    removed ones stay until they outnumber the live.
    """

    def __init__(self, rows: np.ndarray, ids: np.ndarray, labels: np.ndarray) -> None:
        self._count = len(rows)
        self._rows, self._ids, self._labels = rows.copy(), ids.copy(), labels.copy()
        self._live = np.ones(len(rows), dtype=bool)
        self._row_of = dict(zip(ids.tolist(), rows.tolist(), strict=True))

    def __len__(self) -> int:
        return len(self._row_of)

    def __contains__(self, id_: int) -> bool:
        return id_ in self._row_of

    def present(self, ids: np.ndarray) -> np.ndarray:
        """Return which of (n,) ids are there."""
        return np.fromiter((id_ in self._row_of for id_ in ids.tolist()), dtype=bool, count=len(ids))

    def rows_of(self, ids: np.ndarray) -> np.ndarray:
        """Return the rows of (n,) present ids."""
        return np.fromiter((self._row_of[id_] for id_ in ids.tolist()), dtype=np.int64, count=len(ids))

    def add(self, rows: np.ndarray, ids: np.ndarray, labels: np.ndarray) -> None:
        """Add new rows, ascending and above all others."""
        end = self._count + len(rows)
        if end > len(self._rows):
            self._move(np.flatnonzero(self._live[: self._count]), len(rows))
            end = self._count + len(rows)
        part = slice(self._count, end)
        self._rows[part], self._ids[part], self._labels[part], self._live[part] = rows, ids, labels, True
        self._row_of.update(zip(ids.tolist(), rows.tolist(), strict=True))
        self._count = end

    def remove(self, ids: np.ndarray) -> None:
        """Take (n,) present ids away."""
        self._live[self._positions(self.rows_of(ids))] = False
        for id_ in ids.tolist():
            del self._row_of[id_]

    def ids_and_labels(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return ids and labels of rows of any shape; -1 where a row is -1."""
        if not self._count:
            return np.full_like(rows, -1), np.full_like(rows, -1)
        positions = self._positions(rows)
        ids, labels = self._ids[positions], self._labels[positions]
        if rows.size and rows.min() < 0:
            ids[rows < 0] = -1
            labels[rows < 0] = -1
        return ids, labels

    def records(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return rows, ids and labels of all live records, in ascending order of rows."""
        live = self._live[: self._count]
        return tuple(column[: self._count][live] for column in (self._rows, self._ids, self._labels))  # type: ignore[return-value]

    def select(self, where: Mapping[str, np.ndarray]) -> np.ndarray:
        """Return the rows of the records whose ``label`` and ``id`` are among the values given for them."""
        rows, ids, labels = self.records()
        columns = {"id": ids, "label": labels}
        passing = np.ones(len(rows), dtype=bool)
        for name, values in where.items():
            passing &= np.isin(columns[name], values)
        return rows[passing]

    def _positions(self, rows: np.ndarray) -> np.ndarray:
        return np.searchsorted(self._rows[: self._count], rows)

    def _move(self, kept: np.ndarray, more: int) -> None:
        """Copy the kept positions into arrays with room for `more` and as many again."""
        capacity = max(2 * (len(kept) + more), 1024)
        for name in ("_rows", "_ids", "_labels"):
            column = np.empty(capacity, dtype=np.int64)
            column[: len(kept)] = getattr(self, name)[kept]
            setattr(self, name, column)
        self._live = np.zeros(capacity, dtype=bool)
        self._live[: len(kept)] = True
        self._count = len(kept)
