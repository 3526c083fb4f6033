"""Losses over rankings and histograms: values and gradients against their float64 definitions, one rank at a time."""

import json

import numpy as np
import pytest
from pairwise import (
    EXACT,
    PML,
    assert_equal_to_pml,
    central_differences,
    every_batch,
    in_double,
    needs_pml,
    pml_losses,
    relation,
    with_references,
)

import simplug
from simplug.api import Pairs
from simplug.kernel.errors import ConfigError
from simplug.testing.tensors import array, value_and_gradient


def before(d, row, positive, other, temperature):
    return 1 / (1 + np.exp(np.clip((d[row, other] - d[row, positive]) / temperature, -500, 500)))


def members(positive, negative, own):
    """Yield each anchor that has a positive, its positives (itself among them where it is a reference) and the rest."""
    for i in np.flatnonzero(positive.any(axis=1)):
        alike = sorted({*np.flatnonzero(positive[i]), *([i] if own else [])})
        yield i, alike, np.flatnonzero(negative[i])


def smooth_ap(d, positive, negative, own=True, temperature=0.01):
    values = []
    for i, alike, different in members(positive, negative, own):
        precision = 0.0
        for p in alike:
            among = 1 + sum(before(d, i, p, q, temperature) for q in alike if q != p)
            precision += among / (among + sum(before(d, i, p, n, temperature) for n in different))
        values.append(1 - precision / len(alike))
    return float(np.mean(values)) if values else 0.0


def pnp(d, positive, negative, own=True, temperature=0.01, variant="Dq", alpha=8.0, b=2.0):
    penalty = {
        "O": lambda r: r,
        "Ds": lambda r: np.log(1 + r),
        "Dq": lambda r: 1 - (1 + r) ** -alpha,
        "Iu": lambda r: (1 + r) * np.log(1 + r),
        "Ib": lambda r: (b * r - np.log(1 + b * r)) / b**2,
    }[variant]
    values = [
        np.mean([penalty(sum(before(d, i, p, n, temperature) for n in different)) for p in alike])
        for i, alike, different in members(positive, negative, own)
    ]
    return float(np.mean(values)) if values else 0.0


def soft_counts(values, low, high, bins):
    counts = np.zeros(bins + 1)
    for value in values:
        steps = np.clip((value - low) / (high - low) * bins, 0, bins)
        counts += np.maximum(0, 1 - np.abs(steps - np.arange(bins + 1)))
    return counts


def fast_ap(d, positive, negative, own=True, num_bins=10, max_distance=4.0):
    values = []
    for row, is_positive, is_negative in zip(d, positive > 0, negative > 0, strict=True):
        if not is_positive.any():
            continue
        hits = soft_counts(row[is_positive], 0, max_distance, num_bins)
        misses = soft_counts(row[is_negative], 0, max_distance, num_bins)
        upto, total, precision = 0.0, 0.0, 0.0
        for hit, miss in zip(hits, misses, strict=True):
            upto, total = upto + hit, total + hit + miss
            precision += hit * upto / total if total else 0
        values.append(1 - precision / is_positive.sum())
    return float(np.mean(values)) if values else 0.0


def histogram(d, positive, negative, own=True, num_bins=100):
    near = soft_counts(1 - d[positive > 0], -1, 1, num_bins)
    far = soft_counts(1 - d[negative > 0], -1, 1, num_bins)
    if not near.sum() or not far.sum():
        return 0.0
    return float(np.dot(far / far.sum(), np.cumsum(near / near.sum())))


CASES = {
    "smooth_ap": (smooth_ap, {}),
    "smooth_ap, soft": (smooth_ap, {"temperature": 0.2}),
    "fast_ap": (fast_ap, {}),
    "fast_ap, short": (fast_ap, {"num_bins": 7, "max_distance": 1.5}),
    "histogram": (histogram, {}),
    "histogram, coarse": (histogram, {"num_bins": 9}),
    "pnp": (pnp, {}),
    **{f"pnp, {variant}": (pnp, {"variant": variant, "temperature": 0.1}) for variant in ("O", "Ds", "Iu", "Ib")},
    "pnp, Dq": (pnp, {"variant": "Dq", "alpha": 1.0, "temperature": 0.1}),
}


def build(case):
    return simplug.losses.build(case.split(",")[0], **CASES[case][1])


@pytest.mark.parametrize("case", CASES)
@every_batch
def test_a_loss_equals_its_definition_in_float64(case, labels, embeddings):
    loss, (definition, options) = build(case), CASES[case]
    d = loss.distance.numpy(embeddings, embeddings)
    value, slope = value_and_gradient(lambda rows: loss(labels, rows), embeddings)
    assert value == pytest.approx(definition(d, *relation(labels), **options), rel=1e-8, abs=EXACT)
    assert np.isfinite(slope).all()


@pytest.mark.parametrize("case", CASES)
def test_a_loss_against_a_reference_set_equals_its_definition(case):
    labels, embeddings, ref_labels, refs = with_references()
    loss, (definition, options) = build(case), CASES[case]
    expected = definition(loss.distance.numpy(embeddings, refs), *relation(labels, ref_labels), own=False, **options)
    assert array(loss(labels, embeddings, ref_labels, refs)) == pytest.approx(expected, rel=1e-8)


