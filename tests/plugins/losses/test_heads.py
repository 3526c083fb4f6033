"""The losses with class vectors, against their papers' definitions and against another library's values."""

import json
import math
from pathlib import Path

import numpy as np
import pytest

import simplug
from simplug.api import Batch
from simplug.api.state import initial_state
from simplug.kernel.errors import ConfigError
from simplug.testing.tensors import array, in_graph, in_xla, value_and_gradient

REFERENCE = Path(__file__).parents[4] / "shared" / "reference" / "pml_values.json"
CLASSES, DIM = 5, 6


# The definitions: float64 NumPy, one example and one class at a time.


def unit(row):
    norm = np.linalg.norm(row)
    return row / norm if norm else row


def entropy(logits, label):
    top = max(logits)
    return top + math.log(sum(math.exp(value - top) for value in logits)) - logits[label]


def cosines_of(row, vectors):
    return np.array([unit(row) @ unit(vector) for vector in vectors])


def mean_entropy(logits_of, labels, embeddings):
    return np.mean([entropy(logits_of(row, label), label) for row, label in zip(embeddings, labels, strict=True)])


def widened(cosine, degrees):
    angle, margin = math.acos(np.clip(cosine, -1, 1)), math.radians(degrees)
    return math.cos(angle + margin) if angle <= math.pi - margin else cosine - margin * math.sin(margin)


def normalized_softmax(labels, embeddings, weight, temperature=0.05):
    return mean_entropy(lambda row, _: cosines_of(row, weight) / temperature, labels, embeddings)


def cosface(labels, embeddings, weight, margin=0.35, scale=64.0):
    def logits(row, label):
        return scale * (cosines_of(row, weight) - margin * np.eye(len(weight))[label])

    return mean_entropy(logits, labels, embeddings)


def arcface(labels, embeddings, weight, margin=28.6, scale=64.0, sub_centers=1):
    def logits(row, label):
        cosines = cosines_of(row, weight).reshape(-1, sub_centers).max(axis=1)
        cosines[label] = widened(cosines[label], margin)
        return scale * cosines

    return mean_entropy(logits, labels, embeddings)


def multiplied(cosine, margin):
    angle = math.acos(np.clip(cosine, -1, 1))
    sector = min(int(angle * margin / math.pi), margin - 1)
    return (-1) ** sector * math.cos(margin * angle) - 2 * sector


def large_margin_softmax(labels, embeddings, weight, margin=4, scale=1.0, unit_vectors=False):
    def logits(row, label):
        lengths = np.ones(len(weight)) if unit_vectors else np.linalg.norm(weight, axis=1)
        cosines = cosines_of(row, weight)
        cosines[label] = multiplied(cosines[label], margin)
        return scale * np.linalg.norm(row) * lengths * cosines

    return mean_entropy(logits, labels, embeddings)


def sphereface(labels, embeddings, weight, margin=4, scale=1.0):
    return large_margin_softmax(labels, embeddings, weight, margin, scale, unit_vectors=True)


def proxy_nca(labels, embeddings, weight, scale=1.0):
    def logits(row, _):
        return [-scale * np.sum((unit(row) - unit(proxy)) ** 2) for proxy in weight]

    return mean_entropy(logits, labels, embeddings)


def proxy_anchor(labels, embeddings, weight, margin=0.1, alpha=32.0):
    similarity = np.array([cosines_of(row, weight) for row in embeddings])
    pulls, pushes = [], []
    for proxy in range(len(weight)):
        own, others = similarity[labels == proxy, proxy], similarity[labels != proxy, proxy]
        if len(own):
            pulls.append(math.log(1 + sum(math.exp(-alpha * (s - margin)) for s in own)))
        pushes.append(math.log(1 + sum(math.exp(alpha * (s + margin)) for s in others)))
    return np.mean(pulls) + np.mean(pushes)


def soft_triple(labels, embeddings, weight, centers_per_class=3, scale=20.0, gamma=0.1, margin=0.01):
    def logits(row, label):
        similarities = []
        for cosines in cosines_of(row, weight).reshape(-1, centers_per_class):
            shares = np.exp(cosines / gamma)
            similarities.append(shares @ cosines / shares.sum())
        return scale * (np.array(similarities) - margin * np.eye(len(similarities))[label])

    return mean_entropy(logits, labels, embeddings)


