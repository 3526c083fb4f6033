"""Losses over structures of pairs: values and gradients against their definitions in float64, one sum at a time."""

import numpy as np
import pytest
from pairwise import (
    EXACT,
    assert_equal_to_pml,
    central_differences,
    every_batch,
    in_double,
    mean,
    needs_pml,
    pml_losses,
    relation,
    with_references,
)

import simplug
from simplug.api import Pairs
from simplug.testing.tensors import array, gradient, value_and_gradient


def angular(d, positive, negative, among, alpha=40.0):
    tangent = np.tan(np.radians(alpha)) ** 2
    s, t, values = 1 - d, 1 - among, []
    for i, p in np.argwhere(positive):
        exponents = [
            4 * tangent * (s[i, n] + t[p, n]) - 2 * (1 + tangent) * s[i, p] for n in np.flatnonzero(negative[i])
        ]
        values.append(np.log1p(np.sum(np.exp(exponents))))
    return mean(values)


def tuplet_margin(d, positive, negative, among, margin=5.73, scale=64.0):
    s, values = 1 - d, []
    for i, p in np.argwhere(positive):
        eased = np.cos(np.arccos(np.clip(s[i, p], -1, 1)) - np.radians(margin))
        values.append(np.log1p(np.sum([np.exp(scale * (s[i, n] - eased)) for n in np.flatnonzero(negative[i])])))
    return mean(values)


def lifted_structure(d, positive, negative, among, pos_margin=0.0, neg_margin=1.0):
    values, own = [], d.shape == among.shape and np.array_equal(d, among)
    for i, p in np.argwhere(positive):
        terms = [np.exp(neg_margin - d[i, n]) for n in np.flatnonzero(negative[i])]
        if own:
            terms += [np.exp(neg_margin - d[p, n]) for n in np.flatnonzero(negative[p])]
        else:
            terms += [np.exp(neg_margin - d[n, p]) for n in np.flatnonzero(negative[:, p])]
        excess = np.log(np.sum(terms)) + d[i, p] - pos_margin if terms else 0
        values.append(max(excess, 0) ** 2 / 2)
    return mean(values)


def generalized_lifted_structure(d, positive, negative, among, pos_margin=0.0, neg_margin=1.0):
    values = []
    for row, is_positive, is_negative in zip(d, positive > 0, negative > 0, strict=True):
        pull = np.log(np.sum(np.exp(row[is_positive] - pos_margin))) if is_positive.any() else 0
        push = np.log(np.sum(np.exp(neg_margin - row[is_negative]))) if is_negative.any() else 0
        values.append(max(pull + push, 0))
    return mean(values)


def ranked_list(
    d,
    positive,
    negative,
    among,
    alpha=1.2,
    margin=0.4,
    imbalance=0.5,
    pos_temperature=0.0,
    neg_temperature=10.0,
    guard=0.0,
):
    def weighted(excesses, temperature):
        weights = [np.exp(temperature * x) if x > 0 else 0 for x in excesses]
        total = np.sum(weights) + guard * len(d[0])
        return np.dot(weights, excesses) / total if total else 0

    values = []
    for row, is_positive, is_negative in zip(d, positive > 0, negative > 0, strict=True):
        pull = weighted(row[is_positive] - (alpha - margin), pos_temperature)
        push = weighted(alpha - row[is_negative], neg_temperature)
        values.append((1 - imbalance) * pull + imbalance * push)
    return mean(values)


