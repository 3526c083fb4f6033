from __future__ import annotations

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from simplug_augmenters.image_basic import ImageBasic
from simplug_samplers.class_balanced import ClassBalanced
from simplug_samplers.members import SmallClassWarning
from simplug_samplers.passes import blocks_from_passes

import simplug
from simplug.api import DataError, InvalidInputError, Split


def split_of(counts, labels=None):
    """A split whose inputs are their own row numbers, in shuffled order of labels."""
    labels = np.repeat(np.arange(len(counts)) if labels is None else labels, counts)
    return Split(np.arange(len(labels)), np.random.default_rng(0).permutation(labels))


def epoch_of(sampler, split, steps=20, seed=1, epoch=0):
    batches = sampler.batches(split, steps=steps, seed=seed)
    batches.start_epoch(epoch)
    return [batches[step] for step in range(steps)]


def test_it_is_found_by_name_and_its_batch_has_48_examples():
    sampler = simplug.samplers.build("class_balanced")
    inputs, labels = epoch_of(sampler, split_of([20] * 10))[0]
    assert inputs.shape == labels.shape == (48,)


def test_a_batch_has_p_different_classes_and_k_different_examples_of_each():
    split = split_of([30, 11, 50, 10, 17], labels=[3, 8, 11, 20, 40])
    for inputs, labels in epoch_of(ClassBalanced(3, 10), split):
        assert sorted(np.unique(labels, return_counts=True)[1]) == [10, 10, 10]
        assert len(np.unique(inputs)) == 30
        np.testing.assert_array_equal(split.labels[inputs], labels)
        assert labels.dtype == np.int64


@pytest.mark.parametrize(("classes", "per_batch"), [(10, 3), (7, 7), (5, 4), (6, 2), (13, 5)])
def test_over_an_epoch_each_class_comes_as_often_as_any_other_up_to_one(classes, per_batch):
    epoch = epoch_of(ClassBalanced(per_batch, 4), split_of([9] * classes), steps=37)
    counts = np.bincount(np.concatenate([labels for _, labels in epoch]), minlength=classes) // 4
    assert np.ptp(counts) <= 1


def test_all_examples_of_a_class_are_seen_before_one_comes_again():
    split = split_of([23, 7])
    inputs = np.concatenate([rows for rows, _ in epoch_of(ClassBalanced(2, 5), split, steps=30)])
    for label in (0, 1):
        taken = inputs[split.labels[inputs] == label]
        counts = np.unique(taken, return_counts=True)[1]
        assert np.ptp(counts) <= 1
        assert len(counts) == (split.labels == label).sum()


@settings(deadline=None, max_examples=200)
@given(
    population=st.integers(1, 12),
    size=st.integers(1, 30),
    count=st.integers(1, 25),
    seed=st.integers(0, 2**32),
)
def test_blocks_are_even_within_and_among_themselves(population, size, count, seed):
    blocks = blocks_from_passes(population, size, count, np.random.default_rng(seed))
    assert blocks.shape == (count, size)
    assert np.ptp(np.bincount(blocks.ravel(), minlength=population)) <= 1
    assert all(np.ptp(np.bincount(block, minlength=population)) <= 1 for block in blocks)


def test_every_pair_of_classes_meets():
    epoch = epoch_of(ClassBalanced(2, 2), split_of([4] * 6), steps=300)
    assert len({tuple(np.unique(labels)) for _, labels in epoch}) == 15


def test_a_batch_depends_on_seed_epoch_and_step_alone():
    split, augmenter = split_of([20] * 6), ImageBasic()
    split = Split(np.random.default_rng(0).integers(0, 256, (120, 8, 8, 1), dtype=np.uint8), split.labels)
    one = ClassBalanced(3, 4).batches(split, steps=9, seed=5, augmenter=augmenter)
    other = ClassBalanced(3, 4).batches(split, steps=9, seed=5, augmenter=augmenter)
    one.start_epoch(2)
    expected = [one[step] for step in range(9)]
    other.start_epoch(7)
    other.start_epoch(2)
    for step in (8, 0, 3, 3, 5):
        np.testing.assert_array_equal(other[step][0], expected[step][0])
        np.testing.assert_array_equal(other[step][1], expected[step][1])