@in_double
@pytest.mark.parametrize("case", CASES)
def test_a_gradient_equals_central_differences(case):
    rng = np.random.default_rng(11)
    labels, embeddings = rng.integers(0, 3, size=9), rng.normal(size=(9, 4))
    loss = build(case)
    _, slope = value_and_gradient(lambda rows: loss(labels, rows), embeddings)
    assert np.any(slope)
    places = list(map(tuple, rng.integers((9, 4), size=(8, 2))))
    expected = central_differences(lambda rows: loss(labels, rows), embeddings, places)
    found = [slope[place] for place in places]
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6 * np.abs(slope).max())


@pytest.mark.parametrize("name", ["angular", "pnp", "smooth_ap"])
def test_positives_looked_at_one_by_one_or_together_give_the_same(name, monkeypatch):
    rng = np.random.default_rng(4)
    labels, embeddings = np.repeat(np.arange(3), 5), rng.normal(size=(15, 4))
    loss = simplug.losses.build(name)
    together = value_and_gradient(lambda rows: loss(labels, rows), embeddings)
    monkeypatch.setattr(f"simplug_losses.{name}.at_once", lambda distances: 1)
    apart = value_and_gradient(lambda rows: loss(labels, rows), embeddings)
    np.testing.assert_allclose(apart[0], together[0], rtol=EXACT)
    np.testing.assert_allclose(apart[1], together[1], atol=EXACT)


def test_coinciding_embeddings_lie_on_the_last_edge_of_the_histogram():
    labels, embeddings = np.array([0, 0, 1, 1]), np.eye(4)[[0, 0, 1, 1]]
    loss = simplug.losses.build("histogram", num_bins=4)
    value, slope = value_and_gradient(lambda rows: loss(labels, rows), embeddings.astype(np.float32))
    # All positives have the similarity 1 and all negatives 0: none of them stands before a positive.
    assert value == 0
    assert np.isfinite(slope).all()


def test_weights_of_pairs_count_in_the_histograms():
    rng = np.random.default_rng(2)
    labels, embeddings = np.array([0, 0, 1, 1, 1]), rng.normal(size=(5, 4))
    positive, negative = relation(labels)
    doubled = positive.copy()
    doubled[0, 1] = 2
    for name in ("histogram", "fast_ap"):
        loss = simplug.losses.build(name)
        plain = array(loss.of_pairs(Pairs(positive, negative), embeddings))
        assert plain == pytest.approx(float(array(loss(labels, embeddings))), rel=1e-12)
        assert array(loss.of_pairs(Pairs(doubled, negative), embeddings)) != pytest.approx(float(plain), rel=1e-6)


def test_a_preset_sets_the_bins_of_fast_ap():
    assert simplug.losses.build("fast_ap", preset="cars").num_bins == 27
    assert simplug.losses.build("fast_ap", preset="cars", num_bins=9).num_bins == 9


def test_an_unknown_variant_of_pnp_is_refused():
    with pytest.raises(ConfigError, match="variant"):
        simplug.losses.build("pnp", variant="Dx")


NAMES = {"FastAPLoss": "fast_ap", "HistogramLoss": "histogram", "PNPLoss": "pnp", "SmoothAPLoss": "smooth_ap"}


def pml_rows(*names):
    return pml_losses(lambda row: row["name"] in names and "value" in row)


def in_our_terms(name, arguments):
    ours = {"n_bins": "num_bins"}
    defaults = {"PNPLoss": {"alpha": 1.0}}.get(name, {})
    return defaults | {ours.get(key, key): value for key, value in arguments.items()}


@needs_pml
@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize(("row", "inputs"), pml_rows("FastAPLoss", "HistogramLoss", "PNPLoss"))
def test_values_and_gradients_equal_those_of_pytorch_metric_learning(row, inputs, dtype):
    loss = simplug.losses.build(NAMES[row["name"]], **in_our_terms(row["name"], row["args"]))
    assert_equal_to_pml(loss, row, inputs, dtype, near=1e-7, steepest=1e-3)


@needs_pml
@pytest.mark.parametrize(("row", "inputs"), pml_rows("SmoothAPLoss"))
def test_smooth_ap_groups_by_class_where_the_peer_takes_runs_of_as_many_rows_as_there_are_classes(row, inputs):
    labels, embeddings = np.array(inputs["labels"]), np.array(inputs["embeddings"])
    loss = simplug.losses.build("smooth_ap")
    d = loss.distance.numpy(embeddings, embeddings)
    value = array(loss(labels, embeddings))
    assert value == pytest.approx(smooth_ap(d, *relation(labels)), rel=1e-8, abs=EXACT)
    # The peer looks at no label but for the number of classes, which it takes for the number of examples of each.
    runs = np.arange(len(labels)) // len(np.unique(labels))
    same = (runs[:, None] == runs[None, :]).astype(float)
    if len(np.unique(labels)) > 1:
        assert row["value"] == pytest.approx(smooth_ap(d, same - np.eye(len(runs)), 1 - same), rel=1e-6)


@needs_pml
@pytest.mark.parametrize(("temperature", "expected"), [(0.01, 0.03673440217971802), (0.1, 0.05713408440351486)])
def test_smooth_ap_equals_the_peer_for_as_many_classes_as_examples_of_each_and_in_any_order(temperature, expected):
    known = json.loads(PML.read_text())["inputs"]["balanced"]
    labels, embeddings = np.array(known["labels"])[:9], np.array(known["embeddings"])[:9]
    loss = simplug.losses.build("smooth_ap", temperature=temperature)
    order = np.random.default_rng(0).permutation(9)
    assert array(loss(labels, embeddings)) == pytest.approx(expected, rel=1e-6)
    assert array(loss(labels[order], embeddings[order])) == pytest.approx(expected, rel=1e-6)
