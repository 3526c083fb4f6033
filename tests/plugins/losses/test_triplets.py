"""The losses over triplets, against loops over triplets and the values of other libraries."""

import functools
import math
import re

import keras
import numpy as np
import pytest
from pairwise import (
    BATCHES,
    EXACT,
    PML,
    assert_equal_to_pml,
    central_differences,
    every_batch,
    every_batch_but,
    in_double,
    needs_pml,
    pml_losses,
    relation,
    traced,
    triplets_of,
    with_references,
)

import simplug
from simplug.api import InvalidInputError, Pairs
from simplug.api.state import initial_state
from simplug.kernel.errors import ConfigError
from simplug.testing.tensors import array, in_graph, in_xla, value_and_gradient

TFSIM = PML.with_name("tfsim_values.md")


def triplet(distances, positive, negative, among, options):
    """The costs of all triplets, and their weights."""
    margin, kind = options.get("margin", 0.2), options.get("triplets", "all")
    low, high = {
        "all": (-math.inf, math.inf),
        "easy": (margin, math.inf),
        "semi_hard": (0, margin),
        "hard": (-math.inf, 0),
    }[kind]
    costs, weights = [], []
    for a, p, n in triplets_of(positive, negative):
        d_ap, d_an = distances[a, p], distances[a, n]
        if not low < d_an - d_ap <= high:
            continue
        if options.get("swap"):
            d_an = min(d_an, among[p, n])
        x = d_ap - d_an + margin
        costs.append(np.logaddexp(0, x) if options.get("soft") else max(x, 0.0))
        weights.append(positive[a, p] * negative[a, n])
    return np.array(costs), np.array(weights)


def reduced(costs, weights, reducer):
    total = np.sum(costs * weights)
    if reducer == "sum":
        return total
    counted = np.sum(weights[costs > 0]) if reducer == "mean_nonzero" else np.sum(weights)
    return total / counted if counted else 0.0


def margin(distances, positive, negative, beta, m=0.2):
    """The sum over triplets, the number of terms above 0, and the number of triplets."""
    total, above, count = 0.0, 0.0, 0.0
    for a, p, n in triplets_of(positive, negative):
        weight = positive[a, p] * negative[a, n]
        pull = max(distances[a, p] - beta[a] + m, 0)
        push = max(beta[a] - distances[a, n] + m, 0)
        total += weight * (pull + push)
        above += weight * (int(pull > 0) + int(push > 0))
        count += weight
    return total, above, count


def pn(distances, positive, negative, among, margin=0.0, soft=True, easy_positive=False, negatives="semi_hard"):
    values = []
    for a in range(len(distances)):
        own, other = np.flatnonzero(positive[a]), np.flatnonzero(negative[a])
        if not len(own) or not len(other):
            continue
        d = distances[a]
        p = (min if easy_positive else max)(own, key=lambda j: d[j])
        beyond = [j for j in other if d[j] > max(d[own])]
        if negatives == "hard":
            n = min(other, key=lambda j: d[j])
        elif negatives == "semi_hard" and beyond:
            n = min(beyond, key=lambda j: d[j])
        else:
            n = max(other, key=lambda j: d[j])
        x = d[p] - min(d[n], among[p, n]) + margin
        values.append(math.log1p(math.exp(x)) if soft else max(x, 0.0))
    return np.mean(values) if values else 0.0


def centroid_triplet(embeddings, labels, references, ref_labels, own, margin=0.3):
    values, weights = [], []
    for a, (x, label) in enumerate(zip(embeddings, labels, strict=True)):
        mates = [r for j, r in enumerate(references) if ref_labels[j] == label and not (own and j == a)]
        if not mates:
            continue
        for other in sorted(set(ref_labels) - {label}):
            centre = references[ref_labels == other].mean(axis=0)
            to_own = np.sum((x - np.mean(mates, axis=0)) ** 2)
            values.append(max(to_own - np.sum((x - centre) ** 2) + margin, 0))
            weights.append(1)
    return reduced(np.array(values), np.array(weights), "mean_nonzero")


TRIPLETS = [
    {},
    {"margin": 0.0},
    {"swap": True, "margin": 0.3},
    {"soft": True},
    {"soft": True, "swap": True},
    {"triplets": "easy", "soft": True},
    {"triplets": "semi_hard"},
    {"triplets": "semi_hard", "soft": True, "swap": True},
    {"triplets": "hard", "swap": True},
]


