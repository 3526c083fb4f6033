from __future__ import annotations

import numpy as np
import pytest
from simplug_augmenters.image_basic import ImageBasic

import simplug
from simplug.api import InvalidInputError
from simplug.kernel.config import build, to_config


def images(shape=(6, 28, 28, 1), dtype=np.uint8):
    return np.random.default_rng(0).integers(0, 256, shape).astype(dtype)


def views(augmenter, inputs, seed=0):
    return augmenter.views(inputs, np.random.default_rng(seed))


def test_it_is_found_by_name_and_survives_a_config():
    augmenter = simplug.augmenters.build("image_basic", rotation=20, flip=True)
    assert augmenter == ImageBasic(rotation=20.0, flip=True)
    assert build("augmenter", to_config(augmenter)) == augmenter


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32, np.float64])
@pytest.mark.parametrize("channels", [1, 3, 5])
def test_a_view_has_the_shape_and_dtype_of_the_batch_and_is_not_the_batch(dtype, channels):
    inputs = images((6, 14, 18, channels), dtype)
    before = inputs.copy()
    (view,) = views(ImageBasic(scale=0.1, shear=5.0, flip=True), inputs)
    assert view.shape == inputs.shape
    assert view.dtype == dtype
    assert not np.array_equal(view, inputs)
    np.testing.assert_array_equal(inputs, before)


def test_amounts_of_zero_change_nothing_and_share_no_memory():
    inputs = images()
    (view,) = views(ImageBasic(rotation=0, shift=0), inputs)
    np.testing.assert_array_equal(view, inputs)
    assert not np.shares_memory(view, inputs)


def test_the_same_generator_gives_the_same_views_and_another_gives_others():
    augmenter, inputs = ImageBasic(view_count=2), images()
    first, second = views(augmenter, inputs, 3), views(augmenter, inputs, 3)
    np.testing.assert_array_equal(first, second)
    assert not np.array_equal(first, views(augmenter, inputs, 4))


def test_views_and_images_are_changed_each_in_its_own_way():
    inputs = np.repeat(images((1, 28, 28, 1)), 5, axis=0)
    every = np.concatenate(views(ImageBasic(view_count=3), inputs))
    assert len(np.unique(every.reshape(15, -1), axis=0)) == 15


def test_amounts_stay_within_their_limits_and_come_near_them():
    rng = np.random.default_rng(0)
    maps = ImageBasic(rotation=12, shift=0.1, scale=0.25)._maps(5000, (20, 40), rng)
    scale = 1 / np.sqrt(np.linalg.det(maps.matrix))
    angle = np.degrees(np.arctan2(maps.matrix[:, 0, 1], maps.matrix[:, 0, 0]))
    centre = np.array([9.5, 19.5])
    shift = np.linalg.solve(maps.matrix, (centre - maps.offset)[..., None])[..., 0] - centre
    for values, low, high in ((angle, -12, 12), (scale, 0.8, 1.25), (shift[:, 0], -2, 2), (shift[:, 1], -4, 4)):
        assert low <= values.min() < low + 0.01 * (high - low)
        assert high - 0.01 * (high - low) < values.max() <= high


def test_about_half_of_the_images_are_mirrored():
    inputs = images((400, 5, 6, 1))
    (view,) = views(ImageBasic(rotation=0, shift=0, flip=True), inputs)
    mirrored = (view == inputs[:, :, ::-1]).all(axis=(1, 2, 3))
    same = (view == inputs).all(axis=(1, 2, 3))
    assert (mirrored ^ same).all()
    assert 150 < mirrored.sum() < 250


def test_what_comes_into_view_is_the_fill():
    inputs = np.full((30, 20, 20, 1), 100, np.uint8)
    (view,) = views(ImageBasic(rotation=0, shift=0.5, fill=200.0), inputs)
    assert view.min() == 100
    assert view.max() == 200


@pytest.mark.parametrize(
    ("augmenter", "inputs", "message"),
    [
        (ImageBasic(), np.zeros((4, 28, 28), np.uint8), r"\(b, height, width, channels\), not \(4, 28, 28\)"),
        (ImageBasic(), np.zeros((4, 0, 28, 1), np.uint8), r"not \(4, 0, 28, 1\)"),
        (ImageBasic(), np.zeros((4, 8, 8, 1), bool), "pixels are integers or floats, not bool"),
        (
            ImageBasic(fill=256.0),
            np.zeros((4, 8, 8, 1), np.uint8),
            "fill = 256.0 is outside 0 to 255, the range of uint8",
        ),
        (ImageBasic(fill=-1.0), np.zeros((4, 8, 8, 1), np.uint8), "fill = -1.0 is outside"),
    ],
)
def test_what_cannot_be_augmented_is_refused(augmenter, inputs, message):
    with pytest.raises(InvalidInputError, match=message):
        views(augmenter, inputs)


@pytest.mark.parametrize(
    "setting", [{"rotation": -1}, {"rotation": 181}, {"shift": 1.1}, {"scale": -0.1}, {"shear": 90}, {"view_count": 0}]
)
def test_settings_out_of_range_are_refused(setting):
    with pytest.raises(ValueError, match=f"^{next(iter(setting))} must be"):
        ImageBasic(**setting)