def p2s_grad(labels, embeddings, weight):
    targets = np.eye(len(weight))[labels]
    cosines = np.array([cosines_of(row, weight) for row in embeddings])
    return np.mean((cosines - targets) ** 2)


def circle_cl(labels, embeddings, weight, margin=0.25, scale=256.0):
    values = []
    for row, label in zip(embeddings, labels, strict=True):
        cosines = cosines_of(row, weight)
        pull = -scale * max(1 + margin - cosines[label], 0) * (cosines[label] - (1 - margin))
        pushes = [scale * max(c + margin, 0) * (c - margin) for j, c in enumerate(cosines) if j != label]
        exponents = [push + pull for push in pushes] + [0.0]
        top = max(exponents)
        values.append(top + math.log(sum(math.exp(value - top) for value in exponents)))
    return np.mean(values)


def adacos(labels, embeddings, weight):
    scale = math.sqrt(2) * math.log(len(weight) - 1)
    return mean_entropy(lambda row, _: scale * cosines_of(row, weight), labels, embeddings)


def manifold(labels, embeddings, weight, alpha=0.8, margin=5e-4, context_weight=1.0):
    nodes = np.array([unit(row) for row in [*embeddings, *weight]])
    count = len(embeddings)
    weights = np.exp(np.maximum(nodes @ nodes.T, 0) / 0.5)
    np.fill_diagonal(weights, 0)
    degrees = weights.sum(axis=1)
    steps = weights / np.sqrt(degrees[:, None] * degrees[None, :])
    # The walk itself, step by step, until what is left of it counts for nothing.
    arrived, moving = np.zeros_like(steps), np.eye(len(nodes)) * (1 - alpha)
    for _ in range(400):
        arrived, moving = arrived + moving, alpha * moving @ steps
    total = 0.0
    for i, label in enumerate(labels):
        context = [unit(arrived[i]) @ unit(arrived[count + j]) for j in range(len(weight))]
        for factor, similarity in ((1.0, arrived[i, count:]), (context_weight, context)):
            excess = [s - similarity[label] + margin for j, s in enumerate(similarity) if j != label]
            total += factor * math.log(1 + sum(math.exp(e) for e in excess if e >= 0))
    return total / count


DEFINITIONS = {
    "adacos": (adacos, {}),
    "arcface": (arcface, {}),
    "arcface, wide": (arcface, {"margin": 100.0, "scale": 3.0}),
    "circle_cl": (circle_cl, {}),
    "circle_cl, soft": (circle_cl, {"margin": 0.4, "scale": 5.0}),
    "cosface": (cosface, {}),
    "cosface, soft": (cosface, {"margin": 0.1, "scale": 2.0}),
    "large_margin_softmax": (large_margin_softmax, {}),
    "large_margin_softmax, three": (large_margin_softmax, {"margin": 3, "scale": 0.5}),
    "manifold": (manifold, {}),
    "manifold, other settings": (manifold, {"alpha": 0.5, "margin": 0.01, "context_weight": 0.3}),
    "normalized_softmax": (normalized_softmax, {}),
    "p2s_grad": (p2s_grad, {}),
    "proxy_anchor": (proxy_anchor, {}),
    "proxy_anchor, soft": (proxy_anchor, {"margin": 0.3, "alpha": 4.0}),
    "proxy_nca": (proxy_nca, {}),
    "proxy_nca, sharp": (proxy_nca, {"scale": 9.0}),
    "soft_triple": (soft_triple, {"centers_per_class": 3}),
    "soft_triple, sharp": (soft_triple, {"centers_per_class": 2, "gamma": 0.02, "margin": 0.2, "scale": 30.0}),
    "sphereface": (sphereface, {}),
    "sphereface, one": (sphereface, {"margin": 1, "scale": 2.0}),
    "sub_center_arcface": (arcface, {"sub_centers": 3}),
}
NAMES = sorted({case.split(",")[0] for case in DEFINITIONS})


def head(case, classes=CLASSES):
    return simplug.losses.build(case.split(",")[0], num_classes=classes, **DEFINITIONS[case][1])


def state_of(loss, seed=0, dim=DIM, dtype=np.float64):
    """A state with class vectors in double precision."""
    state = {name: array(tensor) for name, tensor in initial_state(loss.state(dim)).items()}
    shape = state["weight"].shape
    return {**state, "weight": np.random.default_rng(seed).normal(size=shape).astype(dtype)}


