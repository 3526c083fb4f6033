"""What an index answers: neighbours of queries, and records."""

from __future__ import annotations

from typing import Any

import attrs
import numpy as np


@attrs.frozen(eq=False)
class Neighbors:
    """The nearest records of some queries, nearest first.

    A place that no record fills has id -1, distance inf and label -1. Records at equal distance are in the order in
    which they were added or last updated.

    Attributes:
        ids: (q, k) int64; (k,) from a lookup of one query.
        distances: float32, of the same shape; by the definition of the index's distance.
        labels: int64, of the same shape; -1 for a record without a label.
    """

    ids: np.ndarray
    distances: np.ndarray
    labels: np.ndarray

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def filled(self) -> np.ndarray:
        """Which places hold a record, as booleans of the same shape."""
        return self.ids >= 0


@attrs.frozen(eq=False)
class Record:
    """A record as it is stored.

    Attributes:
        id: At least 0.
        label: -1 for a record without a label.
        embedding: (d,) float32.
        data: The payload; None where there is none.
    """

    id: int
    label: int
    embedding: np.ndarray
    data: Any


@attrs.frozen(eq=False)
class RecordBatch:
    """Records as they are stored.

    Attributes:
        ids: (n,) int64.
        labels: (n,) int64; -1 for a record without a label.
        embeddings: (n, d) float32.
        data: n payloads; None where a record has none.
    """

    ids: np.ndarray
    labels: np.ndarray
    embeddings: np.ndarray
    data: list[Any]

    def __len__(self) -> int:
        return len(self.ids)
