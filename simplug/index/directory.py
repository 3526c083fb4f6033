"""Which record lies in which row: ids, labels and rows in memory, so that lookups ask no store."""

from __future__ import annotations

import numpy as np

from simplug.index.idmap import IdMap


class Directory:
    """Ids and labels of live records by row.

    Rows only grow: an update gives a record a new row, so a row means one embedding for ever. They are kept ascending;
    removed ones stay until they outnumber the live.
    """

    def __init__(self, rows: np.ndarray, ids: np.ndarray, labels: np.ndarray) -> None:
        self._count = len(rows)
        self._rows, self._ids, self._labels = rows.copy(), ids.copy(), labels.copy()
        self._live = np.ones(len(rows), dtype=bool)
        self._row_of = IdMap(ids, rows)
        self._has_gaps = _has_gaps(rows)

    def __len__(self) -> int:
        return len(self._row_of)

    def __contains__(self, id_: int) -> bool:
        return id_ in self._row_of

    def rows_of(self, ids: np.ndarray) -> np.ndarray:
        """Return the rows of (n,) ids; -1 for those that are not there."""
        return self._row_of.rows_of(ids)

    def add(self, rows: np.ndarray, ids: np.ndarray, labels: np.ndarray) -> None:
        """Add new rows, ascending and above all others."""
        end = self._count + len(rows)
        if end > len(self._rows):
            self._move(np.flatnonzero(self._live[: self._count]), len(rows))
            end = self._count + len(rows)
        part = slice(self._count, end)
        self._rows[part], self._ids[part], self._labels[part], self._live[part] = rows, ids, labels, True
        self._row_of.add(ids, rows)
        self._has_gaps = self._has_gaps or _has_gaps(self._rows[max(self._count - 1, 0) : end])
        self._count = end

    def remove(self, ids: np.ndarray) -> None:
        """Take (n,) present ids away."""
        self._live[self._places(self.rows_of(ids))] = False
        self._row_of.remove(ids)

    def ids_and_labels(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return ids and labels of present rows, of any shape."""
        places = self._places(rows)
        return self._ids[places], self._labels[places]

    def records(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return rows, ids and labels of all live records, in ascending order of rows."""
        live = self._live[: self._count]
        return tuple(column[: self._count][live] for column in (self._rows, self._ids, self._labels))  # type: ignore[return-value]

    def _places(self, rows: np.ndarray) -> np.ndarray:
        if self._has_gaps:
            return np.searchsorted(self._rows[: self._count], rows)
        return rows - self._rows[0] if self._count else rows

    def _move(self, kept: np.ndarray, more: int) -> None:
        """Copy the kept places into arrays with room for `more` and half as many again."""
        capacity = max(3 * (len(kept) + more) // 2, 1024)
        for name in ("_rows", "_ids", "_labels"):
            column = np.empty(capacity, dtype=np.int64)
            column[: len(kept)] = getattr(self, name)[kept]
            setattr(self, name, column)
        self._live = np.zeros(capacity, dtype=bool)
        self._live[: len(kept)] = True
        self._count = len(kept)
        self._has_gaps = _has_gaps(self._rows[: len(kept)])


def _has_gaps(rows: np.ndarray) -> bool:
    """Say whether ascending rows leave numbers out, so that places have to be searched for."""
    return bool(len(rows)) and int(rows[-1]) - int(rows[0]) + 1 != len(rows)
