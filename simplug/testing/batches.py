"""The batches that the suites of losses, miners and regularizers look at."""

from __future__ import annotations

import numpy as np

DIM = 8
"""The dimension of the embeddings."""


def embeddings(count: int, *, seed: int = 0, dim: int = DIM) -> np.ndarray:
    """Return (count, dim) float32 embeddings, normally distributed."""
    return np.random.default_rng(seed).normal(size=(count, dim)).astype(np.float32)


def labels(classes: int, examples: int) -> np.ndarray:
    """Return int32 labels with `examples` of each class, the classes taking turns."""
    return np.tile(np.arange(classes, dtype=np.int32), examples)


def shuffled(count: int, *, seed: int = 1) -> np.ndarray:
    """Return the numbers below `count` in a random order."""
    return np.random.default_rng(seed).permutation(count)