def check_against_the_loop(labels, embeddings, reducer, options):
    loss = simplug.losses.build("triplet", reducer=reducer, distance="squared_euclidean", **options)
    distances = loss.distance.numpy(embeddings, embeddings)
    expected = reduced(*triplet(distances, *relation(labels), distances, options), reducer)
    value, slope = value_and_gradient(lambda rows: loss(labels, rows), embeddings)
    assert value == pytest.approx(expected, rel=EXACT, abs=1e-6 * (EXACT > 1e-9))
    assert np.isfinite(slope).all()


@pytest.mark.parametrize("options", TRIPLETS, ids=str)
@every_batch_but("far")  # a soft cost that is never 0 is 0 there, in double precision
def test_triplet_equals_a_loop_over_all_triplets(options, labels, embeddings):
    check_against_the_loop(labels, embeddings, "mean_nonzero", options)


@pytest.mark.parametrize("reducer", ["mean", "sum"])
@pytest.mark.parametrize("options", TRIPLETS, ids=str)
def test_means_and_sums_are_over_triplets(options, reducer):
    check_against_the_loop(*BATCHES["random"], reducer, options)


@pytest.mark.parametrize("options", TRIPLETS, ids=str)
def test_triplet_against_references_equals_the_loop(options):
    labels, embeddings, ref_labels, references = with_references()
    loss = simplug.losses.build("triplet", distance="euclidean", **options)
    distances, among = loss.distance.numpy(embeddings, references), loss.distance.numpy(references, references)
    expected = reduced(*triplet(distances, *relation(labels, ref_labels), among, options), "mean_nonzero")
    assert float(loss(labels, embeddings, ref_labels, references)) == pytest.approx(expected, rel=EXACT)


@pytest.mark.parametrize("options", TRIPLETS, ids=str)
def test_the_weight_of_a_triplet_is_the_product_of_those_of_its_pairs(options):
    rng = np.random.default_rng(8)
    embeddings = rng.normal(size=(9, 4))
    positive, negative = relation(rng.integers(0, 3, size=9))
    positive, negative = positive * rng.uniform(0.1, 2, size=(9, 9)), negative * rng.uniform(0.1, 2, size=(9, 9))
    weighted = Pairs(keras.ops.convert_to_tensor(positive), keras.ops.convert_to_tensor(negative))
    loss = simplug.losses.build("triplet", distance="euclidean", reducer="mean", **options)
    distances = loss.distance.numpy(embeddings, embeddings)
    expected = reduced(*triplet(distances, positive, negative, distances, options), "mean")
    assert float(loss.of_pairs(weighted, embeddings)) == pytest.approx(expected, rel=EXACT)


SMALL = np.array([0, 1, 0, 2, 1, 0, 1]), np.random.default_rng(12).normal(size=(7, 2))

SLOPES = [
    *(("triplet", options) for options in TRIPLETS),
    ("triplet", {"reducer": {"name": "class_weighted", "weights": [1.0, 2.0, 0.5]}}),
    ("margin", {}),
    ("margin", {"miner": {"name": "triplet_margin", "margin": 0.3}}),
    ("pn", {}),
    ("pn", {"soft": False, "margin": 0.5, "negative_mining": "hard", "positive_mining": "easy"}),
    ("centroid_triplet", {}),
]


@in_double
@pytest.mark.parametrize(("name", "options"), SLOPES, ids=str)
def test_the_gradient_equals_central_differences(name, options):
    labels, embeddings = SMALL
    loss = simplug.losses.build(name, **options)
    _, slope = value_and_gradient(lambda rows: loss(labels, rows), embeddings)
    expected = central_differences(traced(lambda rows: loss(labels, rows), embeddings), embeddings)
    np.testing.assert_allclose(slope, expected, rtol=1e-4, atol=1e-7)


