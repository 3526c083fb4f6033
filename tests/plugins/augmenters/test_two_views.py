from __future__ import annotations

import numpy as np
import pytest

import simplug
from simplug.api import InvalidInputError
from simplug.kernel.errors import ConfigError


def rng(seed=0):
    return np.random.default_rng(seed)


PLAIN = {"smallest_area": 1.0, "flip": False, "jitter": 0.0, "greyscale": 0.0}


@pytest.fixture
def images():
    return rng(9).integers(0, 256, size=(64, 12, 16, 3), dtype=np.uint8)


def test_without_any_change_the_views_are_the_images(images):
    for name, extra in (("simclr", {"blur": 0.0}), ("barlow_twins", {"blur": (0.0, 0.0), "solarize": (0.0, 0.0)})):
        for view in simplug.augmenters.build(name, **PLAIN, **extra).views(images, rng()):
            np.testing.assert_array_equal(view, images)


def test_half_of_the_views_are_mirrored(images):
    views = simplug.augmenters.build("simclr", **{**PLAIN, "flip": True}, blur=0.0).views(images, rng())
    mirrored = [(view == images[:, :, ::-1]).all(axis=(1, 2, 3)) for view in views]
    plain = [(view == images).all(axis=(1, 2, 3)) for view in views]
    for turned, kept in zip(mirrored, plain, strict=True):
        assert (turned ^ kept).all()
        assert 16 < turned.sum() < 48


def test_a_crop_shows_a_part_of_the_image_and_nothing_else():
    rows, columns = np.mgrid[0:60, 0:80]
    image = np.stack([rows / 59, columns / 79, np.ones((60, 80))], axis=-1).astype(np.float32)
    batch = np.repeat(image[None], 200, axis=0)
    (view, _) = simplug.augmenters.build("simclr", **{**PLAIN, "smallest_area": 0.2}, blur=0.0).views(batch, rng())
    np.testing.assert_allclose(view[..., 2], 1, atol=1e-5)
    tall = view[:, -1, 0, 0] - view[:, 0, 0, 0]
    wide = view[:, 0, -1, 1] - view[:, 0, 0, 1]
    area = tall * wide
    assert area.min() > 0.15
    assert area.max() > 0.9
    aspect = wide * 80 / (tall * 60)
    inner = (tall < 0.99) & (wide < 0.99)
    assert aspect[inner].min() >= 0.7
    assert aspect[inner].max() <= 1.4


def test_the_probabilities_are_those_of_each_image(images):
    (view, _) = simplug.augmenters.build("simclr", **{**PLAIN, "greyscale": 0.25}, blur=0.0).views(
        np.repeat(images, 8, axis=0), rng()
    )
    grey = (view == view[..., :1]).all(axis=(1, 2, 3))
    assert 90 < grey.sum() < 170
    first, second = simplug.augmenters.build("barlow_twins", **PLAIN, blur=(0.0, 0.0), solarize=(0.0, 1.0)).views(
        images, rng()
    )
    np.testing.assert_array_equal(first, images)
    np.testing.assert_array_equal(second, np.where(images >= 128, 255 - images, images))


def test_stronger_changes_of_colour_move_values_further(images):
    def moved(strength):
        settings = {**PLAIN, "jitter": 1.0, "strength": strength}
        (view, _) = simplug.augmenters.build("simclr", **settings, blur=0.0).views(images, rng())
        return np.abs(view.astype(float) - images).mean()

    assert moved(0.0) == 0
    assert moved(0.25) < moved(0.5) < moved(1.0)


def test_floats_and_grey_images_are_taken():
    grey = rng(1).uniform(size=(8, 10, 10, 1)).astype(np.float32)
    for name in ("simclr", "barlow_twins", "randaugment"):
        for view in simplug.augmenters.build(name).views(grey, rng()):
            assert view.dtype == np.float32
            assert view.shape == grey.shape
            assert 0 <= view.min() <= view.max() <= 1


@pytest.mark.parametrize("name", ["simclr", "barlow_twins", "randaugment"])
def test_what_is_no_image_is_refused(name):
    augmenter = simplug.augmenters.build(name)
    for inputs, message in (
        (np.zeros((4, 5)), r"images have shape \(b, height, width, channels\), not \(4, 5\)"),
        (np.zeros((1, 4, 4, 3), np.int32), "uint8 from 0 to 255 or floats from 0 to 1, not int32"),
        (np.full((1, 4, 4, 3), 200.0), "these go from 200 to 200"),
    ):
        with pytest.raises(InvalidInputError, match=f"augmenter {name}: .*{message}"):
            augmenter.views(inputs, rng())


def test_probabilities_outside_their_range_are_refused():
    with pytest.raises(ConfigError, match=r"solarize holds 1\.5; probabilities are from 0 to 1"):
        simplug.augmenters.build("barlow_twins", solarize=(0.0, 1.5))


def test_each_image_of_a_batch_gets_its_own_changes(images):
    same = np.repeat(images[:1], 40, axis=0)
    (view,) = simplug.augmenters.build("randaugment").views(same, rng())
    assert len(np.unique(view.reshape(40, -1), axis=0)) > 20


def test_a_magnitude_of_zero_leaves_what_only_strength_changes(images):
    smooth = np.linspace(0, 255, 12 * 16).reshape(1, 12, 16, 1).astype(np.uint8)
    (view,) = simplug.augmenters.build("randaugment", magnitude=0, changes=1).views(
        np.repeat(smooth, 30, axis=0), rng()
    )
    assert (np.abs(view.astype(int) - smooth) <= 2).mean() > 0.9
