from __future__ import annotations

import numpy as np
import pytest

import simplug
from simplug.api import DataError, Split


def split_of(classes_of_groups, examples=6):
    """Examples of classes that are numbered group after group."""
    groups = np.repeat(np.arange(len(classes_of_groups)), classes_of_groups)
    labels = np.repeat(np.arange(len(groups)), examples)
    return Split(labels[:, None].astype(np.float32), labels, groups[labels])


def epochs(sampler, split, steps, seed=3):
    batches = sampler.batches(split, steps=steps, seed=seed)
    return [batches[step][1] for step in range(steps)]


@pytest.mark.parametrize("name", ["hierarchical", "category_balanced"])
def test_a_batch_is_of_few_groups_with_as_many_classes_and_examples_of_each(name):
    split = split_of([4, 5, 9, 3])
    sampler = simplug.samplers.build(name, groups_per_batch=2, classes_per_group=3, examples_per_class=4)
    group_of = dict(zip(split.labels, split.groups, strict=True))
    for labels in epochs(sampler, split, 40):
        classes, counts = np.unique(labels, return_counts=True)
        assert counts.tolist() == [4] * 6
        assert np.unique([group_of[label] for label in classes], return_counts=True)[1].tolist() == [3, 3]


def test_classes_come_about_equally_often_in_a_hierarchy_and_groups_do_in_categories():
    split = split_of([4, 12])
    settings = {"groups_per_batch": 1, "classes_per_group": 2, "examples_per_class": 1}
    of_classes = np.bincount(
        np.concatenate(epochs(simplug.samplers.build("hierarchical", **settings), split, 160)), minlength=16
    )
    assert of_classes.sum() == 320
    assert of_classes.min() >= 18
    assert of_classes.max() <= 22
    balanced = np.concatenate(epochs(simplug.samplers.build("category_balanced", **settings), split, 160))
    assert np.bincount(balanced // 4 > 0).tolist() == [160, 160]


def test_a_share_of_the_batches_is_of_all_classes():
    split = split_of([10, 10, 10, 10])
    sampler = simplug.samplers.build(
        "hierarchical", groups_per_batch=1, classes_per_group=6, examples_per_class=1, share=0.5
    )
    mixed = [len(np.unique(labels // 10)) > 1 for labels in epochs(sampler, split, 60)]
    assert sum(mixed) == 30
    assert mixed != sorted(mixed)


@pytest.mark.parametrize("name", ["hierarchical", "category_balanced"])
def test_a_group_with_too_few_classes_never_comes(name):
    split = split_of([2, 5, 6])
    sampler = simplug.samplers.build(name, groups_per_batch=2, classes_per_group=3, examples_per_class=2)
    assert np.concatenate(epochs(sampler, split, 30)).min() == 2


@pytest.mark.parametrize("name", ["hierarchical", "category_balanced"])
def test_groups_that_cannot_fill_a_batch_are_counted(name):
    sampler = simplug.samplers.build(name, groups_per_batch=3, classes_per_group=3)
    with pytest.raises(DataError, match=f"sampler {name}: 2 of 3 groups have at least classes_per_group = 3"):
        sampler.batches(split_of([2, 5, 6]), steps=1, seed=0)
    split = split_of([3, 3, 3])
    with pytest.raises(DataError, match=r"no groups above the classes.*class_balanced needs none"):
        sampler.batches(Split(split.inputs, split.labels), steps=1, seed=0)
    with pytest.raises(DataError, match="1 of 9 classes have examples in several groups; a class belongs to one"):
        sampler.batches(
            Split(split.inputs, split.labels, np.where(np.arange(54) == 2, 7, split.groups)), steps=1, seed=0
        )
