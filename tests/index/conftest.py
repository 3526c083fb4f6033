"""Fixtures for indexes: every pair of a first-party search and store."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

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


@pytest.fixture
def in_memory(tmp_path):
    """An empty folder, in memory where the system has such folders: what is tested does not wait for a disk."""
    memory = "/dev/shm"  # noqa: S108 - the folder that is made there is this test's own
    if not os.access(memory, os.W_OK):
        yield tmp_path
        return
    folder = Path(tempfile.mkdtemp(dir=memory))
    yield folder
    shutil.rmtree(folder)
