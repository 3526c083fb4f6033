"""Changes of colour against Python's own colorsys, SciPy's filters and definitions in loops."""

from __future__ import annotations

import colorsys
import functools

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter1d
from simplug_augmenters import colours


@pytest.fixture
def images():
    values = np.random.default_rng(0).uniform(size=(4, 9, 7, 3)).astype(np.float32)
    values[0, 0, 0], values[0, 0, 1], values[0, 0, 2] = 0.5, 0, 1
    values[0, 1, 0] = (0.2, 0.7, 0.7)
    return values


def each(images, change):
    return np.array([[[change(*pixel) for pixel in row] for row in image] for image in images])


def test_a_turn_of_the_hue_is_that_of_hsv(images):
    for turn in (-0.4, 0.0, 1 / 3, 0.9):
        expected = each(images, functools.partial(turned, turn))
        np.testing.assert_allclose(colours.with_hue(images, np.full(4, turn)), expected, atol=1e-6)


def turned(turn, *pixel):
    hue, saturation, value = colorsys.rgb_to_hsv(*map(float, pixel))
    return colorsys.hsv_to_rgb((hue + turn) % 1, saturation, value)


def test_grey_levels_and_what_is_made_of_them(images):
    grey = images @ np.array([0.299, 0.587, 0.114])
    np.testing.assert_allclose(colours.grey(images)[..., 0], grey, rtol=1e-6)
    factor = np.array([0.0, 0.5, 1.0, 1.5])
    amount = factor[:, None, None, None]
    np.testing.assert_allclose(
        colours.saturated(images, factor), grey[..., None] + amount * (images - grey[..., None]), atol=1e-6
    )
    mean = grey.mean(axis=(1, 2))[:, None, None, None]
    np.testing.assert_allclose(colours.with_contrast(images, factor), mean + amount * (images - mean), atol=1e-6)
    np.testing.assert_allclose(colours.brightened(images, factor), amount * images, atol=1e-6)


def test_an_image_without_three_channels_has_no_hue(images):
    one = images[..., :1]
    assert colours.with_hue(one, np.full(4, 0.3)) is one
    np.testing.assert_allclose(colours.saturated(one, np.full(4, 0.3)), one, atol=1e-7)


def test_a_blur_is_that_of_scipy_with_a_mirrored_border(images):
    sigma = np.array([0.3, 0.8, 1.5, 2.0])
    for image, width, found in zip(images, sigma, colours.blurred(images, sigma), strict=True):
        expected = image.astype(np.float64)
        for axis in (0, 1):
            expected = gaussian_filter1d(expected, width, axis=axis, mode="reflect", truncate=30 / width)
        np.testing.assert_allclose(found, expected, atol=2e-3)
    flat = np.full((1, 9, 7, 3), 0.25, np.float32)
    np.testing.assert_allclose(colours.blurred(flat, np.array([1.7])), flat, rtol=1e-6)


def test_levels_solarization_and_stretching(images):
    np.testing.assert_allclose(colours.solarized(images, np.full(4, 0.5)), np.where(images >= 0.5, 1 - images, images))
    four = colours.posterized(images, np.full(4, 4.0))
    np.testing.assert_allclose(np.unique(four), [0, 1 / 3, 2 / 3, 1], rtol=1e-6)
    stretched = colours.stretched(images)
    np.testing.assert_allclose(stretched.min(axis=(1, 2)), 0, atol=1e-7)
    np.testing.assert_allclose(stretched.max(axis=(1, 2)), 1, atol=1e-7)
    flat = np.full((1, 5, 5, 1), 0.3, np.float32)
    np.testing.assert_array_equal(colours.stretched(flat), flat)
    np.testing.assert_array_equal(colours.equalized(flat), flat)


def test_an_equalized_channel_has_a_flat_histogram():
    rng = np.random.default_rng(1)
    dark = (rng.uniform(size=(2, 64, 64, 3)) ** 1.6).astype(np.float32)
    flat = colours.equalized(dark)
    assert dark.mean() < 0.4
    quarters = [0.25, 0.5, 0.75]
    np.testing.assert_allclose(np.quantile(flat, quarters, axis=(1, 2)).mean(axis=(1, 2)), quarters, atol=0.03)
    order = np.argsort(dark[0, :, :, 0], axis=None)
    assert (np.diff(flat[0, :, :, 0].ravel()[order]) >= 0).all()


def test_sharpness_at_one_changes_nothing_and_at_zero_smooths(images):
    np.testing.assert_allclose(colours.sharpened(images, np.ones(4)), images, atol=1e-6)
    smooth = colours.sharpened(images, np.zeros(4))
    middle = (images[:, 2:5, 2:5].sum(axis=(1, 2)) + 4 * images[:, 3, 3]) / 13
    np.testing.assert_allclose(smooth[:, 3, 3], middle, rtol=1e-5)
    np.testing.assert_array_equal(smooth[:, 0], images[:, 0])