@in_double
@pytest.mark.parametrize("options", [{"swap": True}, {"swap": True, "soft": True}], ids=str)
def test_a_swap_has_its_gradient_among_the_references(options):
    rng = np.random.default_rng(13)
    labels, ref_labels = np.array([0, 1]), np.array([0, 0, 1, 1, 2])
    embeddings, references = rng.normal(size=(2, 3)), rng.normal(size=(5, 3))
    loss = simplug.losses.build("triplet", margin=1.0, **options)
    function = functools.partial(loss, labels, embeddings, ref_labels)
    _, slope = value_and_gradient(function, references)
    expected = central_differences(traced(function, references), references)
    np.testing.assert_allclose(slope, expected, rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("triplet", {}),
        ("triplet", {"swap": True, "soft": True, "triplets": "semi_hard"}),
        pytest.param("margin", {"miner": "triplet_margin"}, marks=pytest.mark.slow),
        ("pn", {}),
    ],
    ids=str,
)
def test_the_gradient_is_the_same_traced_and_compiled(name, options):
    if keras.backend.backend() != "tensorflow":
        pytest.skip("TensorFlow traces and compiles gradients by itself; elsewhere they are values like others")
    import tensorflow as tf

    labels, embeddings = np.arange(40, dtype=np.int32) % 4, np.random.default_rng(14).normal(size=(40, 5))
    loss = simplug.losses.build(name, **options)

    def slope(labels, rows):
        with tf.GradientTape() as tape:
            tape.watch(rows)
            value = loss(labels, rows)
        return tape.gradient(value, rows)

    expected = value_and_gradient(lambda rows: loss(labels, rows), embeddings)[1]
    for run in (in_graph, in_xla):
        np.testing.assert_allclose(run(slope, labels, embeddings)[0], expected, rtol=1e-6, atol=1e-12)


def test_the_band_of_a_miner_and_the_option_triplets_restrict_each_other():
    labels, embeddings = BATCHES["random"]
    mined = {"name": "triplet_margin", "margin": 0.1, "triplets": "all"}
    both = simplug.losses.build("triplet", margin=0.3, triplets="semi_hard", reducer="sum", miner=mined)
    distances = both.distance.numpy(embeddings, embeddings)
    expected = sum(
        distances[a, p] - distances[a, n] + 0.3
        for a, p, n in triplets_of(*relation(labels))
        if 0 < distances[a, n] - distances[a, p] <= 0.1
    )
    assert float(both(labels, embeddings)) == pytest.approx(expected, rel=EXACT)


@pytest.mark.parametrize("name", ["triplet", "margin", "pn", "centroid_triplet"])
@pytest.mark.parametrize(
    ("labels", "count"), [([0] * 5, 5), (range(5), 5), ([0], 1)], ids=["one class", "no positives", "one"]
)
def test_a_batch_without_a_triplet_costs_nothing(name, labels, count):
    rows = np.random.default_rng(0).normal(size=(count, 3))
    value, slope = value_and_gradient(lambda rows: simplug.losses.build(name)(np.array(labels), rows), rows)
    assert value == 0
    assert not slope.any()


@pytest.mark.parametrize("reducer", ["divisor", "mean", "mean_nonzero"])
@pytest.mark.parametrize("miner", [None, {"name": "triplet_margin", "margin": 0.4}], ids=["all", "mined"])
@every_batch
def test_margin_equals_a_loop_over_all_triplets(reducer, miner, labels, embeddings):
    # Under the default margin a unit vector and a zero row are right at the boundary.
    loss = simplug.losses.build("margin", margin=0.3, reducer=reducer, miner=miner)
    distances = loss.distance.numpy(embeddings, embeddings)
    total, above, count, active = 0.0, 0, 0, 0
    for a, p, n in triplets_of(*relation(labels)):
        if miner is not None and distances[a, n] - distances[a, p] > 0.4:
            continue
        pull, push = max(distances[a, p] - 1.2 + 0.3, 0), max(1.2 - distances[a, n] + 0.3, 0)
        total += pull + push
        above += int(pull > 0) + int(push > 0)
        count += 1
        active += int(pull + push > 0)
    divisor = {"divisor": above, "mean": count, "mean_nonzero": active}[reducer]
    expected = total / divisor if divisor else 0.0
    value, slope = value_and_gradient(lambda rows: loss(labels, rows), embeddings)
    assert value == pytest.approx(expected, rel=EXACT, abs=1e-6 * (EXACT > 1e-9))
    assert np.isfinite(slope).all()


