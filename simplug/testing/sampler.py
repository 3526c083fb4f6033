"""The checks of samplers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import attrs
import numpy as np
import pytest

from simplug.api import Augmenter, Batches, Columns, DataError, Examples, InvalidInputError, Sampler, Split
from simplug.testing.component import ComponentSuite
from simplug.testing.forms import form


@attrs.frozen
class _Once(Augmenter):
    """Gives a batch as it is."""

    def views(self, inputs: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, ...]:
        """Return one view."""
        return (inputs,)


@attrs.frozen
class _Twice(Augmenter):
    """Gives a batch as it is, and again with noise."""

    def views(self, inputs: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, ...]:
        """Return two views."""
        return inputs, (inputs + rng.uniform(0, 0.5, size=inputs.shape)).astype(inputs.dtype)


class _Counted(Examples):
    """Examples that count how many of them were read."""

    def __init__(self, rows: np.ndarray) -> None:
        self.count = 0
        self._rows: np.ndarray = rows

    def __len__(self) -> int:
        return len(self._rows)

    @property
    def example_shape(self) -> tuple[int, ...]:
        return self._rows.shape[1:]

    def read(self, rows: np.ndarray) -> np.ndarray:
        """Return the rows, and count them."""
        self.count += len(rows)
        found: np.ndarray = self._rows[rows]
        return found

    def take(self, rows: np.ndarray) -> Examples:
        """Return others that count for themselves."""
        return _Counted(self._rows[rows])


class SamplerSuite(ComponentSuite):
    """Checks that batches are of one shape, and depend on the seed, the epoch and the position alone.

    Attributes:
        classes: How many classes the split of the tests has.
        examples: How many examples each class has.
        steps: How many batches an epoch of the tests has.
    """

    kind: ClassVar[str] = "sampler"
    number_of_checks: ClassVar[int] = 33
    classes: ClassVar[int] = 12
    examples: ClassVar[int] = 20
    steps: ClassVar[int] = 6

    def test_an_epoch_has_the_steps_asked_for(self, component: Sampler) -> None:
        """`len` is the number of steps."""
        for steps in (1, self.steps):
            assert len(_drawn(component, self._split(), steps=steps, seed=0)) == steps

    def test_batches_are_inputs_and_int64_labels(self, component: Sampler) -> None:
        """Inputs keep their dtype and the shape of an example; there is a label for each."""
        for inputs, labels in _epoch(self._batches(component)):
            assert inputs.dtype == np.float32
            assert inputs.shape == (len(labels), 2)
            assert form(labels) == ((len(inputs),), "int64")
            assert len(labels) > 0

    def test_all_batches_have_one_size(self, component: Sampler) -> None:
        """Compiled programs want static shapes."""
        assert len({inputs.shape for inputs, _ in _epoch(self._batches(component))}) == 1

    def test_every_example_has_its_own_label(self, component: Sampler) -> None:
        """Inputs and labels are drawn together; without classes, the label is the position of the example."""
        column = 0 if component.needs_views else 1
        for inputs, labels in _epoch(self._batches(component)):
            once = len(labels) // (2 if component.needs_views else 1)
            np.testing.assert_array_equal(inputs[:once, column].astype(np.int64), labels[:once])

    def test_the_same_seed_gives_the_same_batches(self, component: Sampler) -> None:
        """A run can be repeated."""
        _assert_equal(_epoch(self._batches(component)), _epoch(self._batches(component)))

    def test_another_seed_gives_other_batches(self, component: Sampler) -> None:
        """The seed is used."""
        assert _differ(_epoch(self._batches(component, seed=1)), _epoch(self._batches(component, seed=2)))

    def test_another_epoch_gives_other_batches(self, component: Sampler) -> None:
        """Epochs are not repetitions."""
        batches = self._batches(component)
        first = _epoch(batches)
        batches.start_epoch(1)
        assert _differ(first, _epoch(batches))

    def test_an_epoch_can_be_returned_to(self, component: Sampler) -> None:
        """Training can resume at any epoch; a fresh object is at epoch 0."""
        batches = self._batches(component)
        first = _epoch(batches)
        batches.start_epoch(3)
        third = _epoch(batches)
        batches.start_epoch(0)
        _assert_equal(_epoch(batches), first)
        resumed = self._batches(component)
        resumed.start_epoch(3)
        _assert_equal(_epoch(resumed), third)

    def test_batches_may_be_asked_for_in_any_order(self, component: Sampler) -> None:
        """Several workers ask at once."""
        batches, backwards = self._batches(component), self._batches(component)
        forwards = _epoch(batches)
        _assert_equal([_batch(backwards, step) for step in reversed(range(self.steps))][::-1], forwards)
        _assert_equal([_batch(batches, 2), _batch(batches, 2)], [forwards[2], forwards[2]])

    def test_the_global_random_state_is_left_alone(self, component: Sampler) -> None:
        """Chance comes from the seed; what else the process does with NumPy's global one makes no difference."""
        before = np.random.get_state(legacy=False)
        _epoch(self._batches(component))
        after = np.random.get_state(legacy=False)
        np.testing.assert_array_equal(after["state"]["key"], before["state"]["key"])
        assert after["state"]["pos"] == before["state"]["pos"]

    def test_views_repeat_the_labels(self, component: Sampler) -> None:
        """An augmenter's views come one after the other, with the labels repeated, the same in any order of asking."""
        split = self._split()
        plain = _epoch(component.batches(split, steps=self.steps, seed=1, augmenter=_Once()))
        twice = component.batches(split, steps=self.steps, seed=1, augmenter=_Twice())
        viewed = [_batch(twice, step) for step in reversed(range(self.steps))][::-1]
        _assert_equal(viewed, _epoch(component.batches(split, steps=self.steps, seed=1, augmenter=_Twice())))
        for (inputs, labels), (views, repeated) in zip(plain, viewed, strict=True):
            np.testing.assert_array_equal(repeated, np.tile(labels, 2))
            np.testing.assert_array_equal(views[: len(inputs)], inputs)
            np.testing.assert_allclose(views[len(inputs) :], inputs, atol=0.5)

    def test_an_augmenter_is_asked_for_where_it_is_needed(self, component: Sampler) -> None:
        """Without one, a sampler whose examples have no positives but their views says so."""
        if component.needs_views:
            with pytest.raises(InvalidInputError, match="augmenter"):
                component.batches(self._split(), steps=self.steps, seed=1)
        else:
            assert len(component.batches(self._split(), steps=self.steps, seed=1)[0][1])

    def test_the_shards_of_a_batch_make_up_the_batch(self, component: Sampler) -> None:
        """Processes that train together see each example of a batch once."""
        for step, (inputs, labels) in enumerate(_epoch(self._batches(component))):
            parts = [_batch(self._batches(component).shard(replica, 2), step) for replica in (0, 1)]
            if not component.needs_views:
                np.testing.assert_array_equal(np.concatenate([part[0] for part in parts]), inputs)
            np.testing.assert_array_equal(
                np.sort(np.concatenate([part[1] for part in parts])), np.sort(labels), err_msg=str(step)
            )
        with pytest.raises(InvalidInputError):
            self._batches(component).shard(2, 2)

    def test_the_split_is_left_alone(self, component: Sampler) -> None:
        """Batches are copies: changing one changes nothing else."""
        split = self._split()
        inputs, labels = _batch(_drawn(component, split, steps=self.steps, seed=1), 0)
        inputs[...], labels[...] = 0, 0
        np.testing.assert_array_equal(split.read(), self._split().read())
        np.testing.assert_array_equal(split.labels, self._split().labels)

    def test_a_split_that_cannot_fill_a_batch_is_refused(self, component: Sampler) -> None:
        """An empty split is a DataError, before the first batch."""
        with pytest.raises(DataError):
            _drawn(component, self._split()[np.empty(0, np.int64)], steps=self.steps, seed=1)

    def test_several_inputs_are_drawn_together(self, component: Sampler) -> None:
        """The model may have inputs by name; a batch then has an array for each. Only one array has views."""
        plain = self._split()
        split = Split(Columns({"one": plain.inputs, "other": plain.inputs}), plain.labels, plain.groups)
        if component.needs_views:
            with pytest.raises(InvalidInputError, match="one, other"):
                _drawn(component, split, steps=1, seed=1)[0]
            return
        batches = component.batches(split, steps=self.steps, seed=1)
        for step, (inputs, labels) in enumerate(_epoch(component.batches(plain, steps=self.steps, seed=1))):
            several, same_labels = batches[step]
            assert isinstance(several, dict)
            np.testing.assert_array_equal(several["one"], inputs)
            np.testing.assert_array_equal(several["other"], inputs)
            np.testing.assert_array_equal(same_labels, labels)

    def test_examples_are_read_batch_by_batch(self, component: Sampler) -> None:
        """What is not in memory is read for the batch that is asked for, and no other."""
        plain = self._split()
        unread = _Counted(np.asarray(plain.inputs))
        batches = _drawn(component, Split(unread, plain.labels, plain.groups), steps=self.steps, seed=1)
        assert unread.count == 0
        inputs, labels = _batch(batches, 0)
        assert unread.count == len(labels) // (2 if component.needs_views else 1)
        np.testing.assert_array_equal(inputs, _batch(_drawn(component, plain, steps=self.steps, seed=1), 0)[0])

    def _split(self) -> Split:
        """Return examples (number, label), in classes that belong to four groups."""
        labels = np.repeat(np.arange(self.classes), self.examples)
        return Split(np.stack([np.arange(len(labels)), labels], axis=1).astype(np.float32), labels, labels % 4)

    def _batches(self, component: Sampler, seed: int = 1) -> Batches:
        return _drawn(component, self._split(), steps=self.steps, seed=seed)


def _drawn(component: Sampler, split: Split, *, steps: int, seed: int) -> Batches:
    """Return the batches, with two views of each example where a sampler needs them."""
    return component.batches(split, steps=steps, seed=seed, augmenter=_Twice() if component.needs_views else None)


def _epoch(batches: Batches) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return the batches of an epoch, of one input each."""
    return [_batch(batches, step) for step in range(len(batches))]


def _batch(batches: Batches, step: int) -> tuple[np.ndarray, np.ndarray]:
    inputs, labels = batches[step]
    assert isinstance(inputs, np.ndarray)
    return inputs, labels


def _assert_equal(given: Sequence[tuple[np.ndarray, ...]], expected: Sequence[tuple[np.ndarray, ...]]) -> None:
    for left, right in zip(given, expected, strict=True):
        for one, other in zip(left, right, strict=True):
            np.testing.assert_array_equal(one, other)


def _differ(left: list[tuple[np.ndarray, np.ndarray]], right: list[tuple[np.ndarray, np.ndarray]]) -> bool:
    return any(not np.array_equal(one[0], other[0]) for one, other in zip(left, right, strict=True))