def test_another_seed_or_epoch_gives_other_batches():
    split = split_of([20] * 6)
    plans = [
        np.concatenate([rows for rows, _ in epoch_of(ClassBalanced(3, 4), split, seed=seed, epoch=epoch)])
        for seed, epoch in ((1, 0), (1, 1), (2, 0), (2, 1), (0, 1))
    ]
    assert len(np.unique(plans, axis=0)) == len(plans)


def test_the_first_epoch_is_epoch_0():
    batches = ClassBalanced(3, 4).batches(split_of([20] * 6), steps=5, seed=1)
    first = batches[0][0]
    batches.start_epoch(0)
    np.testing.assert_array_equal(batches[0][0], first)


def test_views_follow_one_another_with_their_labels():
    rng = np.random.default_rng(0)
    split = Split(rng.integers(0, 256, (60, 8, 8, 1), dtype=np.uint8), np.repeat(np.arange(6), 10))
    plain = ClassBalanced(3, 4).batches(split, steps=2, seed=1)[1]
    same = ImageBasic(rotation=0, shift=0, view_count=2)
    inputs, labels = ClassBalanced(3, 4).batches(split, steps=2, seed=1, augmenter=same)[1]
    assert inputs.shape == (24, 8, 8, 1)
    np.testing.assert_array_equal(inputs, np.concatenate([plain[0], plain[0]]))
    np.testing.assert_array_equal(labels, np.concatenate([plain[1], plain[1]]))


def test_the_data_set_is_not_changed_through_a_batch():
    split = split_of([10, 10])
    inputs, labels = ClassBalanced(2, 3).batches(split, steps=1, seed=1)[0]
    inputs[:], labels[:] = -1, -1
    assert split.inputs.min() == split.labels.min() == 0


def test_small_classes_are_repeated_with_one_warning_that_counts_them():
    split = split_of([3, 10, 1])
    with pytest.warns(
        SmallClassWarning, match="2 of 3 classes have fewer examples than examples_per_class = 5"
    ) as caught:
        batches = ClassBalanced(3, 5).batches(split, steps=8, seed=1)
    assert len(caught) == 1
    assert "the smallest have 1, 3" in str(caught[0].message)
    assert caught[0].filename == __file__
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for step in range(8):
            inputs, labels = batches[step]
            assert sorted(np.unique(inputs[labels == 0], return_counts=True)[1]) == [1, 2, 2]
            assert len(np.unique(inputs[labels == 2])) == 1
        batches.start_epoch(1)


def test_too_few_classes_are_refused_with_both_counts():
    with pytest.raises(DataError, match="has 3 classes to train on, fewer than classes_per_batch = 4"):
        ClassBalanced(4, 2).batches(split_of([5, 5, 5]), steps=1, seed=1)


@pytest.mark.parametrize(
    ("arguments", "message"), [({"steps": 0, "seed": 1}, "steps"), ({"steps": 1, "seed": -1}, "seed")]
)
def test_steps_and_seeds_out_of_range_are_refused(arguments, message):
    with pytest.raises(InvalidInputError, match=f"{message} must be at least"):
        ClassBalanced(2, 2).batches(split_of([5, 5]), **arguments)


def test_positions_outside_the_epoch_are_refused_and_iteration_ends():
    batches = ClassBalanced(2, 2).batches(split_of([5, 5]), steps=3, seed=1)
    assert len(batches) == len(list(batches)) == 3
    for step in (-1, 3):
        with pytest.raises(IndexError, match=f"step {step} of an epoch of 3"):
            batches[step]
    with pytest.raises(InvalidInputError, match="-1 is negative"):
        batches.start_epoch(-1)
