"""Losses between two views: their papers' definitions, their gradients, and what other libraries compute."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from keras import backend

import simplug
from simplug.api import InvalidInputError
from simplug.testing.tensors import array, in_graph, in_xla, value_and_gradient

# The other backends compute in single precision by default.
DOUBLE = backend.backend() == "tensorflow"
EXACT = {"rel": 1e-9, "abs": 1e-9} if DOUBLE else {"rel": 1e-4, "abs": 1e-5}

REFERENCE = Path(__file__).parents[4] / "shared" / "reference" / "pml_values.json"

# Two views, and below what TensorFlow Similarity (dc506d6) and PyTorch Metric Learning 2.9.0 compute for them.
FIRST = np.array([[1, 0, 0], [0.8, 0.6, 0], [0, 1, 0], [0, 0.6, 0.8], [0, 0, 1], [0.6, 0, 0.8]])
SECOND = np.array([[0.8, 0.6, 0], [1, 0, 0], [0, 0.8, 0.6], [0, 0, 1], [0.6, 0, 0.8], [0, 0.6, 0.8]])


def cosine(a, b):
    norms = np.linalg.norm(a) * np.linalg.norm(b)
    return a @ b / norms if norms else 0.0


def simclr(first, second, temperature=0.1):
    views, n = [*first, *second], len(first)
    costs = []
    for i, view in enumerate(views):
        scores = {k: cosine(view, other) / temperature for k, other in enumerate(views) if k != i}
        costs.append(np.log(np.sum(np.exp(list(scores.values())))) - scores[(i + n) % (2 * n)])
    return np.mean(costs)


def simsiam(first, second, projection="negative_cosine"):
    cosines = np.array([cosine(p, z) for p, z in zip(first, second, strict=True)])
    if projection == "angular_distance":
        return np.mean(np.arccos(np.clip(cosines, -1, 1))) / np.pi
    return np.mean(-cosines) + (projection == "cosine_distance")


def byol(first, second):
    return np.mean([2 - 2 * cosine(q, z) for q, z in zip(first, second, strict=True)])


def barlow_twins(first, second, redundancy_weight=0.005, eps=1e-5):
    (n, d), total = first.shape, 0.0
    first, second = ((view - view.mean(axis=0)) / np.sqrt(view.var(axis=0) + eps) for view in (first, second))
    for i in range(d):
        for j in range(d):
            correlation = sum(first[b, i] * second[b, j] for b in range(n)) / n
            total += (1 - correlation) ** 2 if i == j else redundancy_weight * correlation**2
    return total


def vicreg(first, second, invariance_weight=25, variance_weight=25, covariance_weight=1, eps=1e-4, ddof=1):
    (n, d), total = first.shape, invariance_weight * np.mean((first - second) ** 2)
    for view in (first, second):
        centred = view - view.mean(axis=0)
        for i in range(d):
            variance = sum(centred[:, i] ** 2) / max(n - ddof, 1)
            total += variance_weight / 2 * max(0, 1 - np.sqrt(variance + eps)) / d
            for j in range(d):
                if i != j:
                    total += covariance_weight * (sum(centred[:, i] * centred[:, j]) / max(n - 1, 1)) ** 2 / d
    return total


CASES = {
    "simclr": ({}, simclr),
    "simclr, cool": ({"temperature": 0.02}, simclr),
    "simclr, warm": ({"temperature": 5.0}, simclr),
    "simsiam": ({}, simsiam),
    "simsiam, cosine distance": ({"projection": "cosine_distance"}, simsiam),
    "simsiam, angle": ({"projection": "angular_distance"}, simsiam),
    "byol": ({}, byol),
    "barlow_twins": ({}, barlow_twins),
    "barlow_twins, weighted": ({"redundancy_weight": 0.7, "eps": 0.1}, barlow_twins),
    "vicreg": ({}, vicreg),
    "vicreg, weighted": (
        {"invariance_weight": 1.0, "variance_weight": 10.0, "covariance_weight": 50.0, "eps": 0.01},
        vicreg,
    ),
}


def batches():
    rng = np.random.default_rng(7)
    first = rng.normal(size=(9, 4))
    yield "random", first, first + 0.3 * rng.normal(size=(9, 4))
    yield "narrow", 0.2 * first, 0.1 * rng.normal(size=(9, 4))
    yield "wider than long", rng.normal(size=(3, 7)), rng.normal(size=(3, 7))
    yield "a zero row", np.vstack([np.zeros(4), first]), np.vstack([first, np.ones(4)])
    yield "a single example", first[:1], rng.normal(size=(1, 4))


def built(case):
    return simplug.losses.build(case.split(",")[0], **CASES[case][0])


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize(("first", "second"), [b[1:] for b in batches()], ids=[b[0] for b in batches()])
def test_a_loss_equals_its_definition_in_float64(case, first, second):
    expected = CASES[case][1](first, second, **CASES[case][0])
    assert array(built(case)(None, first, None, second)) == pytest.approx(expected, **EXACT)


@pytest.mark.parametrize("case", CASES)
def test_one_batch_of_both_views_is_as_good_as_two(case):
    first, second = next(batches())[1:]
    both = np.concatenate([first, second])
    apart = array(built(case)(None, first, None, second))
    assert array(built(case)(np.zeros(18, int), both)) == pytest.approx(apart, **EXACT)


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("narrow", [False, True])
def test_the_gradients_of_both_views_equal_the_central_differences_of_the_definition(case, narrow):
    first, second = list(batches())[narrow][1:]
    both, step, n = np.concatenate([first, second]), 1e-6, len(first)
    options, definition = CASES[case]
    _, gradient = value_and_gradient(lambda rows: built(case)(None, rows), both)
    rng = np.random.default_rng(1)
    for _ in range(12):
        i, j = rng.integers(2 * n), rng.integers(4)
        if definition in (simsiam, byol) and i >= n:
            assert gradient[i, j] == 0
            continue
        above, below = both.copy(), both.copy()
        above[i, j] += step
        below[i, j] -= step
        rise = definition(above[:n], above[n:], **options) - definition(below[:n], below[n:], **options)
        assert gradient[i, j] == pytest.approx(rise / (2 * step), rel=1e-4, abs=1e-7 if DOUBLE else 2e-5)


@pytest.mark.parametrize("case", CASES)
def test_value_and_gradient_are_finite_on_degenerate_views(case):
    rng = np.random.default_rng(2)
    rows = rng.normal(size=(6, 4)).astype("float32")
    same, zeros = np.repeat(rows[:1], 6, axis=0), np.zeros_like(rows)
    for first in (rows, same, zeros, 100 * rows, rows[:1]):
        for second in (rows, same, zeros, 100 * rows, -rows):
            second = second[: len(first)]
            value, gradient = value_and_gradient(
                lambda moving, second=second: built(case)(None, moving, None, second), first
            )
            assert np.isfinite(value)
            assert np.isfinite(gradient).all()


@pytest.mark.parametrize("case", CASES)
def test_graph_mode_and_xla_give_the_same(case):
    first, second = (view.astype("float32") for view in next(batches())[1:])
    expected = array(built(case)(None, first, None, second))

    def call(one, other):
        return built(case)(None, one, None, other)

    assert in_graph(call, first, second)[0] == pytest.approx(expected, rel=1e-5)
    # XLA rounds norms in another way, and a temperature of 0.02 shows that fifty times larger.
    assert in_xla(call, first, second)[0] == pytest.approx(expected, rel=1e-5, abs=1e-5)


def test_simclr_of_one_example_costs_next_to_nothing():
    first, second = list(batches())[-1][1:]
    value, gradient = value_and_gradient(lambda moving: built("simclr")(None, moving, None, second), first)
    assert value == pytest.approx(0, **EXACT)
    assert gradient == pytest.approx(0, **EXACT)


def test_simclr_tells_a_far_view_apart_at_a_low_temperature():
    # The exponentials of all but the nearest view are 0 in single precision here.
    first = np.array([[1, 0], [0, 1]], dtype="float32")
    second = np.array([[-1, 0.001], [0.001, -1]], dtype="float32")
    value, gradient = value_and_gradient(
        lambda moving: simplug.losses.build("simclr", temperature=0.005)(None, moving, None, second), first
    )
    assert value == pytest.approx(simclr(first.astype(float), second.astype(float), 0.005), rel=1e-5)
    assert np.abs(gradient).max() > 1


def test_simsiam_keeps_its_angle_between_equal_and_opposite_views():
    rows = np.random.default_rng(3).normal(size=(200, 16)).astype("float32")
    loss = simplug.losses.build("simsiam", projection="angular_distance")
    for other, expected in ((rows, 0), (-rows, 1)):
        value, gradient = value_and_gradient(lambda moving, other=other: loss(None, moving, None, other), rows)
        assert value == pytest.approx(expected, abs=1e-6)
        assert np.isfinite(gradient).all()


@pytest.mark.parametrize(
    ("temperature", "rows"),
    [
        (0.05, [8.073017, 8.073017, 3.984892, 8.46831, 8.109165, 14.835443]),
        (0.5, [3.741714, 3.741714, 3.6169176, 4.0773025, 4.0581045, 4.835142]),
    ],
)
def test_simclr_is_half_the_mean_of_tensorflow_similarity_which_adds_the_two_directions(temperature, rows):
    value = array(simplug.losses.build("simclr", temperature=temperature)(None, FIRST, None, SECOND))
    assert value == pytest.approx(np.mean(rows) / 2, rel=1e-6)


@pytest.mark.parametrize(
    ("projection", "rows"),
    [
        ("negative_cosine", [-0.399] * 5 + [-0.319]),
        ("cosine_distance", [0.101] * 5 + [0.181]),
        ("angular_distance", [0.1034164] * 5 + [0.1404672]),
    ],
)
def test_simsiam_of_tensorflow_similarity_is_half_of_it_and_a_thousandth(projection, rows):
    value = array(simplug.losses.build("simsiam", projection=projection)(None, FIRST, None, SECOND))
    assert 0.5 * value + 0.001 == pytest.approx(np.mean(rows), rel=1e-6)


def test_barlow_twins_equals_tensorflow_similarity():
    value = array(simplug.losses.build("barlow_twins", eps=1e-12)(None, FIRST, None, SECOND))
    assert value == pytest.approx(1.0245423, rel=1e-6)


def test_vicreg_differs_from_tensorflow_similarity_by_its_standard_deviation_alone():
    # Theirs divides the variance by n; the authors' code divides by n - 1.
    assert vicreg(FIRST, SECOND, ddof=0) == pytest.approx(18.831688, rel=1e-6)
    value = array(simplug.losses.build("vicreg", variance_weight=0.0)(None, FIRST, None, SECOND))
    assert value == pytest.approx(vicreg(FIRST, SECOND, variance_weight=0, ddof=0), **EXACT)


@pytest.mark.parametrize(
    ("options", "expected", "slope_of_first", "slope_of_second"),
    [
        (
            {},
            17.879263088470875,
            [-0.519739080053536, -0.9537979384906105, 0.7430531945423239],
            [-1.268057164480135, 1.066326741476583, 1.0098298650065316],
        ),
        (
            CASES["vicreg, weighted"][0],
            7.599057860023548,
            [0.6320915075663255, 0.11874607935696023, -0.1387478547717561],
            [0.6024313754145872, -0.35349998324671006, -0.5283073035836766],
        ),
    ],
)
def test_vicreg_equals_pytorch_metric_learning(options, expected, slope_of_first, slope_of_second):
    loss = simplug.losses.build("vicreg", **options)
    value, gradient = value_and_gradient(lambda both: loss(None, both), np.concatenate([FIRST, SECOND]))
    assert value == pytest.approx(expected, **EXACT)
    assert gradient[0] == pytest.approx(slope_of_first, **EXACT)
    assert gradient[6] == pytest.approx(slope_of_second, **EXACT)


@pytest.mark.skipif(not REFERENCE.exists(), reason="the reference values are not beside this checkout")
@pytest.mark.parametrize("temperature", [0.07, 0.5])
def test_simclr_equals_the_nt_xent_loss_of_pytorch_metric_learning_on_two_views(temperature):
    known = json.loads(REFERENCE.read_text())
    wanted = {} if temperature == 0.07 else {"temperature": temperature}
    (row,) = (r for r in known["losses"] if (r["name"], r["input"], r["args"]) == ("NTXentLoss", "pairs", wanted))
    loss = simplug.losses.build("simclr", temperature=temperature)
    value, gradient = value_and_gradient(
        lambda both: loss(None, both), np.array(known["inputs"]["pairs"]["embeddings"])
    )
    expected = np.array(row["gradient"])
    assert value == pytest.approx(row["value"], rel=1e-5)
    assert np.abs(gradient - expected).max() <= 1e-4 * np.abs(expected).max()


@pytest.mark.parametrize("case", CASES)
def test_half_precision_is_computed_in_float32(case):
    first, second = (view.astype("float16") for view in next(batches())[1:])
    value = array(built(case)(None, first, None, second))
    assert value.dtype == np.float32
    exact = array(built(case)(None, first.astype("float32"), None, second.astype("float32")))
    assert value == pytest.approx(exact, rel=1e-6)


def test_views_that_do_not_fit_are_refused():
    loss = simplug.losses.build("vicreg")
    with pytest.raises(InvalidInputError, match="an even number of rows, first view then second, not 3"):
        loss(None, FIRST[:3])
    with pytest.raises(InvalidInputError, match="the two views have 6 and 4 rows"):
        loss(None, FIRST, None, SECOND[:4])
    with pytest.raises(InvalidInputError, match="the two views have 3 and 2 columns"):
        loss(None, FIRST, None, SECOND[:, :2])


@pytest.mark.parametrize(("name", "options"), [("simclr", {"temperature": 0.0}), ("vicreg", {"eps": 0.0})])
def test_a_setting_that_divides_is_above_zero(name, options):
    with pytest.raises(simplug.kernel.errors.ConfigError, match="must be > 0, not 0"):
        simplug.losses.build(name, **options)