@in_double
def test_a_learned_boundary_has_a_gradient_and_a_price():
    labels, embeddings = BATCHES["random"]
    loss = simplug.losses.build("margin", learn_beta=True, nu=0.1, beta=0.9)
    state = initial_state(loss.state(6))
    assert array(state["beta"]) == pytest.approx([0.9], rel=1e-6)

    def of(beta):
        return loss(labels, embeddings, state={"beta": beta})

    distances = loss.distance.numpy(embeddings, embeddings)
    total, above, _ = margin(distances, *relation(labels), np.full(len(labels), 0.9))
    value, slope = value_and_gradient(of, np.array([0.9]))
    assert value == pytest.approx(total / above + 0.1 * 0.9, rel=EXACT)
    assert slope == pytest.approx(central_differences(of, np.array([0.9])), rel=1e-5)


@in_double
def test_each_class_can_have_a_boundary_of_its_own():
    labels, embeddings = BATCHES["random"]
    loss = simplug.losses.build("margin", learn_beta=True, nu=0.1, num_classes=5)
    beta = np.array([0.6, 0.9, 1.1, 1.3, 1.5])
    distances = loss.distance.numpy(embeddings, embeddings)
    positive, negative = relation(labels)
    total, above, _ = margin(distances, positive, negative, beta[labels])
    price = sum(0.1 * beta[labels[a]] for a, *_ in triplets_of(positive, negative))
    value, slope = value_and_gradient(lambda beta: loss(labels, embeddings, state={"beta": beta}), beta)
    assert value == pytest.approx((total + price) / above, rel=EXACT)
    assert slope == pytest.approx(
        central_differences(lambda beta: loss(labels, embeddings, state={"beta": beta}), beta), rel=1e-5
    )


def test_a_boundary_for_each_class_needs_labels_that_name_one():
    loss = simplug.losses.build("margin", learn_beta=True, num_classes=3)
    state = initial_state(loss.state(2))
    pairs = Pairs(*relation(np.array([0, 0, 1])))
    with pytest.raises(InvalidInputError, match="num_classes"):
        loss.of_pairs(pairs, np.eye(3)[:, :2], state=state)
    with pytest.raises(InvalidInputError, match="from 0 to 2"):
        loss(np.array([0, 0, 3]), np.eye(3)[:, :2], state=state)
    with pytest.raises(ConfigError, match="learn_beta"):
        simplug.losses.build("margin", num_classes=3)
    with pytest.raises(ConfigError, match="more than one class"):
        simplug.losses.build("margin", learn_beta=True, num_classes=3, label_comparison="shared")


MINING = [(p, n) for p in ("easy", "hard") for n in ("easy", "semi_hard", "hard")]


@pytest.mark.parametrize(("positives", "negatives"), MINING)
@every_batch
def test_pn_equals_a_loop_over_anchors(positives, negatives, labels, embeddings):
    loss = simplug.losses.build(
        "pn", margin=0.1, distance="euclidean", positive_mining=positives, negative_mining=negatives
    )
    distances = loss.distance.numpy(embeddings, embeddings)
    expected = pn(distances, *relation(labels), distances, 0.1, True, positives == "easy", negatives)
    value, slope = value_and_gradient(lambda rows: loss(labels, rows), embeddings)
    assert value == pytest.approx(expected, rel=EXACT, abs=1e-6 * (EXACT > 1e-9))
    assert np.isfinite(slope).all()


def test_pn_measures_from_the_positive_among_the_references():
    rng = np.random.default_rng(15)
    labels, ref_labels = rng.integers(0, 3, size=5), rng.integers(0, 3, size=9)
    embeddings, references = rng.normal(size=(5, 4)), rng.normal(size=(9, 4))
    loss = simplug.losses.build("pn", distance="euclidean")
    distances, among = loss.distance.numpy(embeddings, references), loss.distance.numpy(references, references)
    expected = pn(distances, *relation(labels, ref_labels), among)
    assert float(loss(labels, embeddings, ref_labels, references)) == pytest.approx(expected, rel=EXACT)


@every_batch
def test_centroid_triplet_equals_a_loop_over_anchors_and_classes(labels, embeddings):
    loss = simplug.losses.build("centroid_triplet")
    value, slope = value_and_gradient(lambda rows: loss(labels, rows), embeddings)
    expected = centroid_triplet(embeddings, labels, embeddings, labels, own=True)
    assert value == pytest.approx(expected, rel=EXACT, abs=1e-6 * (EXACT > 1e-9))
    assert np.isfinite(slope).all()


