from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage
from scipy.interpolate import CubicSpline
from simplug_augmenters.affine import maps_about_centre, warp
from simplug_augmenters.elastic import Elastic, spline_weights

import simplug
from simplug.api import InvalidInputError
from simplug.kernel.config import build, to_config
from simplug.kernel.errors import ConfigError

STILL = {"bend": 0.0, "rotation": 0.0, "shift": 0.0, "scale": 0.0, "stretch": 0.0, "shear": 0.0}


def images(shape=(6, 20, 24, 1), dtype=np.uint8):
    return np.random.default_rng(0).integers(0, 256, shape).astype(dtype)


def view(augmenter, inputs, seed=0):
    (only,) = augmenter.views(inputs, np.random.default_rng(seed))
    return only


def unmoved(count, size):
    none = np.zeros(count)
    return maps_about_centre(
        size, angle=none, shift=np.zeros((count, 2)), scale=none + 1, shear=none, mirrored=none.astype(bool)
    )


def test_it_is_found_by_name_and_survives_a_config():
    augmenter = simplug.augmenters.build("elastic", bend=0.1, points=7)
    assert augmenter == Elastic(bend=0.1, points=7)
    assert build("augmenter", to_config(augmenter)) == augmenter


def test_without_any_amount_nothing_moves():
    inputs = images()
    np.testing.assert_array_equal(view(Elastic(**STILL), inputs), inputs)


def test_pixels_come_from_where_the_bends_point_to():
    inputs = images((5, 13, 17, 2), np.float64)
    bends = np.random.default_rng(1).normal(0, 2, (5, 2, 13, 17)).astype(np.float32)
    bent = warp(inputs, unmoved(5, (13, 17)), 9.0, bends)
    grid = np.mgrid[0:13, 0:17]
    for i in range(5):
        for c in range(2):
            expected = ndimage.map_coordinates(
                inputs[i, ..., c], grid + bends[i], order=1, mode="grid-constant", cval=9.0
            )
            np.testing.assert_allclose(bent[i, ..., c], expected, atol=1e-6)


@pytest.mark.parametrize(("pixels", "points"), [(28, 4), (20, 5), (31, 9)])
def test_what_lies_between_the_points_is_on_a_cubic_spline_through_them(pixels, points):
    heights = np.random.default_rng(2).normal(size=points)
    expected = CubicSpline(np.linspace(0, 1, points), heights, bc_type="not-a-knot")(np.linspace(0, 1, pixels))
    np.testing.assert_allclose(spline_weights(pixels, points) @ heights, expected, atol=1e-5)


def test_the_moves_of_the_points_have_the_deviation_that_is_set():
    bends = Elastic(bend=0.1, points=5)._bends(4000, (21, 41), np.random.default_rng(0))
    at_points = bends[:, :, ::5, ::10]
    assert at_points.shape == (4000, 2, 5, 5)
    assert at_points[:, 0].std() == pytest.approx(2.1, rel=0.02)
    assert at_points[:, 1].std() == pytest.approx(4.1, rel=0.02)
    assert abs(np.corrcoef(at_points[:, 0, 1, 1], at_points[:, 0, 1, 2])[0, 1]) < 0.05


def test_stretching_changes_height_over_width_and_keeps_the_area():
    square = np.zeros((400, 41, 41, 1), dtype=np.float32)
    square[:, 13:28, 13:28] = 1
    stretched = view(Elastic(**STILL | {"stretch": 0.5}), square)[..., 0]
    heights, widths = stretched[:, :, 20].sum(axis=1), stretched[:, 20, :].sum(axis=1)
    np.testing.assert_allclose(heights * widths, 15 * 15, rtol=0.02)
    ratios = heights / widths
    assert 0.6 < ratios.min() < 0.72
    assert 1.4 < ratios.max() < 1.55


def test_a_different_scale_of_height_and_width_agrees_with_scipy():
    inputs = images((3, 15, 19, 1), np.float64)
    scale = np.array([[1.2, 0.8], [0.7, 1.0], [1.0, 1.4]])
    maps = maps_about_centre(
        (15, 19),
        angle=np.array([20.0, 0.0, -50.0]),
        shift=np.ones((3, 2)),
        scale=scale,
        shear=np.array([0.0, 15.0, 10.0]),
        mirrored=np.zeros(3, dtype=bool),
    )
    centre = np.array([7.0, 9.0])
    for i, (angle, shear) in enumerate([(20.0, 0.0), (0.0, 15.0), (-50.0, 10.0)]):
        c, s = np.cos(np.radians(angle)), np.sin(np.radians(angle))
        forward = np.array([[c, -s], [s, c]]) @ np.diag(scale[i]) @ [[1, 0], [np.tan(np.radians(shear)), 1]]
        back = np.linalg.inv(forward)
        expected = ndimage.affine_transform(
            inputs[i, ..., 0], back, centre - back @ (centre + 1), order=1, mode="grid-constant"
        )
        np.testing.assert_allclose(warp(inputs, maps)[i, ..., 0], expected, atol=1e-9)


def test_views_differ_keep_their_form_and_follow_the_seed():
    inputs = images()
    augmenter = Elastic(view_count=2)
    first, second = augmenter.views(inputs, np.random.default_rng(3))
    assert first.shape == inputs.shape
    assert first.dtype == inputs.dtype
    assert (first != second).any()
    np.testing.assert_array_equal(first, augmenter.views(inputs, np.random.default_rng(3))[0])


def test_what_cannot_be_bent_is_refused():
    with pytest.raises(InvalidInputError, match=r"augmenter elastic: images have shape .* not \(4, 8\)"):
        view(Elastic(), np.zeros((4, 8)))
    with pytest.raises(InvalidInputError, match=r"fill = -1.0 is outside 0 to 255"):
        view(Elastic(fill=-1.0), images())
    with pytest.raises(ConfigError, match="points"):
        simplug.augmenters.build("elastic", points=3)