def gradients(loss, labels, embeddings, state):
    """The value, and its gradients by the embeddings and by the class vectors."""
    value, slope = value_and_gradient(lambda rows: loss(labels, rows, state=state), embeddings)
    _, weight_slope = value_and_gradient(
        lambda weight: loss(labels, embeddings, state={**state, "weight": weight}), state["weight"]
    )
    return float(value), slope, weight_slope


def batches():
    rng = np.random.default_rng(7)
    yield "random", rng.integers(0, CLASSES, size=24), rng.normal(size=(24, DIM))
    yield "imbalanced", np.array([0] * 10 + [1, 2]), rng.normal(size=(12, DIM))
    yield "duplicates", np.repeat(np.arange(4), 2), np.repeat(rng.normal(size=(4, DIM)), 2, axis=0)
    yield "one class", np.zeros(6, dtype=int), rng.normal(size=(6, DIM))
    yield "a single example", np.array([3]), rng.normal(size=(1, DIM))
    yield "a zero row", np.array([0, 0, 1, 1]), np.vstack([np.zeros(DIM), rng.normal(size=(3, DIM))])
    yield "long rows", np.arange(5), 100 * rng.normal(size=(5, DIM))


@pytest.mark.parametrize("case", DEFINITIONS)
@pytest.mark.parametrize(("labels", "embeddings"), [b[1:] for b in batches()], ids=[b[0] for b in batches()])
def test_a_loss_equals_its_definition_in_float64(case, labels, embeddings):
    definition, settings = DEFINITIONS[case]
    loss = head(case)
    state = state_of(loss)
    value, slope, weight_slope = gradients(loss, labels, embeddings, state)
    # The scale of AdaCos is kept in single precision.
    rel = 1e-6 if case == "adacos" else 1e-9
    assert value == pytest.approx(definition(labels, embeddings, state["weight"], **settings), rel=rel, abs=1e-12)
    assert np.isfinite(slope).all()
    assert np.isfinite(weight_slope).all()


@pytest.mark.parametrize("case", [case for case in DEFINITIONS if not case.startswith("circle_cl")])
def test_gradients_equal_central_differences(case):
    rng = np.random.default_rng(11)
    labels, embeddings = rng.integers(0, CLASSES, size=9), rng.normal(size=(9, DIM))
    loss = head(case)
    state = state_of(loss, seed=1)
    _, slope, weight_slope = gradients(loss, labels, embeddings, state)

    def value(rows, weight):
        return float(array(loss(labels, rows, state={**state, "weight": weight})))

    step = 1e-6
    for _ in range(8):
        i, j = rng.integers(9), rng.integers(DIM)
        move = np.zeros_like(embeddings)
        move[i, j] = step
        expected = (value(embeddings + move, state["weight"]) - value(embeddings - move, state["weight"])) / (2 * step)
        assert slope[i, j] == pytest.approx(expected, rel=1e-4, abs=1e-6)
        i = rng.integers(len(state["weight"]))
        move = np.zeros_like(state["weight"])
        move[i, j] = step
        expected = (value(embeddings, state["weight"] + move) - value(embeddings, state["weight"] - move)) / (2 * step)
        assert weight_slope[i, j] == pytest.approx(expected, rel=1e-4, abs=1e-6)


def test_the_weights_of_the_circle_loss_have_no_gradient():
    rng = np.random.default_rng(2)
    labels, embeddings = rng.integers(0, CLASSES, size=7), rng.normal(size=(7, DIM))
    loss = head("circle_cl, soft")
    state = state_of(loss)
    _, slope, _ = gradients(loss, labels, embeddings, state)
    margin, scale = loss.margin, loss.scale
    start = np.array([cosines_of(row, state["weight"]) for row in embeddings])

    def with_weights_held(rows):
        total = 0.0
        for i, label in enumerate(labels):
            now = cosines_of(rows[i], state["weight"])
            logits = scale * np.maximum(start[i] + margin, 0) * (now - margin)
            logits[label] = scale * max(1 + margin - start[i, label], 0) * (now[label] - (1 - margin))
            total += entropy(logits, label)
        return total / len(labels)

    step = 1e-6
    for i, j in [(0, 0), (3, 2), (6, 5)]:
        move = np.zeros_like(embeddings)
        move[i, j] = step
        expected = (with_weights_held(embeddings + move) - with_weights_held(embeddings - move)) / (2 * step)
        assert slope[i, j] == pytest.approx(expected, rel=1e-4, abs=1e-7)


