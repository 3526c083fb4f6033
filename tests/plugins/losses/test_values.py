"""Values and gradients of the losses, against their papers' definitions and against another library's."""

import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest

import simplug
from simplug.testing import tensors

REFERENCE = Path(__file__).parents[4] / "shared" / "reference" / "pml_values.json"
NAMES = {
    "TripletMarginLoss": "triplet",
    "ContrastiveLoss": "contrastive",
    "MultiSimilarityLoss": "multi_similarity",
}


def load_definitions():
    spec = importlib.util.spec_from_file_location("definitions", Path(__file__).with_name("definitions.py"))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


definitions = load_definitions()


def value_and_gradient(loss, labels, embeddings, ref_labels=None, ref_embeddings=None):
    value, gradient = tensors.value_and_gradient(
        lambda rows: loss(labels, rows, ref_labels, ref_embeddings), embeddings
    )
    return float(value), gradient


def batches():
    rng = np.random.default_rng(7)
    classes = rng.integers(0, 5, size=24)
    yield "random", classes, rng.normal(size=(24, 6))
    yield "imbalanced", np.array([0] * 10 + [1, 2]), rng.normal(size=(12, 3))
    repeated = rng.normal(size=(4, 5))
    yield "duplicates", np.array([0, 0, 1, 1, 2, 2, 3, 3]), np.repeat(repeated, 2, axis=0)
    yield "one class", np.zeros(6, dtype=int), rng.normal(size=(6, 4))
    yield "no positives", np.arange(6), rng.normal(size=(6, 4))
    yield "a single example", np.array([3]), rng.normal(size=(1, 4))
    yield "a zero row", np.array([0, 0, 1, 1]), np.vstack([np.zeros(3), rng.normal(size=(3, 3))])


CASES = {
    "multi_similarity": (
        {"distance": "cosine"},
        lambda d, p, n: definitions.multi_similarity(d, p, n),
    ),
    "multi_similarity, mined": (
        {"distance": "cosine", "miner": {"name": "multi_similarity", "epsilon": 0.1}, "beta": 40.0},
        lambda d, p, n: definitions.multi_similarity(d, *definitions.mine_multi_similarity(d, p, n), beta=40.0),
    ),
    "contrastive": (
        {"distance": "cosine", "neg_margin": 0.7, "pos_margin": 0.1},
        lambda d, p, n: definitions.contrastive(d, p, n, 0.1, 0.7),
    ),
    "triplet": ({"distance": "squared_euclidean", "margin": 0.3}, lambda d, p, n: definitions.triplet(d, p, n, 0.3)),
    "triplet, mean over all": (
        {"distance": "euclidean", "margin": 0.3, "reducer": "mean"},
        lambda d, p, n: definitions.triplet(d, p, n, 0.3, mean_over="all"),
    ),
}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize(("labels", "embeddings"), [batch[1:] for batch in batches()], ids=[b[0] for b in batches()])
def test_a_loss_equals_its_definition_in_float64(case, labels, embeddings):
    options, definition = CASES[case]
    loss = simplug.losses.build(case.split(",")[0], **options)
    expected = definition(loss.distance.numpy(embeddings, embeddings), *definitions.relation(labels))
    value, gradient = value_and_gradient(loss, labels, embeddings)
    assert value == pytest.approx(expected, rel=1e-9, abs=1e-12)
    assert np.isfinite(gradient).all()


@pytest.mark.parametrize("case", CASES)
def test_a_loss_against_a_reference_set_equals_its_definition(case):
    rng = np.random.default_rng(3)
    labels, ref_labels = rng.integers(0, 3, size=5), rng.integers(0, 3, size=9)
    embeddings, refs = rng.normal(size=(5, 4)), rng.normal(size=(9, 4))
    options, definition = CASES[case]
    loss = simplug.losses.build(case.split(",")[0], **options)
    expected = definition(loss.distance.numpy(embeddings, refs), *definitions.relation(labels, ref_labels))
    value, _ = value_and_gradient(loss, labels, embeddings, ref_labels, refs)
    assert value == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("case", CASES)
