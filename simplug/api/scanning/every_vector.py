"""The scan: parts of the queries look at block after block."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from simplug.api.distance import Distance
from simplug.api.scanning.block import Block
from simplug.api.scanning.defined import Defined
from simplug.api.scanning.in_space import InSpace
from simplug.api.scanning.one_query import ForOne
from simplug.api.scanning.part import Part
from simplug.api.scanning.products import Products
from simplug.api.scanning.scratch import Scratch
from simplug.api.scanning.squares import Squares

_QUERIES = 1024
"""How many queries are looked up together, at most."""

_KEPT = 1 << 18
"""How many neighbours are kept together."""


def scan(
    distance: Distance, queries: np.ndarray, blocks: Iterable[Block], k: int, *, cells: int = 1 << 22
) -> tuple[np.ndarray, np.ndarray]:
    """Find the exact neighbours among all vectors, in bounded memory.

    Where the distance has the space ``l2`` or ``ip``, vectors are multiplied in float32. A pair that is farther than
    the k nearest so far, by more than rounding explains, is left out; the others are measured in float64, each by
    itself, so that equal vectors have equal distances. Where rounding explains too much, as far from the origin, the
    product is made again in float64. Other distances are measured by their :meth:`~simplug.api.Distance.numpy`.

    Args:
        distance: What to measure.
        queries: (q, d) float32, prepared by :meth:`simplug.api.Distance.prepare`.
        blocks: The vectors, block after block.
        k: How many neighbours to find.
        cells: How many distances without such a space may be in memory at once, if a block is not larger.

    Returns:
        What :meth:`simplug.api.Engine.search` returns.
    """
    part = {"l2": Squares, "ip": Products}.get(distance.space or "", Defined)
    parts: Sequence[Part | ForOne] | None = None
    for block in blocks:
        if parts is None:
            size = min(_QUERIES, max(1, cells // max(1, len(block.rows)))) if part is Defined else _QUERIES
            size = min(size, max(1, _KEPT // k))
            scratch = Scratch()
            general = [
                part(distance, queries[start : start + size], k, scratch) for start in range(0, len(queries), size)
            ]
            parts = [ForOne(one) if isinstance(one, InSpace) and len(queries) == 1 else one for one in general]
        for one in parts:
            one.push(block)
    if not parts:
        return np.full((len(queries), k), -1, dtype=np.int64), np.full((len(queries), k), np.inf, dtype=np.float32)
    results = [one.result() for one in parts]
    if len(results) == 1:
        return results[0]
    return np.concatenate([rows for rows, _ in results]), np.concatenate([distances for _, distances in results])
