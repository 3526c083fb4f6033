from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from records import write_shard
from simplug_datasets import record_index
from simplug_datasets.tfrecord import TfRecord
from simplug_samplers import members
from simplug_samplers.class_balanced import ClassBalanced

CLASSES = 100
COUNTS = (1_000, 8_000)


def write(folder, count):
    labels = np.random.default_rng(0).permutation(np.arange(count) % CLASSES).tolist()
    made = ({"image": bytes(4), "label": label} for label in labels)
    return write_shard(folder / f"{count}.tfrecord", made)


def peak_of(work):
    """Return the most memory that some work had allocated at once, in bytes; mapped files are no such memory."""
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.fixture
def work(tmp_path, monkeypatch):
    """Load the data set and draw some batches from it; blocks are smaller than either number of records."""
    monkeypatch.setattr(record_index, "_BLOCK", 250)
    monkeypatch.setattr(members, "_BLOCK", 250)
    paths = {count: write(tmp_path, count) for count in COUNTS}

    def load_and_draw(count, test_fraction=0.0):
        dataset = TfRecord(str(paths[count]), encoding="raw", shape=(4,), test_fraction=test_fraction)
        batches = ClassBalanced(16, 4).batches(dataset.load().splits["train"], steps=30, seed=0)
        for step in range(len(batches)):
            batches[step]

    load_and_draw(COUNTS[0])  # Tables and modules are made once.
    return load_and_draw


@pytest.mark.parametrize("test_fraction", [0.0, 0.25])
def test_memory_does_not_grow_with_the_number_of_records(work, test_fraction):
    # First the index is made, then it is used.
    for _ in range(2):
        few, many = (peak_of(lambda count=count: work(count, test_fraction)) for count in COUNTS)
        # A quarter of what the labels of the further records alone would take.
        assert many - few < 0.25 * 8 * (COUNTS[1] - COUNTS[0])