# Another library's values.

PEERS = {
    "ArcFaceLoss": ("arcface", {}),
    "CosFaceLoss": ("cosface", {}),
    "LargeMarginSoftmaxLoss": ("large_margin_softmax", {}),
    "NormalizedSoftmaxLoss": ("normalized_softmax", {}),
    "P2SGradLoss": ("p2s_grad", {}),
    "ProxyAnchorLoss": ("proxy_anchor", {}),
    "ProxyNCALoss": ("proxy_nca", {}),
    "SoftTripleLoss": ("soft_triple", {"la": "scale"}),
    "SphereFaceLoss": ("sphereface", {}),
    "SubCenterArcFaceLoss": ("sub_center_arcface", {}),
}


def reference_rows():
    if not REFERENCE.exists():
        return [pytest.param(None, id="absent", marks=pytest.mark.skip(reason=f"no reference values at {REFERENCE}"))]
    values = json.loads(REFERENCE.read_text())
    return [
        pytest.param((row, values["inputs"][row["input"]]), id=f"{row['name']}-{row['input']}")
        for row in values["weighted_losses"]
    ]


@pytest.mark.parametrize("reference", reference_rows())
def test_a_loss_equals_the_reference(reference):
    row, given = reference
    name, renamed = PEERS[row["name"]]
    settings = {renamed.get(key, key): value for key, value in row["args"].items()}
    loss = simplug.losses.build(name, num_classes=row["num_classes"], **settings)
    # Proxies are rows there, the other vectors columns.
    columns = row["weight_name"] != "proxies"
    weight, expected = np.array(row["weight"]), np.array(row["weight_gradient"])
    if columns:
        weight, expected = weight.T, expected.T
    embeddings = np.array(given["embeddings"])
    value, slope, weight_slope = gradients(loss, np.array(given["labels"]), embeddings, {"weight": weight})
    assert value == pytest.approx(row["value"], rel=1e-5)
    np.testing.assert_allclose(slope, row["gradient"], rtol=1e-4, atol=1e-7)
    if name == "p2s_grad":
        # There the vectors are brought to length 1 outside the gradient, so that it has a part along them, which moves
        # no cosine. The gradients of the cosines in equation 11 of the paper have none.
        expected = expected - np.sum(expected * weight, axis=1, keepdims=True) * weight
    np.testing.assert_allclose(weight_slope, expected, rtol=1e-4, atol=1e-6)


def test_the_reference_has_every_loss_that_is_compared():
    compared = {param.values[0][0]["name"] for param in reference_rows() if param.values[0]}
    assert compared in (set(), set(PEERS))


# Inputs at the edge.


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("size", [1e-20, 1e-6, 1e6, 1e20])
def test_embeddings_of_any_size_are_finite_in_float32(name, size):
    loss = head(name)
    embeddings = (size * np.random.default_rng(0).normal(size=(8, DIM))).astype(np.float32)
    for part in gradients(loss, np.arange(8) % CLASSES, embeddings, state_of(loss, dtype=np.float32)):
        assert np.isfinite(part).all()


