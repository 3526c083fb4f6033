"""The checks of augmenters."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import pytest

from simplug.api import Augmenter, Split
from simplug.testing.component import ComponentSuite
from simplug.testing.forms import form


class AugmenterSuite(ComponentSuite):
    """Checks that an augmenter makes views like its inputs, and takes chance from the generator it is given.

    The inputs are images, (8, 16, 16, 3) uint8. For an augmenter of something else, override the fixture `inputs`.
    """

    kind: ClassVar[str] = "augmenter"
    number_of_checks: ClassVar[int] = 26

    @pytest.fixture
    def inputs(self) -> np.ndarray:
        """The batch that is augmented; at least two examples."""
        # A smooth gradient with a bright corner: turning, shifting and mirroring it all show.
        rows, columns = np.mgrid[0:16, 0:16]
        image = 6 * rows + 4 * columns
        image[:6, :6] += 80
        scale = np.linspace(0.5, 1.0, 8 * 3).reshape(8, 1, 1, 3)
        return np.asarray(image[None, :, :, None] * scale, dtype=np.uint8)

    def test_there_is_at_least_one_view(self, component: Augmenter, inputs: np.ndarray) -> None:
        """Views are a tuple of arrays."""
        views = component.views(inputs, _rng())
        assert isinstance(views, tuple)
        assert views
        assert all(isinstance(view, np.ndarray) for view in views)

    def test_shape_and_dtype_stay(self, component: Augmenter, inputs: np.ndarray) -> None:
        """A view can stand wherever the input stood."""
        for view in component.views(inputs, _rng()):
            assert form(view) == form(inputs)

    def test_the_input_is_left_alone(self, component: Augmenter, inputs: np.ndarray) -> None:
        """The data set is in memory once; it must not wear out, even when a view is written to."""
        before = inputs.copy()
        component.views(inputs, _rng())
        np.testing.assert_array_equal(inputs, before)

    def test_a_read_only_input_is_accepted(self, component: Augmenter, inputs: np.ndarray) -> None:
        """Data sets that are mapped from a file cannot be written."""
        inputs.flags.writeable = False
        component.views(inputs, _rng())

    def test_the_same_generator_gives_the_same_views(self, component: Augmenter, inputs: np.ndarray) -> None:
        """A run can be repeated."""
        for one, other in zip(component.views(inputs, _rng()), component.views(inputs, _rng()), strict=True):
            np.testing.assert_array_equal(one, other)

    def test_chance_comes_from_the_generator_alone(self, component: Augmenter, inputs: np.ndarray) -> None:
        """NumPy's global state is left as it is."""
        before = np.random.get_state(legacy=False)
        component.views(inputs, _rng())
        after = np.random.get_state(legacy=False)
        np.testing.assert_array_equal(after["state"]["key"], before["state"]["key"])
        assert after["state"]["pos"] == before["state"]["pos"]

    def test_it_changes_something(self, component: Augmenter, inputs: np.ndarray) -> None:
        """At least one view differs from the input, and from generator to generator; or there are further classes."""
        seen = [component.views(inputs, _rng(seed)) for seed in range(4)]
        changed = any(not np.array_equal(view, inputs) for views in seen for view in views)
        drawn = any(
            not np.array_equal(one, other) for views in seen[1:] for one, other in zip(views, seen[0], strict=True)
        )
        assert (changed and drawn) or len(component.with_classes(_split(inputs))) > len(inputs)

    def test_the_examples_stay_first_and_further_classes_follow(self, component: Augmenter, inputs: np.ndarray) -> None:
        """What an augmenter adds are examples like the others, under labels and groups that were not there before."""
        split = _split(inputs)
        more = component.with_classes(split)
        assert more.example_shape == split.example_shape
        rows = np.arange(len(split))
        np.testing.assert_array_equal(more.read(rows), inputs)
        np.testing.assert_array_equal(more.labels[rows], split.labels)
        added = more.labels[len(split) :]
        assert not set(added.tolist()) & set(split.labels.tolist())
        assert set(np.unique(more.labels).tolist()) == set(range(len(np.unique(more.labels))))
        assert more.groups is not None
        np.testing.assert_array_equal(more.groups[rows], split.groups)
        assert (more.read(np.arange(len(more))[-1:])).dtype == inputs.dtype  # type: ignore[union-attr]

    def test_the_number_of_views_is_constant(self, component: Augmenter, inputs: np.ndarray) -> None:
        """Batches have a static shape, whatever is drawn."""
        assert len({len(component.views(inputs, _rng(seed))) for seed in range(4)}) == 1
        assert len(component.views(inputs[:1], _rng())) == len(component.views(inputs, _rng()))

    def test_a_batch_of_one_is_augmented(self, component: Augmenter, inputs: np.ndarray) -> None:
        """A single example keeps its shape."""
        for view in component.views(inputs[:1], _rng()):
            assert view.shape == inputs[:1].shape


def _split(inputs: np.ndarray) -> Split:
    """Return the images as examples of two to a class, all but the last class in one group."""
    labels = np.arange(len(inputs)) // 2
    return Split(inputs, labels, (labels == labels.max()).astype(np.int64))


def _rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)
