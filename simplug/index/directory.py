"""Which record lies in which row: ids, labels and rows in memory, so that lookups ask no store."""

from __future__ import annotations

import numpy as np

from simplug.api.intmap import IntMap


class Directory:
    """Ids and labels of live records by row.

    Rows only grow: an update gives a record a new row, so a row means one embedding for ever. They are kept ascending;
    removed ones stay until they outnumber the live.
    """

    def __init__(self, rows: np.ndarray, ids: np.ndarray, labels: np.ndarray) -> None:
        self._count = len(rows)
        self._rows, self._ids, self._labels = rows.copy(), ids.copy(), labels.copy()
        self._live = np.ones(len(rows), dtype=bool)
        self._row_of = IntMap(ids, rows)
        self._first = _first(rows)

    def __len__(self) -> int:
        return len(self._row_of)

    def __contains__(self, id_: int) -> bool:
        return bool(self.rows_of(np.array([id_], dtype=np.int64))[0] >= 0)

    def rows_of(self, ids: np.ndarray) -> np.ndarray:
        """Return the rows of (n,) ids; -1 for those that are not there."""
        return self._row_of.find(ids)

    def add(self, rows: np.ndarray, ids: np.ndarray, labels: np.ndarray) -> None:
        """Add new rows, ascending and above all others."""
        end = self._count + len(rows)
        if end > len(self._rows):
            self._move(np.flatnonzero(self._live[: self._count]), len(rows))
            end = self._count + len(rows)
        part = slice(self._count, end)
        self._rows[part], self._ids[part], self._labels[part], self._live[part] = rows, ids, labels, True
        self._row_of.add(ids, rows)
        self._count = end
        self._first = _first(self._rows[:end])

    def remove(self, ids: np.ndarray) -> None:
        """Take (n,) present ids away."""
        self._live[self._places(self.rows_of(ids))] = False
        self._row_of.remove(ids)

    def ids_and_labels(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return ids and labels of present rows, of any shape."""
        places = rows if self._first == 0 else self._places(rows)
        return self._ids[places], self._labels[places]

    def records(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return rows, ids and labels of all live records, in ascending order of rows; they are not to be changed."""
        if len(self) == self._count:
            # What lies there never changes: new rows come after it, and removed ones are marked beside it.
            return self._rows[: self._count], self._ids[: self._count], self._labels[: self._count]
        live = self._live[: self._count]
        return tuple(column[: self._count][live] for column in (self._rows, self._ids, self._labels))  # type: ignore[return-value]

    def _places(self, rows: np.ndarray) -> np.ndarray:
        if self._first is not None:
            return rows - self._first
        return np.searchsorted(self._rows[: self._count], rows)

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
        self._first = _first(self._rows[: len(kept)])


def _first(rows: np.ndarray) -> int | None:
    """Return the first of ascending rows if they leave no number out; else places have to be searched for."""
    return int(rows[0]) if len(rows) and int(rows[-1]) - int(rows[0]) + 1 == len(rows) else None