@pytest.mark.parametrize("name", NAMES)
def test_embeddings_upon_or_opposite_to_class_vectors_are_finite(name):
    loss = head(name)
    state = state_of(loss, dtype=np.float32)
    upon = state["weight"][:: len(state["weight"]) // CLASSES]
    for embeddings in (upon, -upon, upon[::-1]):
        for part in gradients(loss, np.arange(CLASSES), embeddings, state):
            assert np.isfinite(part).all()


@pytest.mark.parametrize("name", NAMES)
def test_class_vectors_of_zeros_are_finite(name):
    loss = head(name)
    state = state_of(loss, dtype=np.float32)
    state = {**state, "weight": np.zeros_like(state["weight"])}
    embeddings = np.random.default_rng(0).normal(size=(4, DIM)).astype(np.float32)
    for part in gradients(loss, np.arange(4), embeddings, state):
        assert np.isfinite(part).all()


@pytest.mark.parametrize("name", ["large_margin_softmax", "sphereface"])
def test_the_length_of_a_very_long_embedding_still_counts(name):
    loss = head(name)
    labels, embeddings = np.arange(5), 1e20 * np.random.default_rng(4).normal(size=(5, DIM))
    state = state_of(loss)
    definition, _ = DEFINITIONS[name]
    value = array(loss(labels, embeddings.astype(np.float32), state=state))
    assert value == pytest.approx(definition(labels, embeddings, state["weight"]), rel=1e-5)


@pytest.mark.parametrize("name", ["arcface", "cosface", "normalized_softmax", "proxy_nca"])
def test_a_loss_of_almost_nothing_is_not_lost_in_float32(name):
    scale = {"temperature": 1 / 30} if name == "normalized_softmax" else {"scale": 30.0}
    loss = simplug.losses.build(name, num_classes=CLASSES, **scale)
    weight = np.eye(CLASSES, DIM)
    labels, embeddings = np.arange(CLASSES), np.eye(CLASSES, DIM) + 1e-3
    exact = array(loss(labels, embeddings, state={"weight": weight}))
    value = array(loss(labels, embeddings.astype(np.float32), state={"weight": weight}))
    assert 0 <= value == pytest.approx(exact, rel=1e-2, abs=1e-7)


# Modes.


def in_mode(mode, name):
    """What `mode` makes of a loss and its gradients, and what is right."""
    rng = np.random.default_rng(3)
    loss = head(name)
    labels, embeddings = rng.integers(0, CLASSES, size=12).astype(np.int32), rng.normal(size=(12, DIM))
    embeddings, state = embeddings.astype(np.float32), state_of(loss, dtype=np.float32)

    def function(labels, embeddings):
        from keras import ops

        # As a variable would be, the class vectors are of known shape.
        weight = ops.convert_to_tensor(state["weight"])
        return differentiated(lambda e, w: loss(labels, e, state={**state, "weight": w}), embeddings, weight)

    return mode(function, labels, embeddings), gradients(loss, labels, embeddings, state)


@pytest.mark.parametrize("name", NAMES)
def test_values_and_gradients_are_the_same_in_graph_mode_for_batches_of_any_length(name):
    for found, expected in zip(*in_mode(in_graph, name), strict=True):
        np.testing.assert_allclose(found, expected, rtol=2e-4, atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_values_and_gradients_are_the_same_when_compiled(name):
    for found, expected in zip(*in_mode(in_xla, name), strict=True):
        np.testing.assert_allclose(found, expected, rtol=2e-4, atol=1e-5)


def differentiated(function, embeddings, weight):
    """The value and both gradients, by the means of the backend."""
    from keras import backend

    if backend.backend() == "jax":
        import jax

        value, slopes = jax.value_and_grad(function, argnums=(0, 1))(embeddings, weight)
        return value, *slopes
    if backend.backend() == "torch":
        import torch

        embeddings, weight = (part.detach().clone().requires_grad_() for part in (embeddings, weight))
        value = function(embeddings, weight)
        return value.detach(), *torch.autograd.grad(value, (embeddings, weight))
    import tensorflow as tf

    with tf.GradientTape() as tape:
        tape.watch((embeddings, weight))
        value = function(embeddings, weight)
    return value, *tape.gradient(value, (embeddings, weight))


@pytest.mark.parametrize("name", NAMES)
def test_single_precision_vectors_serve_double_precision_embeddings(name):
    rng = np.random.default_rng(5)
    loss = head(name)
    labels, embeddings = rng.integers(0, CLASSES, size=6), rng.normal(size=(6, DIM))
    single = state_of(loss, dtype=np.float32)
    double = {**single, "weight": single["weight"].astype(np.float64)}
    value = array(loss(labels, embeddings, state=single))
    assert value.dtype == np.float64
    assert value == pytest.approx(float(array(loss(labels, embeddings, state=double))), rel=1e-12)


# Logits.


@pytest.mark.parametrize("name", NAMES)
def test_logits_have_one_column_a_class(name):
    loss = head(name, classes=7)
    state = state_of(loss, dtype=np.float32)
    logits = array(loss.logits(np.ones((3, DIM), np.float16), state))
    assert logits.shape == (3, 7)
    assert logits.dtype == np.float32


@pytest.mark.parametrize(
    ("name", "no_margin"),
    [
        ("adacos", {}),
        ("arcface", {"margin": 0.0}),
        ("cosface", {"margin": 0.0}),
        ("large_margin_softmax", {"margin": 1}),
        ("normalized_softmax", {}),
        ("proxy_nca", {}),
        ("soft_triple", {"margin": 0.0}),
        ("sphereface", {"margin": 1}),
        ("sub_center_arcface", {"margin": 0.0}),
    ],
)
def test_without_margin_the_loss_is_the_cross_entropy_of_the_logits(name, no_margin):
    rng = np.random.default_rng(6)
    labels, embeddings = rng.integers(0, CLASSES, size=10), rng.normal(size=(10, DIM))
    loss = simplug.losses.build(name, num_classes=CLASSES, **no_margin)
    state = state_of(loss)
    logits = array(loss.logits(embeddings, state))
    expected = np.mean([entropy(row, label) for row, label in zip(logits, labels, strict=True)])
    assert float(array(loss(labels, embeddings, state=state))) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("name", ["circle_cl", "p2s_grad", "proxy_anchor"])
def test_the_other_logits_are_cosines(name):
    loss = head(name)
    state, embeddings = state_of(loss), np.random.default_rng(8).normal(size=(4, DIM))
    expected = np.array([cosines_of(row, state["weight"]) for row in embeddings])
    scale = getattr(loss, "scale", 1.0)
    np.testing.assert_allclose(array(loss.logits(embeddings, state)), scale * expected, rtol=1e-9)


# What single losses have of their own.


def test_vectors_of_a_class_are_neighbours():
    loss = simplug.losses.build("sub_center_arcface", num_classes=2, sub_centers=2, scale=1.0)
    weight = np.eye(4)
    np.testing.assert_allclose(array(loss.logits(weight, {"weight": weight})), [[1, 0], [1, 0], [0, 1], [0, 1]])


@pytest.mark.parametrize(
    ("name", "settings", "rows", "spread"),
    [
        ("arcface", {}, 400, 1.0),
        ("proxy_anchor", {}, 400, math.sqrt(2 / 400)),
        ("soft_triple", {"centers_per_class": 2}, 800, math.sqrt(1 / 800 / 3)),
        ("sub_center_arcface", {"sub_centers": 2}, 800, 1.0),
        ("manifold", {"num_proxies": 100}, 100, 1.0),
    ],
)
def test_class_vectors_start_with_the_spread_of_the_original(name, settings, rows, spread):
    import keras

    keras.utils.set_random_seed(0)
    loss = simplug.losses.build(name, num_classes=400, **settings)
    weight = array(initial_state(loss.state(64))["weight"])
    assert weight.shape == (rows, 64)
    assert weight.std() == pytest.approx(spread, rel=0.03)
    assert abs(weight.mean()) < 0.05 * spread
    if name == "soft_triple":
        assert np.abs(weight).max() <= math.sqrt(1 / rows) * 1.0001


def test_proxy_anchor_counts_classes_and_only_pulls_those_in_the_batch():
    loss = simplug.losses.build("proxy_anchor", num_classes=4)
    labels, embeddings = np.array([2, 2, 0]), np.random.default_rng(0).normal(size=(3, DIM))
    terms = loss.terms(Batch.of(labels, embeddings, state=state_of(loss)))
    assert terms["positive"].by_class
    assert terms["negative"].by_class
    assert array(terms["positive"].weights).tolist() == [1, 0, 1, 0]
    assert array(terms["negative"].weights).tolist() == [1, 1, 1, 1]
    assert array(terms["positive"].values)[[1, 3]].tolist() == [0, 0]


def asked_scale(labels, embeddings, weight, scale):
    """The scale that a batch asks AdaCos for, by the equations of its paper."""
    cosines = np.array([cosines_of(row, weight) for row in np.asarray(embeddings, np.float64)])
    others = np.sum(np.exp(scale * cosines) * (1 - np.eye(len(weight))[labels]), axis=1).mean()
    median = np.median(np.arccos(np.clip(cosines[np.arange(len(labels)), labels], -1, 1)))
    return np.log(others) / np.cos(min(np.pi / 4, median))


@pytest.mark.parametrize("count", [1, 8, 9])
def test_the_scale_of_adacos_moves_as_its_paper_says(count):
    loss = simplug.losses.build("adacos", num_classes=10)
    rng = np.random.default_rng(count)
    weight = rng.normal(size=(10, DIM))
    labels = rng.integers(0, 10, size=count)
    # Near to their classes, so that the median is below 45 degrees.
    embeddings = weight[labels] + 0.2 * rng.normal(size=(count, DIM))
    start = float(array(initial_state(loss.state(DIM))["scale"]))
    assert start == pytest.approx(math.sqrt(2) * math.log(9))
    assert not loss.state(DIM)["scale"].trainable
    batch = Batch.of(labels, embeddings, state={"weight": weight, "scale": np.float32(start)})
    moved = loss.next_state(batch)
    assert list(moved) == ["scale"]
    assert float(array(moved["scale"])) == pytest.approx(asked_scale(labels, embeddings, weight, start), rel=1e-5)


def test_the_scale_of_adacos_never_turns_negative():
    loss = simplug.losses.build("adacos", num_classes=3)
    weight = np.array([[1.0, 0.0], [-1.0, 0.01], [-1.0, -0.01]])
    batch = Batch.of(np.array([0]), np.array([[1.0, 0.0]]), state={"weight": weight, "scale": np.float32(5.0)})
    assert asked_scale([0], np.array([[1.0, 0.0]]), weight, 5.0) < 0
    assert array(loss.next_state(batch)["scale"]) == 0


def test_the_scale_of_adacos_moves_the_same_in_every_mode():
    loss = simplug.losses.build("adacos", num_classes=6)
    rng = np.random.default_rng(0)
    arrays = rng.integers(0, 6, size=7).astype(np.int32), rng.normal(size=(7, DIM)).astype(np.float32)
    state = {"weight": rng.normal(size=(6, DIM)).astype(np.float32), "scale": np.float32(200.0)}

    def moved(labels, embeddings):
        return loss.next_state(Batch.of(labels, embeddings, state=state))["scale"]

    expected = asked_scale(*arrays, state["weight"], 200.0)
    for mode in (in_graph, in_xla):
        assert mode(moved, *arrays)[0] == pytest.approx(expected, rel=1e-5)


def test_adacos_refuses_two_classes_for_which_its_scale_would_stay_zero():
    with pytest.raises(ConfigError, match="num_classes: must be >= 3"):
        simplug.losses.build("adacos", num_classes=2)


def test_classes_of_the_manifold_loss_share_proxies_evenly_and_by_seed():
    loss = simplug.losses.build("manifold", num_classes=10, num_proxies=4)
    groups = loss.proxy_of_class()
    assert sorted(np.bincount(groups)) == [2, 2, 3, 3]
    assert (groups == simplug.losses.build("manifold", num_classes=10, num_proxies=4).proxy_of_class()).all()
    other = simplug.losses.build("manifold", num_classes=10, num_proxies=4, seed=1)
    assert (groups != other.proxy_of_class()).any()
    rng = np.random.default_rng(0)
    labels, embeddings, weight = rng.integers(0, 10, size=12), rng.normal(size=(12, DIM)), rng.normal(size=(4, DIM))
    value = float(array(loss(labels, embeddings, state={"weight": weight})))
    assert value == pytest.approx(manifold(groups[labels], embeddings, weight), rel=1e-9)
    logits = array(loss.logits(embeddings, {"weight": weight}))
    assert (logits[:, groups == 1] == logits[:, groups == 1][:, :1]).all()


def test_more_proxies_than_classes_are_refused():
    with pytest.raises(ConfigError, match="num_proxies must be <= num_classes"):
        simplug.losses.build("manifold", num_classes=3, num_proxies=4)


@pytest.mark.parametrize("name", ["arcface", "cosface", "normalized_softmax", "proxy_nca", "soft_triple"])
def test_presets_are_settings_that_may_be_overruled(name):
    cls = simplug.losses.get(name)
    assert set(cls.presets) == {"cub", "cars", "sop"}
    for preset, settings in cls.presets.items():
        loss = simplug.losses.build(name, preset=preset, num_classes=3)
        assert loss == cls(num_classes=3, **settings)
    key = next(iter(cls.presets["cub"]))
    assert getattr(simplug.losses.build(name, preset="cub", num_classes=3, **{key: 1.5}), key) == 1.5
