"""The checks of data sets."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import pytest

from simplug.api import Data, Dataset, Split
from simplug.testing.component import ComponentSuite
from simplug.testing.forms import form


class DatasetSuite(ComponentSuite):
    """Checks that a data set loads the same named splits every time.

    A data set that reads the user's files needs a fixture `config` that writes some, or names files that exist.
    """

    kind: ClassVar[str] = "dataset"
    number_of_checks: ClassVar[int] = 25

    @pytest.fixture
    def data(self, component: Dataset) -> Data:
        """The loaded data set."""
        return component.load()

    def test_there_is_a_split_to_train_on(self, data: Data) -> None:
        """`train` is always there."""
        assert isinstance(data, Data)
        assert "train" in data.splits

    def test_no_split_is_empty(self, data: Data) -> None:
        """An empty split is a DataError of `load`."""
        assert {name: len(split) for name, split in data.splits.items() if len(split) == 0} == {}

    def test_labels_are_int64_one_for_each_example(self, data: Data) -> None:
        """(n,) labels for (n, ...) examples."""
        for name, split in data.splits.items():
            assert form(split.labels) == ((len(split.inputs),), "int64"), name

    def test_the_splits_have_examples_of_one_shape(self, data: Data) -> None:
        """What is trained on one split is used on the others."""
        assert len({(split.example_shape, _first(split).dtype) for split in data.splits.values()}) == 1
        for split in data.splits.values():
            assert _first(split).shape == (1, *split.example_shape)

    def test_numbers_are_finite(self, data: Data) -> None:
        """No NaN and no infinity."""
        for name, split in data.splits.items():
            inputs = _inputs(split)
            if np.issubdtype(inputs.dtype, np.number):
                assert np.isfinite(inputs).all(), name

    def test_class_names_are_texts_by_label(self, data: Data) -> None:
        """Where there are names, every label has one."""
        for label, name in data.class_names.items():
            assert label == int(label)
            assert isinstance(name, str)
        if data.class_names:
            present = set().union(*(split.labels.tolist() for split in data.splits.values()))
            assert present <= {int(label) for label in data.class_names}

    def test_group_names_are_texts_by_group(self, data: Data) -> None:
        """Where there are names, every group has one."""
        for group, name in data.group_names.items():
            assert group == int(group)
            assert isinstance(name, str)
        if data.group_names:
            columns = [split.groups for split in data.splits.values()]
            present = set().union(*(column.tolist() for column in columns if column is not None))
            assert present
            assert present <= {int(group) for group in data.group_names}

    def test_a_second_load_is_equal(self, component: Dataset, data: Data) -> None:
        """The same recipe gives the same examples in the same order."""
        _assert_equal(component.load(), data)

    def test_loads_are_independent(self, component: Dataset, data: Data) -> None:
        """Changing what was loaded does not change what is loaded next."""
        kept = {name: (_inputs(split).copy(), split.labels.copy()) for name, split in data.splits.items()}
        for split in data.splits.values():
            if isinstance(split.inputs, np.ndarray) and split.inputs.flags.writeable:
                split.inputs[:1] = split.inputs[-1:]
            if split.labels.flags.writeable:
                split.labels[:1] += 1
        again = component.load()
        for name, (inputs, labels) in kept.items():
            np.testing.assert_array_equal(_inputs(again.splits[name]), inputs)
            np.testing.assert_array_equal(again.splits[name].labels, labels)


def _inputs(split: Split) -> np.ndarray:
    """Return all examples of a split, read if they are not in memory."""
    inputs = split.read()
    assert isinstance(inputs, np.ndarray)
    return inputs


def _first(split: Split) -> np.ndarray:
    first = split.read(np.zeros(1, np.int64))
    assert isinstance(first, np.ndarray)
    return first


def _assert_equal(one: Data, other: Data) -> None:
    assert list(one.splits) == list(other.splits)
    assert dict(one.class_names) == dict(other.class_names)
    assert dict(one.group_names) == dict(other.group_names)
    for name, split in one.splits.items():
        np.testing.assert_array_equal(_inputs(split), _inputs(other.splits[name]))
        np.testing.assert_array_equal(split.labels, other.splits[name].labels)
        np.testing.assert_array_equal(split.groups, other.splits[name].groups)
