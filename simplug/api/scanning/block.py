"""Blocks of vectors that are scanned."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from simplug.api.scanning.rounding import FARTHEST


class Block(NamedTuple):
    """Vectors to be scanned.

    Attributes:
        rows: (m,) int64, ascending, and higher than those of the blocks before.
        vectors: (m, d) float32, prepared by :meth:`simplug.api.Distance.prepare`.
        squares: :func:`sums_of_squares` of `vectors`; None to have them worked out, which takes as long as a lookup
            of one query.
        largest: What none of `squares` exceeds; None to have it worked out.
    """

    rows: np.ndarray
    vectors: np.ndarray
    squares: np.ndarray | None = None
    largest: float | None = None

    def squares_of_all(self) -> np.ndarray:
        """Return the (m,) `squares`."""
        return sums_of_squares(self.vectors) if self.squares is None else self.squares


def sums_of_squares(vectors: np.ndarray) -> np.ndarray:
    """Return the (n,) float32 sums of the squared components of (n, d) vectors, each rounded once."""
    sums = np.einsum("ij,ij->i", vectors, vectors, dtype=np.float64)
    rounded: np.ndarray = np.minimum(sums, FARTHEST).astype(np.float32)
    return rounded
