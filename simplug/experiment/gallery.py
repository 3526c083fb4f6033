"""The gallery of a run, brought into its index."""

from __future__ import annotations

import numpy as np

from simplug.api import Split
from simplug.kernel.plugins import plugins
from simplug.learn.model import BATCH, SimilarityModel

_READ_AT_ONCE = 4 * BATCH
"""Examples in memory at once, where they are read from files: whole batches, as they would be of all together."""


def index_gallery(model: SimilarityModel, gallery: Split) -> None:
    """Add examples to the model's index, each with itself as its payload, a part of them at a time.

    Raises:
        DataError: An example cannot be read.
    """
    for start in range(0, len(gallery), _READ_AT_ONCE):
        rows = np.arange(start, min(start + _READ_AT_ONCE, len(gallery)))
        inputs = gallery.read(rows)
        model.gallery.add(model.embed(inputs), labels=gallery.labels[rows], data=list(inputs))
    plugins.hook.simplug_index_built(index=model.gallery)
