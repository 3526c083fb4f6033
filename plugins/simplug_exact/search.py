"""Exact search: every vector is looked at."""

from __future__ import annotations

from typing import ClassVar

import attrs
import numpy as np

from simplug.api import Distance, Engine, Search, option
from simplug_exact.engine import ExactEngine
from simplug_exact.vectors import ROUNDINGS


@attrs.frozen
class Exact(Search):
    """Looks at every record, and measures in float64 which are the nearest; serves any distance.

    The neighbours are the true ones, and no structure has to be built. The time of a lookup grows with the number of
    records: up to some thousands it is no slower than a graph. Distances with a space, as ``cosine``,
    ``inner_product`` and ``euclidean``, take matrix products; the others take several times as long.

    With ``dtype="float16"`` or ``"int8"`` the vectors take half or a quarter of the memory, and each a number more;
    the index then measures the nearest of them again with the embeddings of its store.
    """

    exact: ClassVar[bool] = True
    spaces: ClassVar[frozenset[str] | None] = None

    block_mib: int = option(64, ge=1, le=65536, doc="memory for one block of distances without a space, in MiB")
    dtype: str = option("float32", choices=tuple(ROUNDINGS), doc="the numbers of the vectors in memory")

    @property
    def coarse(self) -> int:
        """How many times k rows the index asks for."""
        return ROUNDINGS[self.dtype].coarse

    def create(self, dim: int, distance: Distance) -> Engine:
        """Return an empty structure for vectors of dimension `dim`."""
        cells = self.block_mib * (1 << 20) // np.dtype(np.float64).itemsize
        return ExactEngine(dim, distance, ROUNDINGS[self.dtype], cells=cells)
