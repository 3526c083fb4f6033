from __future__ import annotations

import numpy as np
import pytest
from simplug_samplers import members as module
from simplug_samplers.class_balanced import ClassBalanced
from simplug_samplers.members import Members

from simplug.api import Split


def split_of(labels):
    return Split(np.arange(len(labels))[:, None], np.array(labels, dtype=np.int64))


@pytest.mark.parametrize("block", [1, 2, 3, 1000])
@pytest.mark.parametrize("labels", [[4], [0, 0, 1], [2, 3, 3, 3, 9, 9, 11], [7] * 6, list(range(8))])
def test_classes_that_stand_one_after_another_have_ranges_of_rows(monkeypatch, labels, block):
    monkeypatch.setattr(module, "_BLOCK", block)
    members = Members.of(split_of(labels))
    assert not isinstance(members.rows, list)
    assert members.labels.tolist() == sorted(set(labels))
    expected = [[row for row, label in enumerate(labels) if label == one] for one in sorted(set(labels))]
    assert [rows.tolist() for rows in members.rows] == expected
    assert [rows.tolist() for rows in members.rows[1:]] == expected[1:]
    assert members.rows[-1].tolist() == expected[-1]


@pytest.mark.parametrize("labels", [[1, 0], [0, 1, 0], [3, 3, 2, 2, 9], [5, 6, 7, 1]])
def test_classes_in_any_order_have_their_rows_too(labels):
    members = Members.of(split_of(labels))
    assert members.labels.tolist() == sorted(set(labels))
    expected = [[row for row, label in enumerate(labels) if label == one] for one in sorted(set(labels))]
    assert [rows.tolist() for rows in members.rows] == expected


def test_a_split_without_examples_has_no_classes():
    assert len(Members.of(split_of([])).rows) == 0


def test_batches_are_the_same_whether_classes_stand_apart_or_not():
    labels = np.repeat(np.arange(10), 12)
    rows = np.argsort(np.random.default_rng(0).permutation(120) % 12, kind="stable")
    apart, mixed = split_of(labels), split_of(labels)[np.concatenate([rows[60:], rows[:60]])]
    # Both draw the same places within their classes; the labels of a batch say which classes these are.
    for one, other in zip(
        *(ClassBalanced(4, 3).batches(split, steps=9, seed=1) for split in (apart, mixed)), strict=True
    ):
        np.testing.assert_array_equal(one[1], other[1])


def test_labels_may_be_a_file_that_is_mapped_to_read(tmp_path):
    np.save(tmp_path / "labels.npy", np.repeat(np.arange(5), 4))
    labels = np.load(tmp_path / "labels.npy", mmap_mode="r")
    batches = ClassBalanced(2, 2).batches(Split(np.arange(20)[:, None], labels), steps=3, seed=0)
    inputs, drawn = batches[0]
    np.testing.assert_array_equal(inputs[:, 0] // 4, drawn)