def dynamic_soft_margin(d, positive, negative, among, min_val=-2.0, num_bins=10):
    leads = [d[i, p] - d[i, n] for i, p in np.argwhere(positive) for n in np.flatnonzero(negative[i])]
    histogram = soft_histogram(leads, min_val, -min_val, num_bins)
    easier = np.cumsum(histogram) / max(histogram.sum(), 1)
    width = -2 * min_val / num_bins
    return mean([easier[int(np.clip((x - min_val) // width, 0, num_bins))] * x for x in leads])


def soft_histogram(values, low, high, bins):
    counts = np.zeros(bins + 1)
    for value in values:
        steps = np.clip((value - low) / (high - low) * bins, 0, bins)
        for edge in range(bins + 1):
            counts[edge] += max(0, 1 - abs(steps - edge))
    return counts


CASES = {
    "angular": (angular, {}),
    "angular, wide": (angular, {"alpha": 60.0}),
    "tuplet_margin": (tuplet_margin, {}),
    "tuplet_margin, flat": (tuplet_margin, {"margin": 20.0, "scale": 5.0}),
    "lifted_structure": (lifted_structure, {}),
    "lifted_structure, margins": (lifted_structure, {"pos_margin": 0.2, "neg_margin": 0.5}),
    "generalized_lifted_structure": (generalized_lifted_structure, {}),
    "generalized_lifted_structure, margins": (generalized_lifted_structure, {"pos_margin": 0.3, "neg_margin": 0.6}),
    "ranked_list": (ranked_list, {}),
    "ranked_list, warm": (ranked_list, {"pos_temperature": 3.0, "neg_temperature": 0.0, "imbalance": 0.3}),
    "dynamic_soft_margin": (dynamic_soft_margin, {}),
    "dynamic_soft_margin, fine": (dynamic_soft_margin, {"num_bins": 37, "min_val": -1.0}),
}


def build(case):
    _, options = CASES[case]
    return simplug.losses.build(case.split(",")[0], **options)


def fresh(loss, dim):
    from simplug.api.state import initial_state

    return initial_state(loss.state(dim))


@pytest.mark.parametrize("case", CASES)
@every_batch
def test_a_loss_equals_its_definition_in_float64(case, labels, embeddings):
    loss, (definition, options) = build(case), CASES[case]
    state = fresh(loss, embeddings.shape[1])
    d = loss.distance.numpy(embeddings, embeddings)
    value, slope = value_and_gradient(lambda rows: loss(labels, rows, state=state), embeddings)
    # An angle near 0 has half the digits of its cosine.
    rel = 1e-6 if case.startswith("tuplet") else EXACT
    assert value == pytest.approx(definition(d, *relation(labels), d, **options), rel=rel, abs=EXACT)
    assert np.isfinite(slope).all()


@pytest.mark.parametrize("case", CASES)
def test_a_loss_against_a_reference_set_equals_its_definition(case):
    labels, embeddings, ref_labels, refs = with_references()
    loss, (definition, options) = build(case), CASES[case]
    d, among = loss.distance.numpy(embeddings, refs), loss.distance.numpy(refs, refs)
    value = array(loss(labels, embeddings, ref_labels, refs, state=fresh(loss, 4)))
    assert value == pytest.approx(definition(d, *relation(labels, ref_labels), among, **options), rel=EXACT)


@in_double
@pytest.mark.parametrize("case", CASES)
def test_the_gradients_of_anchors_and_of_references_equal_central_differences(case):
    rng = np.random.default_rng(11)
    labels, ref_labels = rng.integers(0, 3, size=7), rng.integers(0, 3, size=9)
    embeddings, refs = rng.normal(size=(7, 4)), rng.normal(size=(9, 4))
    loss = build(case)
    state = {}
    if loss.state(4):
        # The distribution has no gradient, so it is held still.
        state = {"histogram": np.linspace(1, 2, loss.num_bins + 1)}
    for function, values in (
        (lambda rows: loss(labels, rows, state=state), embeddings),
        (lambda rows: loss(labels, rows, ref_labels, refs, state=state), embeddings),
        (lambda rows: loss(labels, embeddings, ref_labels, rows, state=state), refs),
    ):
        _, slope = value_and_gradient(function, values)
        places = [(rng.integers(len(values)), rng.integers(4)) for _ in range(6)]
        expected = central_differences(function, values, places)
        assert np.any(expected)
        np.testing.assert_allclose([slope[place] for place in places], expected, rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize("name", ["angular", "dynamic_soft_margin"])
def test_a_gradient_through_a_loop_is_that_of_the_reducer_too(name):
    rng = np.random.default_rng(8)
    labels, embeddings = np.array([0, 0, 0, 0, 1, 1, 2]), rng.normal(size=(7, 4))
    weights = {"name": "class_weighted", "weights": [1.0, 5.0, 2.0]}
    loss = simplug.losses.build(name, reducer=weights)
    state = {"histogram": np.linspace(1, 2, 11)} if loss.state(4) else {}
    function = lambda rows: loss(labels, rows, state=state)  # noqa: E731
    _, slope = value_and_gradient(function, embeddings)
    places = [(i, i % 4) for i in range(7)]
    expected = central_differences(function, embeddings, places)
    np.testing.assert_allclose([slope[place] for place in places], expected, rtol=1e-4, atol=1e-8)


@pytest.mark.parametrize("name", ["angular", "dynamic_soft_margin", "lifted_structure", "tuplet_margin"])
def test_pairs_given_as_weights_count_as_much_as_their_weight(name):
    rng = np.random.default_rng(2)
    labels, embeddings = np.array([0, 0, 1, 1, 2]), rng.normal(size=(5, 4))
    loss = simplug.losses.build(name, distance={"name": "euclidean", "normalize": True})
    positive, negative = relation(labels)
    positive[:2] *= 3
    state = {"histogram": np.linspace(1, 2, 11)} if loss.state(4) else {}
    value = array(loss.of_pairs(Pairs(positive, negative), embeddings, state=state))
    parts = [
        array(loss.of_pairs(Pairs(part, negative), embeddings, state=state))
        for part in (positive * (labels[:, None] == 0), positive * (labels[:, None] == 1))
    ]
    assert value == pytest.approx((3 * parts[0] + parts[1]) / 4, rel=EXACT)


def test_far_embeddings_do_not_overflow_a_sum_of_exponentials():
    rng = np.random.default_rng(6)
    labels, embeddings = np.repeat(np.arange(4), 3), rng.normal(size=(12, 5)) * 1e3
    for name in ("lifted_structure", "generalized_lifted_structure", "ranked_list"):
        loss = simplug.losses.build(name, distance="euclidean")
        d = loss.distance.numpy(embeddings, embeddings)
        value = array(loss(labels, embeddings.astype(np.float32)))
        assert np.isfinite(gradient(lambda rows, loss=loss: loss(labels, rows), embeddings)).all()
        if name == "ranked_list":
            assert value == pytest.approx(ranked_list(d, *relation(labels), d), rel=1e-5)
        assert np.isfinite(value)


def test_the_widest_angle_stays_exact_in_single_precision():
    rng = np.random.default_rng(9)
    labels, embeddings = np.repeat(np.arange(8), 2), rng.normal(size=(16, 2))
    loss = simplug.losses.build("angular", alpha=65.0)
    d = loss.distance.numpy(embeddings, embeddings)
    value = array(loss(labels, embeddings.astype(np.float32)))
    assert value == pytest.approx(angular(d, *relation(labels), d, alpha=65.0), rel=1e-5)


def test_a_batch_moves_the_histogram_of_the_dynamic_soft_margin_and_one_without_triplets_does_not():
    from simplug.api import Batch

    rng = np.random.default_rng(1)
    loss = simplug.losses.build("dynamic_soft_margin", momentum=0.25)
    labels, embeddings = np.repeat(np.arange(3), 3), rng.normal(size=(9, 4))

    def next_histogram(labels, embeddings, histogram):
        return array(loss.next_state(Batch.of(labels, embeddings, state={"histogram": histogram}))["histogram"])

    def of_batch(embeddings):
        d = loss.distance.numpy(embeddings, embeddings)
        positive, negative = relation(labels)
        leads = [d[i, p] - d[i, n] for i, p in np.argwhere(positive) for n in np.flatnonzero(negative[i])]
        counts = soft_histogram(leads, -2.0, 2.0, 10)
        return counts / counts.sum()

    first = next_histogram(labels, embeddings, np.zeros(11))
    np.testing.assert_allclose(first, of_batch(embeddings), atol=EXACT)
    other = rng.normal(size=(9, 4))
    second = next_histogram(labels, other, first)
    np.testing.assert_allclose(second, 0.75 * first + 0.25 * of_batch(other), atol=EXACT)
    np.testing.assert_array_equal(next_histogram(np.zeros(9, dtype=int), other, second), second)


def test_the_first_step_of_the_dynamic_soft_margin_uses_its_own_histogram_and_later_steps_the_kept_one():
    from simplug.api import Batch

    rng = np.random.default_rng(1)
    loss = simplug.losses.build("dynamic_soft_margin")
    labels, embeddings = np.repeat(np.arange(3), 3), rng.normal(size=(9, 4))
    empty = fresh(loss, 4)
    moved = loss.next_state(Batch.of(labels, embeddings, state=empty))
    assert array(loss(labels, embeddings, state=empty)) == pytest.approx(
        float(array(loss(labels, embeddings, state=moved))), rel=1e-6
    )
    other = {"histogram": np.eye(11)[0]}
    # With all its weight on the first edge the distribution is 1 everywhere: the plain mean over the triplets.
    d = loss.distance.numpy(embeddings, embeddings)
    positive, negative = relation(labels)
    leads = [d[i, p] - d[i, n] for i, p in np.argwhere(positive) for n in np.flatnonzero(negative[i])]
    assert array(loss(labels, embeddings, state=other)) == pytest.approx(np.mean(leads), rel=EXACT)


def test_the_dynamic_soft_margin_keeps_to_a_band_of_triplets():
    rng = np.random.default_rng(5)
    loss = simplug.losses.build("dynamic_soft_margin", num_bins=8)
    labels, embeddings = np.repeat(np.arange(3), 3), rng.normal(size=(9, 4))
    d = loss.distance.numpy(embeddings, embeddings)
    positive, negative = relation(labels)
    leads = [d[i, p] - d[i, n] for i, p in np.argwhere(positive) for n in np.flatnonzero(negative[i])]
    kept = [x for x in leads if -0.3 < -x <= 0.2]
    assert 0 < len(kept) < len(leads)
    pairs = Pairs(positive, negative, band=(-0.3, 0.2))
    value = array(loss.of_pairs(pairs, embeddings, state={"histogram": np.eye(9)[0]}))
    assert value == pytest.approx(np.mean(kept), rel=EXACT)


NAMES = {
    "AngularLoss": "angular",
    "DynamicSoftMarginLoss": "dynamic_soft_margin",
    "GeneralizedLiftedStructureLoss": "generalized_lifted_structure",
    "LiftedStructureLoss": "lifted_structure",
    "RankedListLoss": "ranked_list",
    "TupletMarginLoss": "tuplet_margin",
}


def pml_rows(*names):
    return pml_losses(lambda row: row["name"] in names and "value" in row)


@needs_pml
@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize(
    ("row", "inputs"), pml_rows("GeneralizedLiftedStructureLoss", "LiftedStructureLoss", "TupletMarginLoss")
)
def test_values_and_gradients_equal_those_of_pytorch_metric_learning(row, inputs, dtype):
    loss = simplug.losses.build(NAMES[row["name"]], **row["args"])
    assert_equal_to_pml(loss, row, inputs, dtype)


@needs_pml
@pytest.mark.parametrize(("row", "inputs"), pml_rows("AngularLoss"))
def test_the_angular_loss_normalises_negatives_as_the_paper_does_and_the_peer_does_not(row, inputs):
    labels, rows = np.array(inputs["labels"]), np.array(inputs["embeddings"])
    units = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    positive, negative = relation(labels)
    # The peer's value comes from negatives as they are: their products with the anchors are no cosines.
    raw = 1 - units @ rows.T
    theirs = np.where(positive > 0, 1 - units @ units.T, raw)
    assert row["value"] == pytest.approx(angular(theirs, positive, negative, raw), rel=EXACT, abs=EXACT)
    d = 1 - units @ units.T
    ours = array(simplug.losses.build("angular", **row["args"])(labels, rows))
    assert ours == pytest.approx(angular(d, positive, negative, d), rel=EXACT, abs=EXACT)
    # What the peer gives for normalised input, where the two agree.
    agreed = {"balanced": 1.2070023462036674, "imbalanced": 1.9939565465780678, "pairs": 2.4951243775877066}
    assert ours == pytest.approx(agreed.get(row["input"], 0.0), rel=EXACT)


@needs_pml
@pytest.mark.parametrize(("row", "inputs"), pml_rows("DynamicSoftMarginLoss"))
def test_the_dynamic_soft_margin_equals_the_peer_but_holds_its_distribution_still(row, inputs):
    labels, embeddings = np.array(inputs["labels"]), np.array(inputs["embeddings"])
    loss = simplug.losses.build("dynamic_soft_margin")
    value, slope = value_and_gradient(
        lambda rows: loss(labels, rows, state=fresh(loss, embeddings.shape[1])), embeddings
    )
    assert value == pytest.approx(row["value"], rel=EXACT, abs=EXACT)
    # The peer differentiates through its histogram, too: a second step then fails. The paper weighs each triplet by a
    # constant, which makes the gradient that of the distances times the weights.
    d = loss.distance.numpy(embeddings, embeddings)
    positive, negative = relation(labels)
    triplets = [(i, p, n) for i, p in np.argwhere(positive) for n in np.flatnonzero(negative[i])]
    counts = soft_histogram([d[i, p] - d[i, n] for i, p, n in triplets], -2.0, 2.0, 10)
    easier = np.cumsum(counts) / max(counts.sum(), 1)
    slopes = np.zeros_like(d)
    for i, p, n in triplets:
        weight = easier[int((d[i, p] - d[i, n] + 2) // 0.4)] / len(triplets)
        slopes[i, p] += weight
        slopes[i, n] -= weight
    expected = weighted_distances_gradient(loss.distance, slopes, embeddings)
    np.testing.assert_allclose(slope, expected, atol=EXACT)


def weighted_distances_gradient(distance, slopes, embeddings):
    from keras import ops

    slopes = ops.convert_to_tensor(slopes)
    return value_and_gradient(lambda rows: ops.sum(distance(rows, rows) * slopes), embeddings)[1]


@needs_pml
@pytest.mark.parametrize(("row", "inputs"), pml_rows("RankedListLoss"))
def test_the_ranked_list_is_a_weighted_mean_to_which_the_peer_adds_a_guard(row, inputs):
    labels, embeddings = np.array(inputs["labels"]), np.array(inputs["embeddings"])
    options = {"margin": row["args"]["margin"], "neg_temperature": float(row["args"]["Tn"])}
    loss = simplug.losses.build("ranked_list", **options)
    d = loss.distance.numpy(embeddings, embeddings)
    # The peer adds 1e-5 to the divisor for every example of the batch, pair or not; the paper divides by the weights.
    guarded = ranked_list(d, *relation(labels), d, **options, guard=1e-5)
    assert row["value"] == pytest.approx(guarded, rel=EXACT)
    value, slope = value_and_gradient(lambda rows: loss(labels, rows), embeddings)
    assert value == pytest.approx(ranked_list(d, *relation(labels), d, **options), rel=EXACT)
    assert value == pytest.approx(row["value"], rel=1e-4)
    expected = np.array(row["gradient"])
    assert np.abs(slope - expected).max() <= 1e-4 * np.abs(expected).max()


def test_the_histogram_of_millions_of_triplets_is_exact_in_single_precision():
    labels, embeddings = np.arange(512) // 32, np.random.default_rng(0).normal(size=(512, 16))
    loss = simplug.losses.build("dynamic_soft_margin")
    single, double = (
        array(loss(labels, embeddings.astype(dtype), state=fresh(loss, 16))) for dtype in ("float32", "float64")
    )
    assert single == pytest.approx(double, rel=1e-6)
