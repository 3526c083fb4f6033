from __future__ import annotations

import numpy as np
import pytest

import simplug
from simplug.api import InvalidInputError, Split
from simplug.kernel.errors import ConfigError


def split_of(shape=(5, 5, 1), groups=None):
    images = np.random.default_rng(0).integers(0, 256, size=(6, *shape), dtype=np.uint8)
    return Split(images, [0, 0, 1, 1, 2, 2], groups)


def test_every_turn_of_a_class_is_a_class_of_its_own():
    split = split_of()
    more = simplug.augmenters.build("rotated_classes").with_classes(split)
    assert more.labels.tolist() == [*split.labels, *(split.labels + 3), *(split.labels + 6), *(split.labels + 9)]
    images = more.read()
    for quarter in range(4):
        np.testing.assert_array_equal(
            images[6 * quarter : 6 * quarter + 6], np.rot90(split.inputs, quarter, axes=(1, 2))
        )
    some = np.array([23, 0, 7, 13])
    np.testing.assert_array_equal(more[some].read(), images[some])
    np.testing.assert_array_equal(more[some].read(np.array([2])), images[7:8])


def test_turned_groups_are_groups_of_their_own():
    more = simplug.augmenters.build("rotated_classes", turns=(180,)).with_classes(split_of(groups=[0, 0, 0, 0, 4, 4]))
    assert more.groups.tolist() == [0, 0, 0, 0, 4, 4, 5, 5, 5, 5, 9, 9]
    assert more.labels.max() == 5


@pytest.mark.parametrize("turns", [(90, 180, 270), (180,), ()])
def test_every_class_and_turned_class_is_mirrored_to_a_further_one(turns):
    split = split_of((5, 5, 2), groups=[0, 0, 1, 1, 1, 1])
    plain = split if not turns else simplug.augmenters.build("rotated_classes", turns=turns).with_classes(split)
    more = simplug.augmenters.build("rotated_classes", turns=turns, mirrored=True).with_classes(split)
    images = plain.read()
    np.testing.assert_array_equal(more.read(), np.concatenate([images, images[:, :, ::-1]]))
    np.testing.assert_array_equal(more.labels, np.concatenate([plain.labels, plain.labels + plain.labels.max() + 1]))
    np.testing.assert_array_equal(more.groups, np.concatenate([plain.groups, plain.groups + plain.groups.max() + 1]))
    some = np.array([len(more) - 2, 0, len(plain) + 3])
    np.testing.assert_array_equal(more[some].read(), more.read()[some])


def test_images_that_are_not_square_can_be_mirrored():
    split = split_of((4, 6, 1))
    more = simplug.augmenters.build("rotated_classes", turns=(), mirrored=True).with_classes(split)
    np.testing.assert_array_equal(more.read()[6:], np.flip(split.inputs, axis=2))
    assert more.labels.max() == 5


def test_a_batch_is_turned_before_it_is_changed_by_others():
    chain = simplug.augmenters.build("chain", augmenters=["rotated_classes", "image_basic"])
    more = chain.with_classes(split_of())
    assert len(more) == 24
    assert len(chain.views(more.read(np.arange(3)), np.random.default_rng(0))) == 1


def test_images_that_cannot_be_turned_are_refused():
    turned = simplug.augmenters.build("rotated_classes")
    with pytest.raises(InvalidInputError, match="images of 4 x 6 pixels have another shape when turned by 90"):
        turned.with_classes(split_of((4, 6, 1)))
    with pytest.raises(InvalidInputError, match=r"images have shape \(height, width, channels\), not \(7,\)"):
        turned.with_classes(split_of((7,)))


def test_images_that_are_not_square_can_be_turned_by_half():
    split = split_of((4, 6, 1))
    half = simplug.augmenters.build("rotated_classes", turns=(180,)).with_classes(split)
    assert half.example_shape == (4, 6, 1)
    np.testing.assert_array_equal(half.read()[6:], np.flip(split.inputs, axis=(1, 2)))


@pytest.mark.parametrize("turns", [(), (45,), (90, 90)])
def test_other_turns_are_refused(turns):
    if turns:
        with pytest.raises(ConfigError, match="turns are different ones of 90, 180 and 270 degrees"):
            simplug.augmenters.build("rotated_classes", turns=turns, mirrored=True)
    with pytest.raises(ConfigError, match="turns are different ones of 90, 180 and 270 degrees"):
        simplug.augmenters.build("rotated_classes", turns=turns)


def test_a_chain_without_a_link_is_refused():
    with pytest.raises(ConfigError, match="augmenters is empty"):
        simplug.augmenters.build("chain", augmenters=[])