def test_a_gradient_equals_central_differences(case):
    rng = np.random.default_rng(11)
    labels, embeddings = rng.integers(0, 3, size=9), rng.normal(size=(9, 4))
    loss = simplug.losses.build(case.split(",")[0], **CASES[case][0])
    _, gradient = value_and_gradient(loss, labels, embeddings)
    step = 1e-6
    for _ in range(12):
        i, j = rng.integers(9), rng.integers(4)
        above, below = embeddings.copy(), embeddings.copy()
        above[i, j] += step
        below[i, j] -= step
        difference = (float(loss(labels, above)) - float(loss(labels, below))) / (2 * step)
        assert gradient[i, j] == pytest.approx(difference, rel=1e-4, abs=1e-7)


@pytest.mark.parametrize("name", ["contrastive", "multi_similarity", "triplet"])
def test_half_precision_is_computed_in_float32(name):
    rng = np.random.default_rng(5)
    labels, embeddings = rng.integers(0, 3, size=12), rng.normal(size=(12, 8)).astype(np.float16)
    loss = simplug.losses.build(name)
    half, gradient = value_and_gradient(loss, labels, embeddings)
    single, _ = value_and_gradient(loss, labels, embeddings.astype(np.float32))
    assert half == pytest.approx(single, rel=1e-6)
    assert np.isfinite(gradient).all()


def test_a_batch_of_one_class_costs_a_triplet_loss_nothing():
    value, gradient = value_and_gradient(
        simplug.losses.build("triplet"), np.zeros(5, dtype=int), np.random.default_rng(0).normal(size=(5, 3))
    )
    assert value == 0
    assert not gradient.any()


def test_a_far_pair_outside_the_mask_does_not_swallow_the_kept_ones():
    loss = simplug.losses.build("multi_similarity", distance="inner_product", beta=250.0)
    labels = np.array([0, 0, 1])
    embeddings = np.array([[4.0, 0.0], [4.0, 0.0], [0.0, 0.1]], dtype=np.float32)
    value, gradient = value_and_gradient(loss, labels, embeddings)
    expected = definitions.multi_similarity(
        loss.distance.numpy(embeddings, embeddings), *definitions.relation(labels), beta=250.0
    )
    assert value == pytest.approx(expected, rel=1e-5)
    assert np.isfinite(gradient).all()


def in_our_terms(name, arguments):
    """Translate the other library's arguments: its margins under a similarity are similarities, ours distances."""
    arguments = dict(arguments)
    if name == "TripletMarginLoss":
        arguments.setdefault("margin", 0.05)
    if name == "ContrastiveLoss" and arguments.get("distance") == "cosine":
        arguments |= {key: 1 - arguments[key] for key in ("pos_margin", "neg_margin")}
    return arguments


def references():
    if not REFERENCE.exists():
        return []
    known = json.loads(REFERENCE.read_text())
    offered = {"triplet": {"margin", "distance", "reducer"}}
    found = []
    for row in known["losses"]:
        name = NAMES.get(row["name"])
        if name is None or row["args"].get("reducer") == "sum":
            continue
        if set(row["args"]) - offered.get(name, set(row["args"])):
            continue
        title = f"{name} {row['args']} {row['input']}"
        found.append(pytest.param(row, known["inputs"][row["input"]], id=title))
    return found


@pytest.mark.skipif(not REFERENCE.exists(), reason="the reference values are not beside this checkout")
@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize(("row", "inputs"), references())
def test_values_and_gradients_equal_those_of_pytorch_metric_learning(row, inputs, dtype):
    loss = simplug.losses.build(NAMES[row["name"]], **in_our_terms(row["name"], row["args"]))
    embeddings = np.array(inputs["embeddings"], dtype=dtype)
    value, gradient = value_and_gradient(loss, np.array(inputs["labels"]), embeddings)
    expected = np.array(row["gradient"])
    assert value == pytest.approx(row["value"], rel=1e-5, abs=1e-9)
    assert np.abs(gradient - expected).max() <= 1e-4 * max(np.abs(expected).max(), 1e-12)
