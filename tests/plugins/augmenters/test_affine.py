from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage
from simplug_augmenters.affine import Maps, maps_about_centre, warp


def maps(count, size, **amounts):
    """Maps that leave images alone but for the given amounts, one number for all images."""
    amounts = {"angle": 0.0, "scale": 1.0, "shear": 0.0, "mirrored": False, "shift": (0.0, 0.0)} | amounts
    return maps_about_centre(size, **{name: np.array([amount] * count) for name, amount in amounts.items()})


def noise(shape, dtype=np.uint8, seed=0):
    rng = np.random.default_rng(seed)
    if np.issubdtype(dtype, np.integer):
        return rng.integers(0, 256, shape, dtype=dtype)
    return rng.uniform(0, 255, shape).astype(dtype)


SHAPES = [(5, 28, 28, 1), (3, 9, 16, 3), (2, 1, 5, 2), (2, 7, 1, 4)]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.float16, np.float32, np.float64])
def test_the_map_that_changes_nothing_is_exact(shape, dtype):
    images = noise(shape, dtype)
    np.testing.assert_array_equal(warp(images, maps(len(images), shape[1:3]), fill=99), images)


@pytest.mark.parametrize("turns", [1, 2, 3, -1])
@pytest.mark.parametrize("size", [(28, 28), (7, 7)])
def test_a_quarter_turn_is_exactly_that_of_numpy(turns, size):
    images = noise((4, *size, 3))
    turned = warp(images, maps(4, size, angle=90.0 * turns), fill=200)
    np.testing.assert_array_equal(turned, np.rot90(images, turns, axes=(1, 2)))


def test_a_half_turn_of_images_that_are_not_square_is_exact():
    images = noise((2, 5, 8, 1))
    np.testing.assert_array_equal(warp(images, maps(2, (5, 8), angle=180.0)), images[:, ::-1, ::-1])


def test_mirroring_swaps_left_and_right_exactly():
    images = noise((2, 5, 8, 3))
    np.testing.assert_array_equal(warp(images, maps(2, (5, 8), mirrored=True)), images[:, :, ::-1])


def test_a_shift_of_whole_pixels_moves_them_down_and_right_and_fills_the_rest():
    images = noise((2, 6, 7, 2))
    moved = warp(images, maps(2, (6, 7), shift=(2.0, 1.0)), fill=77)
    np.testing.assert_array_equal(moved[:, 2:, 1:], images[:, :-2, :-1])
    assert (moved[:, :2] == 77).all()
    assert (moved[:, :, :1] == 77).all()


def test_a_shift_beyond_the_image_leaves_only_the_fill():
    images = noise((1, 6, 6, 1))
    for shift in [(6.0, 0.0), (0.0, -6.0), (1e6, 1e6), (-1e6, 0.0)]:
        assert (warp(images, maps(1, (6, 6), shift=shift), fill=5) == 5).all()


def test_half_a_pixel_is_the_mean_of_two_neighbours():
    images = np.array([10.0, 20.0, 50.0]).reshape(1, 1, 3, 1)
    moved = warp(images, maps(1, (1, 3), shift=(0.0, 0.5)), fill=0)
    assert moved.ravel().tolist() == [5.0, 15.0, 35.0]


def test_the_content_grows_by_the_scale_and_shears_by_the_angle():
    images = np.zeros((1, 41, 41, 1))
    images[0, 20, 24] = images[0, 24, 20] = 1.0
    grown = warp(images, maps(1, (41, 41), scale=2.0))
    assert np.argwhere(grown[0, ..., 0] == 1.0).tolist() == [[20, 28], [28, 20]]
    sheared = warp(images, maps(1, (41, 41), shear=45.0))
    assert np.argwhere(sheared[0, ..., 0] > 0.99).tolist() == [[20, 24], [24, 24]]


@pytest.mark.parametrize("shape", [(20, 28, 28, 1), (20, 13, 30, 3), (300, 12, 12, 1)])
def test_random_maps_agree_with_scipy(shape):
    rng = np.random.default_rng(1)
    count, height, width, channels = shape
    amounts = {
        "angle": rng.uniform(-180, 180, count),
        "shift": rng.uniform(-5, 5, (count, 2)),
        "scale": rng.uniform(0.5, 2, count),
        "shear": rng.uniform(-30, 30, count),
        "mirrored": rng.random(count) < 0.5,
    }
    random = maps_about_centre((height, width), **amounts)
    images = noise(shape, np.float64)
    expected, hard = np.empty_like(images), np.empty_like(images)
    for i in range(count):
        for c in range(channels):
            settings = {"matrix": random.matrix[i], "offset": random.offset[i], "order": 1, "cval": 33.0}
            expected[i, ..., c] = ndimage.affine_transform(images[i, ..., c], mode="grid-constant", **settings)
            hard[i, ..., c] = ndimage.affine_transform(images[i, ..., c], mode="constant", **settings)
    np.testing.assert_allclose(warp(images, random, fill=33.0), expected, atol=1e-9)
    np.testing.assert_allclose(warp(images.astype(np.float32), random, fill=33.0), expected, atol=0.02)
    # The mode "constant" cuts off at the centre of the outermost pixels; inside, the two are the same.
    inside = hard != 33.0
    assert inside.mean() > 0.2
    np.testing.assert_allclose(warp(images, random, fill=33.0)[inside], hard[inside], atol=1e-9)


def test_bytes_are_rounded_to_the_nearest():
    images, random = noise((9, 10, 10, 1)), maps(9, (10, 10), angle=17.0, shift=(0.3, -0.4))
    precise = warp(images.astype(np.float64), random)
    difference = np.abs(warp(images, random) - precise)
    assert difference.max() <= 0.5 + 1e-3


def test_the_steps_are_mirror_shear_scale_turn_and_shift():
    size, together = (21, 31), {"angle": 25.0, "shift": (2.0, -3.0), "scale": 1.3, "shear": 12.0, "mirrored": True}
    step_by_step = np.eye(3)
    for name in ("mirrored", "shear", "scale", "angle", "shift"):
        one = maps(1, size, **{name: together[name]})
        # A later step is met first on the way from the output back to the input.
        step_by_step = step_by_step @ homogeneous(one)
    np.testing.assert_allclose(homogeneous(maps(1, size, **together)), step_by_step, atol=1e-12)


def homogeneous(maps: Maps):
    return np.block([[maps.matrix[0], maps.offset[0][:, None]], [np.zeros((1, 2)), np.ones((1, 1))]])


def test_no_images_give_no_images():
    assert warp(np.empty((0, 4, 4, 1), np.uint8), maps(1, (4, 4))[:0]).shape == (0, 4, 4, 1)
