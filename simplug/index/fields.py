"""Fields of payloads as columns, read once: a row has one payload for ever."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Callable, Collection, Mapping
from typing import Any

import attrs
import numpy as np

from simplug.index.columns import ABSENT, Mixed
from simplug.kernel.errors import ArtifactError

_READ_AT_ONCE = 4096

Read = Callable[[np.ndarray], list[Any]]
"""Gives the payloads of (n,) rows."""


@attrs.define(eq=False)
class _Table:
    """Columns over rows that were read.

    Attributes:
        rows: (n,) int64, ascending; how many there are says how much of each column counts.
        last: The highest row that was ever read.
        sequence: The commit whose records these are.
        columns: A column by the name of its field.
        damaged: The rows whose payloads cannot be read.
    """

    rows: np.ndarray
    last: int
    sequence: int
    columns: dict[str, Mixed]
    damaged: frozenset[int]


class Fields:
    """The fields of payloads that filters have asked for; several threads may ask at once."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._table = _Table(np.empty(0, dtype=np.int64), -1, -1, {}, frozenset())

    def columns(
        self, names: Collection[str], rows: np.ndarray, sequence: int, read: Read
    ) -> tuple[Mapping[str, Mixed], frozenset[int]]:
        """Return the columns of some fields, and the rows whose payloads cannot be read.

        Args:
            names: Dotted names of fields; each part is a key of a dict in the one before.
            rows: (n,) rows of all records, ascending.
            sequence: The commit whose records these are.
            read: Gives payloads; asked only for rows and fields that were not read before.
        """
        with self._lock:
            if self._table.sequence != sequence:
                self._catch_up(rows, sequence, read)
            missing = [name for name in names if name not in self._table.columns]
            if missing:
                self._begin(missing, read)
            table = self._table
            return {name: table.columns[name].shown(len(table.rows)) for name in names}, table.damaged

    def _catch_up(self, rows: np.ndarray, sequence: int, read: Read) -> None:
        """Drop removed rows, and read new ones for all columns there are."""
        kept = np.isin(self._table.rows, rows, assume_unique=True)
        if not kept.all():
            columns = {name: column.kept(kept) for name, column in self._table.columns.items()}
            left = self._table.damaged.intersection(rows.tolist()) if self._table.damaged else frozenset()
            self._table = attrs.evolve(self._table, rows=self._table.rows[kept], columns=columns, damaged=left)
        start = len(self._table.rows)
        new = rows[np.searchsorted(rows, self._table.last, side="right") :]
        damaged = self._fill(self._table.columns, new, start, read) if self._table.columns else set()
        last = int(rows[-1]) if len(rows) else self._table.last
        # What was put beyond the rows so far counts from here on: an interrupted reading is made again.
        self._table = attrs.evolve(
            self._table, rows=rows, last=last, sequence=sequence, damaged=self._table.damaged | damaged
        )

    def _begin(self, names: Collection[str], read: Read) -> None:
        """Read all rows for columns that are not there."""
        columns = {name: Mixed() for name in names}
        damaged = self._fill(columns, self._table.rows, 0, read)
        self._table = attrs.evolve(
            self._table, columns=self._table.columns | columns, damaged=self._table.damaged | damaged
        )

    def _fill(self, columns: Mapping[str, Mixed], rows: np.ndarray, start: int, read: Read) -> set[int]:
        paths = {name: name.split(".") for name in columns}
        reasons: dict[int, str] = {}
        for first in range(0, len(rows), _READ_AT_ONCE):
            payloads = _readable(read, rows[first : first + _READ_AT_ONCE], reasons)
            for name, column in columns.items():
                column.put(start + first, [_inside(payload, paths[name]) for payload in payloads])
        fresh = sorted(reasons.keys() - self._table.damaged)
        if fresh:
            warnings.warn(
                f"{len(fresh)} records are damaged and pass no filter on fields of data: {reasons[fresh[0]]}; verify "
                "lists all",
                RuntimeWarning,
                stacklevel=2,
            )
        return set(reasons)


def _readable(read: Read, rows: np.ndarray, reasons: dict[int, str]) -> list[Any]:
    """Return payloads, None for those that cannot be read; why is added to `reasons`."""
    try:
        return read(rows)
    except ArtifactError as cause:
        if len(rows) == 1:
            reasons[int(rows[0])] = str(cause)
            return [None]
    return [payload for row in rows for payload in _readable(read, row[None], reasons)]


def _inside(payload: Any, path: list[str]) -> Any:
    """Return what lies at a path of keys."""
    for key in path:
        if type(payload) is not dict or key not in payload:
            return ABSENT
        payload = payload[key]
    return payload
