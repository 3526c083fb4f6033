from __future__ import annotations

import itertools

import attrs
import numpy as np
import pytest

import simplug
from simplug.api import Columns, Examples, InvalidInputError, Split
from simplug.kernel.config import build, to_config
from simplug.kernel.errors import ConfigError


def split_of(classes=4, of_each=3, shape=(6, 6, 1), groups=None, dtype=np.uint8):
    images = np.random.default_rng(0).integers(0, 256, (classes * of_each, *shape)).astype(dtype)
    if np.dtype(dtype).kind == "f":
        images /= 255
    groups = None if groups is None else np.repeat(groups, of_each)
    return Split(images, np.repeat(np.arange(classes), of_each), groups)


def joined(split, **options):
    return simplug.augmenters.build("joined_classes", **options).with_classes(split)


def put_together(first, second, way, ink="light"):
    """Return two images put together, pixel by pixel; a way is "overlay" or the angle of a cut in degrees."""
    height, width, _ = first.shape
    image = np.empty_like(first)
    for row, column in itertools.product(range(height), range(width)):
        one, other = first[row, column], second[row, column]
        if way == "overlay":
            image[row, column] = [(max if ink == "light" else min)(a, b) for a, b in zip(one, other, strict=True)]
            continue
        up, right = (height - 1) / 2 - row, column - (width - 1) / 2
        turn = np.deg2rad(way)
        # The distance from the line, to the left of whom goes along it.
        image[row, column] = one if up * np.cos(turn) - right * np.sin(turn) > 1e-9 else other
    return image


def recipes_of(images, split, ways, ink="light"):
    """Return every (class, other class, way, rows of the others) by which images can have been put together."""
    found = []
    classes = [np.flatnonzero(split.labels == label) for label in np.unique(split.labels)]
    for one, other, way in itertools.product(range(len(classes)), range(len(classes)), ways):
        if one == other or len(classes[one]) != len(images):
            continue
        rows = []
        for image, row in zip(images, classes[one], strict=True):
            fitting = [
                int(partner)
                for partner in classes[other]
                if np.array_equal(put_together(split.inputs[row], split.inputs[partner], way, ink), image)
            ]
            if not fitting:
                break
            rows += fitting
        if len(rows) == len(images):
            found.append((one, other, way, rows))
    return found


@pytest.mark.parametrize("shape", [(6, 6, 1), (5, 7, 2)])
@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_a_cut_shows_one_class_on_each_side_of_the_line(shape, dtype):
    split = split_of(shape=shape, dtype=dtype)
    more = joined(split, ways=("cut",), per_group=48)
    images = more.read()
    assert images.dtype == dtype
    seen = set()
    for label in range(4, 52):
        (recipe,) = recipes_of(images[more.labels == label], split, (0, 45, 90, 135))
        one, other, angle, partners = recipe
        assert sorted(partners) == np.flatnonzero(split.labels == other).tolist()
        seen.add((one, other, angle))
    assert len(seen) == 48
    assert len(more) == 52 * 3


@pytest.mark.parametrize("ink", ["light", "dark"])
def test_an_overlay_keeps_the_ink_of_both_classes(ink):
    split = split_of(shape=(5, 4, 3))
    more = joined(split, ways=("overlay",), per_group=6, ink=ink)
    images = more.read()
    seen = set()
    for label in range(4, 10):
        # The same images put together the other way about are the same class, in another order if at all.
        recipes = recipes_of(images[more.labels == label], split, ("overlay",), ink)
        assert recipes
        seen |= {frozenset(recipe[:2]) for recipe in recipes}
    assert len(seen) == 6


def test_half_of_the_new_classes_are_cuts_and_no_class_is_made_twice():
    split = split_of(5, 2)
    more = joined(split, per_group=15)
    images = more.read()
    ways = [
        recipes_of(images[more.labels == label], split, (0, 45, 90, 135, "overlay"))[0][2] for label in range(5, 20)
    ]
    assert [way == "overlay" for way in ways] == [False] * 8 + [True] * 7
    assert len({images[more.labels == label].tobytes() for label in range(20)}) == 20
    # Of two classes there are eight cuts and one overlay.
    assert joined(split_of(2, 2), per_group=100).labels.max() + 1 == 2 + 8 + 1


def test_the_images_of_the_split_stay_first():
    split = split_of(groups=[0, 0, 1, 1])
    more = joined(split)
    rows = np.arange(len(split))
    np.testing.assert_array_equal(more.read(rows), split.inputs)
    np.testing.assert_array_equal(more.labels[rows], split.labels)
    np.testing.assert_array_equal(more.groups[rows], split.groups)


def test_a_new_class_has_as_many_images_as_its_first_class_and_uses_those_of_the_second_in_turn():
    images = np.random.default_rng(1).integers(0, 256, (9, 6, 6, 1), dtype=np.uint8)
    split = Split(images, [0, 1, 0, 0, 1, 0, 0, 0, 0])
    more = joined(split, ways=("cut",), per_group=8)
    counts = [int(np.sum(more.labels == label)) for label in range(2, 10)]
    assert sorted(counts) == [2] * 4 + [7] * 4
    for label in range(2, 10):
        ((one, _, _, partners),) = recipes_of(more.read(np.flatnonzero(more.labels == label)), split, (0, 45, 90, 135))
        if one == 0:
            assert set(partners) == {1, 4}
            assert partners == (partners[:2] * 4)[:7]
        else:
            assert len(set(partners)) == 2


