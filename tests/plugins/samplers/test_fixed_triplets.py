from __future__ import annotations

import numpy as np
import pytest

import simplug
from simplug.api import DataError, InvalidInputError, Split


def split_of(counts):
    labels = np.repeat(np.arange(len(counts)), counts)
    rng = np.random.default_rng(0)
    labels = rng.permutation(labels)
    return Split(np.arange(len(labels), dtype=np.float32)[:, None], labels)


def triplets_of(batch):
    inputs, labels = batch
    return inputs[:, 0].astype(int).reshape(3, -1).T, labels.reshape(3, -1).T


def test_a_batch_is_anchors_then_positives_then_negatives():
    batches = simplug.samplers.build("fixed_triplets", count=200, triplets_per_batch=20).batches(
        split_of([5, 4, 1]), steps=12, seed=4
    )
    for step in range(12):
        rows, labels = triplets_of(batches[step])
        assert rows.shape == (20, 3)
        assert (rows[:, 0] != rows[:, 1]).all()
        assert (labels[:, 0] == labels[:, 1]).all()
        assert (labels[:, 0] != labels[:, 2]).all()


def test_the_set_stays_the_same_and_is_taken_in_passes():
    batches = simplug.samplers.build("fixed_triplets", count=60, triplets_per_batch=10).batches(
        split_of([30, 30]), steps=6, seed=4
    )
    sets = []
    for epoch in range(2):
        batches.start_epoch(epoch)
        sets.append(sorted(tuple(row) for step in range(6) for row in triplets_of(batches[step])[0]))
    assert sets[0] == sets[1]


def test_every_negative_is_drawn_equally_often():
    split = split_of([3, 4, 5])
    batches = simplug.samplers.build("fixed_triplets", count=24000, triplets_per_batch=24000).batches(
        split, steps=1, seed=1
    )
    rows, labels = triplets_of(batches[0])
    of_class_0 = np.bincount(rows[labels[:, 0] == 0][:, 2], minlength=12)
    assert (of_class_0[split.labels == 0] == 0).all()
    expected = of_class_0.sum() / 9
    assert (abs(of_class_0[split.labels != 0] - expected) < 6 * np.sqrt(expected)).all()


def test_triplets_are_read_from_a_file(tmp_path):
    split = Split(np.arange(6, dtype=np.float32)[:, None], [0, 0, 0, 1, 1, 1])
    np.save(tmp_path / "t.npy", np.array([[0, 1, 3], [4, 5, 2]]))
    sampler = simplug.samplers.build("fixed_triplets", path=str(tmp_path / "t.npy"), triplets_per_batch=2)
    rows, _ = triplets_of(sampler.batches(split, steps=1, seed=0)[0])
    assert sorted(map(tuple, rows)) == [(0, 1, 3), (4, 5, 2)]


@pytest.mark.parametrize(
    ("triplets", "message"),
    [
        (np.zeros((2, 4), int), r"holds shape \(2, 4\); triplets are \(t, 3\)"),
        (np.zeros((2, 3)), "holds float64; positions are integers"),
        (np.array([[0, 1, 3], [0, 1, 6]]), r"row 1: \[0, 1, 6\] is beyond the 6 examples"),
        (np.array([[0, 1, 3], [0, 1, -1]]), r"row 1: \[0, 1, -1\] is beyond"),
        (np.array([[0, 1, 2]]), r"row 0: \[0, 1, 2\] have the labels \[0, 0, 0\]"),
        (np.array([[0, 0, 3]]), r"row 0: \[0, 0, 3\] have the labels \[0, 0, 1\].*two examples"),
        (np.array([[0, 1, 3]]), "1 triplets, fewer than triplets_per_batch = 2"),
    ],
)
def test_what_is_no_set_of_triplets_is_refused(tmp_path, triplets, message):
    split = Split(np.arange(6, dtype=np.float32)[:, None], [0, 0, 0, 1, 1, 1])
    np.save(tmp_path / "t.npy", triplets)
    sampler = simplug.samplers.build("fixed_triplets", path=str(tmp_path / "t.npy"), triplets_per_batch=2)
    with pytest.raises(DataError, match=message):
        sampler.batches(split, steps=1, seed=0)


def test_a_file_that_cannot_be_read_is_named(tmp_path):
    (tmp_path / "t.npy").write_text("no array")
    for path in (tmp_path / "t.npy", tmp_path / "none.npy"):
        sampler = simplug.samplers.build("fixed_triplets", path=str(path))
        with pytest.raises(DataError, match=f"{path} cannot be read as an array"):
            sampler.batches(split_of([2, 2]), steps=1, seed=0)
    np.savez(tmp_path / "several.npz", np.zeros((1, 3), np.int64))
    sampler = simplug.samplers.build("fixed_triplets", path=str(tmp_path / "several.npz"))
    with pytest.raises(DataError, match=r"several\.npz holds several arrays; save one with numpy\.save"):
        sampler.batches(split_of([2, 2]), steps=1, seed=0)


def test_a_negative_seed_is_refused_before_triplets_are_drawn():
    with pytest.raises(InvalidInputError, match="seed must be at least 0, not -1"):
        simplug.samplers.build("fixed_triplets").batches(split_of([20, 20]), steps=1, seed=-1)


def test_data_without_a_triplet_are_refused():
    for counts in ([4], [1, 1, 1]):
        with pytest.raises(DataError, match="a triplet needs two examples of one class and one of another"):
            simplug.samplers.build("fixed_triplets").batches(split_of(counts), steps=1, seed=0)
