"""Fixtures for indexes: every pair of a first-party search and store."""

from __future__ import annotations

import numpy as np
import pytest

PAIRS = [(search, store) for search in ("exact", "hnsw") for store in ("memory", "lmdb")]


@pytest.fixture(params=PAIRS, ids=["-".join(pair) for pair in PAIRS])
def pair(request):
    """The names of a search and a store, as arguments of ``Index.create``."""
    return dict(zip(("search", "store"), request.param, strict=True))


@pytest.fixture
def vectors():
    """(200, 8) float32 vectors without order."""
    return np.random.default_rng(7).normal(size=(200, 8)).astype(np.float32)