def test_centroid_triplet_takes_the_centres_of_the_references():
    rng = np.random.default_rng(16)
    labels, ref_labels = rng.integers(0, 3, size=5), rng.integers(0, 3, size=9)
    embeddings, references = rng.normal(size=(5, 4)), rng.normal(size=(9, 4))
    loss = simplug.losses.build("centroid_triplet", margin=0.8)
    expected = centroid_triplet(embeddings, labels, references, ref_labels, own=False, margin=0.8)
    assert float(loss(labels, embeddings, ref_labels, references)) == pytest.approx(expected, rel=EXACT)
    with pytest.raises(InvalidInputError, match="labels of the references"):
        loss.of_pairs(Pairs(*relation(labels, ref_labels)), embeddings, references)


def test_presets_are_the_tuned_values():
    assert simplug.losses.build("triplet", preset="cars").margin == 0.119
    assert simplug.losses.build("margin", preset="sop", margin=0.5).beta == 1.11


@pytest.mark.slow
def test_all_triplets_of_a_large_batch_take_little_memory(python):
    done = python(
        """
        import resource
        import numpy as np
        import tensorflow as tf
        import simplug

        loss = simplug.losses.build("triplet")

        @tf.function
        def slope(labels, rows):
            with tf.GradientTape() as tape:
                tape.watch(rows)
                value = loss(labels, rows)
            return tape.gradient(value, rows)

        def peak(count):
            slope(np.arange(count) // 32, tf.random.normal((count, 64)))
            return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024

        before = peak(64)
        print(peak(2048) - before)
        """
    )
    assert done.returncode == 0, done.stderr
    # There are 127 million triplets; thirty arrays of (2048, 2048) are half a gigabyte.
    assert float(done.stdout) < 600


def of_peer(row):
    """Translate the other library's arguments."""
    options = dict(row["args"])
    if row["name"] == "TripletMarginLoss":
        options.setdefault("margin", 0.05)
        if options.pop("smooth_loss", False):
            options["soft"] = True
        return "triplet", options
    return "margin", options


@needs_pml
@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize(("row", "inputs"), pml_losses(lambda row: row["name"] in ("TripletMarginLoss", "MarginLoss")))
def test_values_and_gradients_equal_those_of_pytorch_metric_learning(row, inputs, dtype):
    name, options = of_peer(row)
    assert_equal_to_pml(simplug.losses.build(name, **options), row, inputs, dtype)


E_ROWS = [[1, 0, 0], [0.8, 0.6, 0], [0, 1, 0], [0, 0.6, 0.8], [0, 0, 1], [0.6, 0, 0.8]]
E_LABELS = np.array([0, 0, 1, 1, 2, 2])


def tfsim_rows(loss):
    if not TFSIM.exists():
        return []
    pattern = rf"{loss} +p=(\S+) n=(\S+) m=(\S+) \[([^\]]*)\]"
    return [
        pytest.param(p, n.replace("-", "_"), m, [float(value) for value in values.split()], id=f"p={p} n={n} m={m}")
        for p, n, m, values in re.findall(pattern, TFSIM.read_text())
    ]


@pytest.mark.skipif(not TFSIM.exists(), reason="the reference values are not beside this checkout")
@pytest.mark.parametrize(("positives", "negatives", "m", "expected"), tfsim_rows("PN"))
def test_pn_equals_that_of_tensorflow_similarity(positives, negatives, m, expected):
    form = {"soft": True} if m == "None" else {"soft": False, "margin": float(m)}
    loss = simplug.losses.build("pn", positive_mining=positives, negative_mining=negatives, reducer="none", **form)
    rows = np.array(E_ROWS)
    assert array(loss(E_LABELS, rows)) == pytest.approx(expected, rel=1e-5, abs=1e-6)


@pytest.mark.skipif(not TFSIM.exists(), reason="the reference values are not beside this checkout")
@pytest.mark.parametrize(
    ("positives", "negatives", "m", "expected"),
    [row for row in tfsim_rows("Triplet") if row.values[:2] == ("hard", "hard")],
)
def test_tfa_triplet_hard_equals_the_hard_triplets_of_tensorflow_similarity(positives, negatives, m, expected):
    form = {"soft": True} if m == "None" else {"margin": float(m)}
    loss = simplug.losses.build("tfa_triplet_hard", distance="cosine", **form)
    assert float(loss(E_LABELS, np.array(E_ROWS))) == pytest.approx(np.mean(expected), rel=1e-5)
