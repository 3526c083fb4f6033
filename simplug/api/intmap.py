"""A map from int64 to int64 in 16 bytes an entry, where a dictionary takes 100."""

from __future__ import annotations

import numpy as np

_FEWEST = 1024
"""How many recent entries are never worth sorting in."""


class IntMap:
    """Sorted arrays, and a dictionary of what came since they were sorted.

    Keys are any int64 numbers; values are 0 or more, because -1 stands for a key that is not there.
    """

    def __init__(self, keys: np.ndarray, values: np.ndarray) -> None:
        """Begin with (n,) keys, none of them twice, and their (n,) values."""
        self._recent: dict[int, int] = {}
        self._gone = 0
        self._sort(keys, values)

    def __len__(self) -> int:
        return len(self._keys) - self._gone + len(self._recent)

    def find(self, keys: np.ndarray) -> np.ndarray:
        """Return the values of (n,) keys; -1 for those that are not there."""
        values = np.full(len(keys), -1, dtype=np.int64)
        if len(self._keys):
            places = self._places(keys)
            found = self._keys[places] == keys
            values[found] = self._values[places[found]]
        if self._recent:
            for place in np.flatnonzero(values < 0).tolist():
                values[place] = self._recent.get(int(keys[place]), -1)
        return values

    def add(self, keys: np.ndarray, values: np.ndarray) -> None:
        """Add (n,) keys that are not there, none of them twice."""
        self._recent.update(zip(keys.tolist(), values.tolist(), strict=True))
        # A share of what is sorted already, so that each entry is moved a few times, however many come.
        if len(self._recent) > max(_FEWEST, len(self._keys) // 8):
            self._sort(*self.items())

    def remove(self, keys: np.ndarray) -> None:
        """Take (n,) keys away that are there, none of them twice."""
        is_old = np.array([self._recent.pop(key, None) is None for key in keys.tolist()], dtype=bool)
        old = keys[is_old]
        if len(old):
            self._values[self._places(old)] = -1
            self._gone += len(old)
        if self._gone > max(_FEWEST, len(self._keys) // 2):
            self._sort(*self.items())

    def items(self) -> tuple[np.ndarray, np.ndarray]:
        """Return all (n,) keys and their (n,) values, in no order."""
        present = self._values >= 0
        count = len(self._recent)
        keys = np.concatenate([self._keys[present], np.fromiter(self._recent, dtype=np.int64, count=count)])
        recent = np.fromiter(self._recent.values(), dtype=np.int64, count=count)
        return keys, np.concatenate([self._values[present], recent])

    def _places(self, keys: np.ndarray) -> np.ndarray:
        """Return where keys are in the sorted array, if they are there at all."""
        return np.minimum(np.searchsorted(self._keys, keys), len(self._keys) - 1)

    def _sort(self, keys: np.ndarray, values: np.ndarray) -> None:
        order = np.argsort(keys, kind="stable")
        self._keys, self._values = keys[order], values[order]
        self._recent, self._gone = {}, 0