def test_classes_are_joined_within_their_group_and_the_new_ones_are_a_group_of_their_own():
    split = split_of(7, 2, groups=[0, 0, 4, 2, 2, 2, 0])
    more = joined(split, per_group=4)
    new = more.labels >= 7
    assert more.labels[new].tolist() == np.repeat(np.arange(7, 15), 2).tolist()
    assert more.groups[new].tolist() == [5] * 8 + [6] * 8  # of the groups 0 and 2; group 4 has a single class
    members = {5: {0, 1, 6}, 6: {3, 4, 5}}
    for label in range(7, 15):
        rows = np.flatnonzero(more.labels == label)
        for one, other, _, _ in recipes_of(more.read(rows), split, (0, 45, 90, 135, "overlay")):
            assert {one, other} <= members[int(more.groups[rows[0]])]


def test_without_groups_there_are_none_afterwards():
    more = joined(split_of(), per_group=5)
    assert more.groups is None
    assert more.labels.max() == 8


def test_the_seed_decides_what_is_joined():
    split = split_of(6)
    one, same, other = (joined(split, seed=seed) for seed in (3, 3, 4))
    np.testing.assert_array_equal(one.read(), same.read())
    np.testing.assert_array_equal(one.labels, same.labels)
    assert not np.array_equal(one.read(), other.read())


@attrs.frozen(eq=False)
class Noted(Examples):
    """Images that note which of them are read."""

    images: np.ndarray
    reads: list

    def __len__(self):
        return len(self.images)

    @property
    def example_shape(self):
        return self.images.shape[1:]

    def read(self, rows):
        self.reads.append(rows.tolist())
        return self.images[rows]

    def take(self, rows):
        return Noted(self.images[rows], self.reads)


def test_images_are_read_when_they_are_asked_for_and_only_those():
    split = split_of()
    noted = Noted(split.inputs, [])
    more = joined(Split(noted, split.labels))
    some = more[np.array([2, len(more) - 1, 7])]
    assert len(some) == 3
    assert noted.reads == []
    images = some.read()
    (rows,) = noted.reads
    assert len(rows) == 4
    assert rows[0] == 2
    assert rows[2] == 7
    noted.reads.clear()
    some.read(np.array([2, 0]))
    assert noted.reads == [[7, 2]]
    np.testing.assert_array_equal(images, more.read()[[2, len(more) - 1, 7]])


def test_reading_leaves_the_images_of_the_split_alone():
    split = split_of()
    before = split.inputs.copy()
    split.inputs.flags.writeable = False
    more = joined(split)
    more.read()[...] = 0
    np.testing.assert_array_equal(split.inputs, before)
    assert len(more.read(np.arange(0))) == 0


def test_turned_classes_are_joined_with_others_that_are_turned_alike():
    split = split_of(4, 2, groups=[0, 0, 1, 1])
    turned = simplug.augmenters.build("rotated_classes", turns=(90,), mirrored=True)
    options = {"name": "joined_classes", "per_group": 3, "seed": 2}
    chain = simplug.augmenters.build("chain", augmenters=[turned, options])
    more = chain.with_classes(split)
    before = turned.with_classes(split)
    assert before.labels.max() + 1 == 16
    np.testing.assert_array_equal(more.groups, np.concatenate([before.groups, np.repeat(np.arange(8, 16), 6)]))
    whole = Split(before.read(), before.labels, before.groups)
    expected = joined(whole, per_group=3, seed=2)
    np.testing.assert_array_equal(more.labels, expected.labels)
    np.testing.assert_array_equal(more.read(), expected.read())
    rows = np.flatnonzero(more.labels == 16 + 3 * 7)
    for one, other, _, _ in recipes_of(more.read(rows), whole, (0, 45, 90, 135, "overlay")):
        assert {one, other} == {14, 15}


def test_views_are_a_copy():
    batch = split_of().inputs
    (view,) = simplug.augmenters.build("joined_classes").views(batch, np.random.default_rng(0))
    np.testing.assert_array_equal(view, batch)
    assert not np.shares_memory(view, batch)


def test_it_survives_a_config():
    augmenter = simplug.augmenters.build("joined_classes", per_group=7, ways=["overlay"], ink="dark", seed=5)
    assert build("augmenter", to_config(augmenter)) == augmenter


def test_examples_that_are_no_images_are_refused():
    with pytest.raises(InvalidInputError, match=r"joined_classes: images have shape \(height, width, channels\), not"):
        joined(split_of(shape=(7,)))
    images = split_of()
    with pytest.raises(InvalidInputError, match=r"joined_classes: images have shape .* not \{'left'"):
        joined(Split(Columns({"left": images.inputs, "right": images.inputs}), images.labels))


def test_groups_without_two_classes_are_refused():
    with pytest.raises(InvalidInputError, match="of these 3 examples they are all of one class"):
        joined(split_of(1))
    with pytest.raises(InvalidInputError, match="of these 12 examples none of their 4 groups has two"):
        joined(split_of(groups=[3, 1, 0, 7]))


@pytest.mark.parametrize("ways", [(), ("cut", "cut")])
def test_each_way_is_named_once(ways):
    with pytest.raises(ConfigError, match="ways are cut, overlay or both, each once"):
        simplug.augmenters.build("joined_classes", ways=ways)


@pytest.mark.parametrize("options", [{"ways": ("blend",)}, {"ink": "red"}, {"per_group": 0}, {"seed": -1}])
def test_other_values_are_refused(options):
    with pytest.raises(ConfigError, match=next(iter(options))):
        simplug.augmenters.build("joined_classes", **options)
