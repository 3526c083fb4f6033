from __future__ import annotations

import numpy as np
import pytest

import simplug
from simplug.api import Split
from simplug.kernel.errors import ConfigError


def on_a_circle(classes=12, examples=5):
    """Examples whose class is an angle; neighbouring classes are near."""
    labels = np.repeat(np.arange(classes), examples)
    angle = labels * 2 * np.pi / classes
    return Split(np.stack([np.cos(angle), np.sin(angle)], axis=1), labels)


def classes_of(batches, steps):
    return [np.unique(batches[step][1]) for step in range(steps)]


def test_classes_that_the_model_puts_near_each_other_meet():
    sampler = simplug.samplers.build("hard_class", classes_per_batch=3, examples_per_class=2, seeds_per_batch=1)
    batches = sampler.batches(on_a_circle(), steps=24, seed=0)
    before = classes_of(batches, 24)
    batches.hear(lambda inputs: inputs)
    batches.start_epoch(1)
    for classes in classes_of(batches, 24):
        gaps = np.sort(np.diff(np.append(classes, classes[0] + 12)))
        assert gaps.tolist() == [1, 1, 10]
    assert any(np.diff(classes).max() > 1 and classes[-1] - classes[0] < 11 for classes in before)


def test_every_class_is_a_seed_as_often_as_any_other():
    sampler = simplug.samplers.build("hard_class", classes_per_batch=2, examples_per_class=1, seeds_per_batch=2)
    batches = sampler.batches(on_a_circle(), steps=12, seed=0)
    batches.hear(lambda inputs: inputs)
    batches.start_epoch(1)
    counts = np.bincount(np.concatenate([batches[step][1] for step in range(12)]))
    assert counts.tolist() == [2] * 12


def test_seeds_that_share_their_neighbours_still_fill_the_batch():
    sampler = simplug.samplers.build("hard_class", classes_per_batch=6, examples_per_class=1, seeds_per_batch=3)
    batches = sampler.batches(on_a_circle(classes=7), steps=20, seed=0)
    batches.hear(lambda inputs: inputs)
    batches.start_epoch(1)
    assert {len(classes) for classes in classes_of(batches, 20)} == {6}


def test_the_first_epoch_knows_nothing_and_a_shard_hears_what_the_whole_heard():
    sampler = simplug.samplers.build("hard_class", classes_per_batch=4, examples_per_class=2)
    batches = sampler.batches(on_a_circle(), steps=6, seed=0)
    first = classes_of(batches, 6)
    part = batches.shard(1, 2)
    batches.hear(lambda inputs: inputs)
    for one in (batches, part):
        one.start_epoch(1)
    for step in range(6):
        np.testing.assert_array_equal(part[step][1], batches[step][1][4:])
    batches.start_epoch(0)
    for now, then in zip(classes_of(batches, 6), first, strict=True):
        np.testing.assert_array_equal(now, then)


def test_more_seeds_than_classes_are_refused():
    with pytest.raises(ConfigError, match="seeds_per_batch is 9, more than classes_per_batch = 8"):
        simplug.samplers.build("hard_class", seeds_per_batch=9)
