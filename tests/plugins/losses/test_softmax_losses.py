"""Losses that weigh pairs by a softmax, against their papers' definitions and against other libraries' values."""

import functools

import numpy as np
import pytest
from pairwise import (
    BATCHES,
    assert_equal_to_pml,
    central_differences,
    close_to,
    every_batch,
    mean,
    mean_above_zero,
    needs_pml,
    pml_losses,
    relation,
    with_references,
)

import simplug
from simplug.api import Pairs
from simplug.kernel.errors import ConfigError
from simplug.testing.tensors import array, in_graph, in_xla, value_and_gradient

# The definitions: float64 NumPy, one anchor and one pair at a time.


def chosen(weights):
    return [np.flatnonzero(row) for row in weights]


def log_of_sum(logits):
    top = max(logits)
    return top + np.log(sum(np.exp(value - top) for value in logits))


def nt_xent(d, positive, negative, temperature=0.07):
    values = []
    for row, ps, ns in zip(d, chosen(positive), chosen(negative), strict=True):
        s = (1 - row) / temperature
        values += [log_of_sum([s[p], *s[ns]]) - s[p] for p in ps]
    return mean(values)


def multi_negatives_rank(d, positive, negative, scale=20.0):
    return nt_xent(d, positive, negative, 1 / scale)


def sup_con(d, positive, negative, temperature=0.1):
    if not negative.any():
        return 0.0
    values = []
    for row, ps, ns in zip(d, chosen(positive), chosen(negative), strict=True):
        s = (1 - row) / temperature
        values += [mean([log_of_sum([*s[ps], *s[ns]]) - s[p] for p in ps])] if len(ps) else []
    return mean_above_zero(values)


def nca(d, positive, negative, softmax_scale=1.0):
    values = []
    for row, ps, ns in zip(-softmax_scale * d, chosen(positive), chosen(negative), strict=True):
        values += [log_of_sum([*row[ps], *row[ns]]) - log_of_sum(row[ps])] if len(ps) else []
    return mean(values)


def soft_nearest_neighbor(d, positive, negative, temperature=1.0):
    return nca(d, positive, negative, 1 / temperature)


def instance(d, positive, negative, gamma=64.0):
    targets = chosen(np.eye(len(d)) if d.shape[0] == d.shape[1] else positive)
    s = gamma * (1 - d)
    return mean([log_of_sum(row) - np.mean(row[own]) for row, own in zip(s, targets, strict=True) if len(own)])


def n_pairs(d, positive, negative):
    pairs, taken = [], set()
    for i, ps in enumerate(chosen(positive)):
        group = min(i, ps[0]) if len(ps) and len(d) == d.shape[1] else (ps[0] if len(ps) else None)
        if group is not None and group not in taken:
            taken.add(group)
            pairs.append((i, ps[0]))
    s = 1 - d
    return mean([log_of_sum([s[a, other] for _, other in pairs]) - s[a, p] for a, p in pairs])


def circle(d, positive, negative, margin=0.4, gamma=80.0, held=None):
    held = d if held is None else held
    pull = gamma * np.maximum(margin + held, 0) * (d - margin)
    push = gamma * np.maximum(1 + margin - held, 0) * (1 - d - margin)
    values = [
        log_of_sum([0.0, log_of_sum(pull[i, ps]) + log_of_sum(push[i, ns])])
        for i, (ps, ns) in enumerate(zip(chosen(positive), chosen(negative), strict=True))
        if len(ps) and len(ns)
    ]
    return mean_above_zero(values)


def multi_similarity(d, positive, negative, alpha=2.0, beta=50.0, base=0.5):
    values = []
    for row, ps, ns in zip(1 - d, chosen(positive), chosen(negative), strict=True):
        pull = log_of_sum([0.0, *(-alpha * (row[ps] - base))]) / alpha
        push = log_of_sum([0.0, *(beta * (row[ns] - base))]) / beta
        values.append(pull + push)
    return mean(values)


def mined_multi_similarity(d, positive, negative, miner, **options):
    kept_positive, kept_negative = np.zeros_like(positive), np.zeros_like(negative)
    for i, (row, ps, ns) in enumerate(zip(d, chosen(positive), chosen(negative), strict=True)):
        if len(ps) and len(ns):
            kept_positive[i] = positive[i] * (row > min(row[ns]) - miner["epsilon"])
            kept_negative[i] = negative[i] * (row < max(row[ps]) + miner["epsilon"])
    return multi_similarity(d, kept_positive, kept_negative, **options)


CASES = {
    "nt_xent": (nt_xent, {}),
    "nt_xent, warm": (nt_xent, {"temperature": 0.5}),
    "multi_negatives_rank": (multi_negatives_rank, {"scale": 3.0}),
    "sup_con": (sup_con, {"temperature": 0.2}),
    "nca": (nca, {"softmax_scale": 3.0}),
    "soft_nearest_neighbor": (soft_nearest_neighbor, {"temperature": 0.7}),
    "instance": (instance, {"gamma": 5.0}),
    "n_pairs": (n_pairs, {}),
    "circle": (circle, {}),
    "circle, of the paper": (circle, {"margin": 0.25, "gamma": 128.0}),
    "multi_similarity": (multi_similarity, {"base": 0.7}),
    "multi_similarity, mined": (
        mined_multi_similarity,
        {"beta": 40.0, "miner": {"name": "multi_similarity", "epsilon": 0.1}},
    ),
}


def built(case):
    definition, options = CASES[case]
    loss = simplug.losses.build(case.split(",")[0], **options)
    return loss, lambda *arguments, **more: definition(*arguments, **options, **more)


def pairs_of(labels):
    from keras import ops

    return Pairs(*map(ops.convert_to_tensor, relation(labels)))


@pytest.mark.parametrize("case", CASES)
@every_batch
def test_a_loss_equals_its_definition_in_float64(case, labels, embeddings):
    loss, definition = built(case)
    value, slope = value_and_gradient(lambda rows: loss(labels, rows), embeddings)
    expected = definition(loss.distance.numpy(embeddings, embeddings), *relation(labels))
    assert value == close_to(expected)
    assert np.isfinite(slope).all()


@pytest.mark.parametrize("case", CASES)
def test_a_loss_against_references_equals_its_definition(case):
    loss, definition = built(case)
    labels, embeddings, ref_labels, refs = with_references()
    expected = definition(loss.distance.numpy(embeddings, refs), *relation(labels, ref_labels))
    assert float(loss(labels, embeddings, ref_labels, refs)) == close_to(expected)


@pytest.mark.parametrize("case", CASES)
def test_a_gradient_equals_central_differences_of_the_definition(case):
    loss, definition = built(case)
    rng = np.random.default_rng(11)
    labels, embeddings = rng.integers(0, 3, size=9), rng.normal(size=(9, 4))
    positive, negative = relation(labels)
    # The paces of the circle loss are no part of its gradient.
    more = {"held": loss.distance.numpy(embeddings, embeddings)} if "circle" in case else {}

    def value(rows):
        return definition(loss.distance.numpy(rows, rows), positive, negative, **more)

    _, slope = value_and_gradient(lambda rows: loss(labels, rows), embeddings)
    expected = central_differences(value, embeddings)
    np.testing.assert_allclose(slope, expected, rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize("case", CASES)
def test_graph_mode_and_xla_give_the_same_value_and_gradient(case):
    from keras import backend

    loss, _ = built(case)
    labels, embeddings = BATCHES["random"]
    embeddings = embeddings.astype(np.float32)
    value, slope = value_and_gradient(lambda rows: loss(labels, rows), embeddings)
    function = functools.partial(_differentiated, loss) if backend.backend() == "tensorflow" else loss
    for run in (in_graph, in_xla):
        found, *moved = run(function, labels, embeddings)
        np.testing.assert_allclose(found, value, rtol=1e-5)
        for given in moved:
            np.testing.assert_allclose(given, slope, rtol=1e-3, atol=1e-5 * np.abs(slope).max())


def _differentiated(loss, labels, embeddings):
    import tensorflow as tf

    with tf.GradientTape() as tape:
        tape.watch(embeddings)
        value = loss(labels, embeddings)
    return value, tf.convert_to_tensor(tape.gradient(value, embeddings))


@pytest.mark.parametrize("case", CASES)
def test_pairs_can_be_given_as_weights(case):
    loss, _ = built(case)
    labels, embeddings = BATCHES["random"]
    given = loss.of_pairs(pairs_of(labels), embeddings)
    assert float(given) == close_to(float(loss(labels, embeddings)))


# What one of them promises.


def test_nt_xent_has_no_largest_value():
    # Another library stops at 87, where single precision ends, and learns nothing from such a pair.
    labels, embeddings = np.array([0, 0, 1]), np.array([[1.0, 0.0], [-0.8, 0.6], [0.8, 0.6]])
    loss = simplug.losses.build("nt_xent", temperature=0.01)
    single, slope = value_and_gradient(lambda rows: loss(labels, rows), embeddings.astype(np.float32))
    expected = nt_xent(loss.distance.numpy(embeddings, embeddings), *relation(labels), 0.01)
    assert expected > 90
    assert single == pytest.approx(expected, rel=1e-5)
    assert np.abs(slope).max() > 1


def test_nca_learns_from_an_anchor_whose_probability_underflows():
    # Another library leaves such an anchor out.
    labels, embeddings = np.array([0, 0, 1, 1]), np.array([[1.0, 0], [-0.8, 0.6], [1.0, 0.01], [0.99, 0.1]])
    loss = simplug.losses.build("nca", softmax_scale=40.0)
    single, slope = value_and_gradient(lambda rows: loss(labels, rows), embeddings.astype(np.float32))
    expected = nca(loss.distance.numpy(embeddings, embeddings), *relation(labels), 40.0)
    assert 4 * expected > 130
    assert single == pytest.approx(expected, rel=1e-5)
    assert np.isfinite(slope).all()
    assert np.abs(slope[1]).max() > 1e-3


@pytest.mark.parametrize("case", sorted(set(CASES) - {"instance", "multi_similarity"}))
@pytest.mark.parametrize("batch", ["one class", "no positives"])
def test_a_batch_that_lacks_positives_or_negatives_costs_nothing(case, batch):
    loss, _ = built(case)
    labels, embeddings = BATCHES[batch]
    value, slope = value_and_gradient(lambda rows: loss(labels, rows), embeddings)
    assert value == pytest.approx(0, abs=1e-12)
    assert np.abs(slope).max() < 1e-12


def test_the_instance_loss_takes_each_example_for_a_class_of_its_own():
    # Another library aims at the column numbered like the example's class, which shows some other example.
    rng = np.random.default_rng(5)
    embeddings = rng.normal(size=(6, 4))
    loss = simplug.losses.build("instance")
    by_class, by_example = loss(np.array([0, 0, 1, 1, 2, 2]), embeddings), loss(np.arange(6), embeddings)
    assert float(by_class) == float(by_example)


def test_the_instance_loss_compares_two_views_by_cross_entropy():
    rng = np.random.default_rng(6)
    images, texts = rng.normal(size=(5, 4)), rng.normal(size=(5, 4))
    loss = simplug.losses.build("instance", gamma=10.0)
    s = 10 * (1 - loss.distance.numpy(images, texts))
    expected = np.mean([log_of_sum(s[i]) - s[i, i] for i in range(5)])
    assert float(loss(np.arange(5), images, np.arange(5), texts)) == close_to(expected)


def test_the_instance_loss_refuses_a_miner():
    with pytest.raises(ConfigError, match="miner has nothing to choose"):
        simplug.losses.build("instance", miner="multi_similarity")


def test_one_pair_of_each_class_enters_the_n_pairs_loss():
    rng = np.random.default_rng(8)
    labels, embeddings = np.array([4, 1, 1, 4, 1, 9, 4]), rng.normal(size=(7, 3))
    loss = simplug.losses.build("n_pairs", distance="inner_product")
    s = embeddings @ embeddings.T
    pairs = [(0, 3), (1, 2)]
    expected = np.mean([log_of_sum([s[a, other] for _, other in pairs]) - s[a, p] for a, p in pairs])
    value, slope = value_and_gradient(lambda rows: loss(labels, rows), embeddings)
    assert value == close_to(expected)
    assert not slope[4:].any()


def test_mined_pairs_enter_the_n_pairs_loss():
    from keras import ops

    rng = np.random.default_rng(9)
    labels, embeddings = rng.integers(0, 4, size=16), rng.normal(size=(16, 3))
    loss = simplug.losses.build("n_pairs", miner={"name": "multi_similarity", "epsilon": -0.3})
    d = loss.distance.numpy(embeddings, embeddings)
    mined = loss.miner(ops.convert_to_tensor(d), pairs_of(labels))
    kept = array(mined.positive)
    assert 0 < np.count_nonzero(kept) < np.count_nonzero(relation(labels)[0])
    assert float(loss(labels, embeddings)) == close_to(n_pairs(d, kept, array(mined.negative)))


def test_an_answer_of_the_same_label_is_no_negative():
    rng = np.random.default_rng(10)
    queries, answers = rng.normal(size=(3, 4)), rng.normal(size=(4, 4))
    labels, ref_labels = np.array([0, 1, 2]), np.array([0, 0, 1, 2])
    loss = simplug.losses.build("multi_negatives_rank", scale=1.0)
    s = queries @ answers.T
    pairs = [(0, 0, [0, 2, 3]), (0, 1, [1, 2, 3]), (1, 2, [0, 1, 2, 3]), (2, 3, [0, 1, 2, 3])]
    expected = np.mean([log_of_sum(s[q, others]) - s[q, a] for q, a, others in pairs])
    assert float(loss(labels, queries, ref_labels, answers)) == close_to(expected)


@pytest.mark.parametrize("name", ["nt_xent", "multi_similarity"])
@pytest.mark.parametrize("preset", ["cub", "cars", "sop"])
def test_a_preset_sets_the_tuned_options_and_is_finite(name, preset):
    loss = simplug.losses.build(name, preset=preset)
    assert loss != simplug.losses.build(name)
    labels, embeddings = BATCHES["random"]
    value, slope = value_and_gradient(lambda rows: loss(labels, rows), embeddings.astype(np.float32))
    assert np.isfinite(value)
    assert np.isfinite(slope).all()


def test_a_far_pair_outside_the_mask_does_not_swallow_the_kept_ones():
    loss = simplug.losses.build("multi_similarity", distance="inner_product", beta=250.0)
    labels, embeddings = np.array([0, 0, 1]), np.array([[4.0, 0.0], [4.0, 0.0], [0.0, 0.1]], dtype=np.float32)
    value, slope = value_and_gradient(lambda rows: loss(labels, rows), embeddings)
    expected = multi_similarity(loss.distance.numpy(embeddings, embeddings), *relation(labels), beta=250.0)
    assert value == pytest.approx(expected, rel=1e-5)
    assert np.isfinite(slope).all()


def test_the_mined_presets_of_multi_similarity_bring_their_miner():
    loss = simplug.losses.build("multi_similarity", preset="sop_mined", beta=100.0)
    assert (loss.alpha, loss.beta, loss.base, loss.miner.epsilon) == (15.9, 100.0, 0.72, 0.34)


# Other libraries' values.

NAMES = {
    "NTXentLoss": "nt_xent",
    "SupConLoss": "sup_con",
    "NPairsLoss": "n_pairs",
    "NCALoss": "nca",
    "InstanceLoss": "instance",
    "CircleLoss": "circle",
    "MultiSimilarityLoss": "multi_similarity",
}


def is_compared(row):
    # The instance loss departs, as tested above, unless each example has a class of its own; without positives the
    # other library's NCA is not a number.
    if row["name"] == "InstanceLoss" and row["input"] != "no_positives":
        return False
    return row["name"] in NAMES and np.isfinite(row["value"]) and row["args"].get("reducer") != "sum"


@needs_pml
@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize(("row", "inputs"), pml_losses(is_compared))
def test_values_and_gradients_equal_those_of_pytorch_metric_learning(row, inputs, dtype):
    arguments = {"margin" if key == "m" else key: value for key, value in row["args"].items()}
    loss = simplug.losses.build(NAMES[row["name"]], **arguments)
    assert_equal_to_pml(loss, row, inputs, dtype, near=1e-6 if dtype == "float32" else 1e-9, steepest=1e-2)


UNIT = np.array([[1, 0, 0], [0.8, 0.6, 0], [0, 1, 0], [0, 0.6, 0.8], [0, 0, 1], [0.6, 0, 0.8]])
SECOND = np.array([[0.8, 0.6, 0], [1, 0, 0], [0, 0.8, 0.6], [0, 0, 1], [0.6, 0, 0.8], [0, 0.6, 0.8]])
CLASSES = np.array([0, 0, 1, 1, 2, 2])
"""The embeddings, their second views and labels for which TensorFlow Similarity gave the values below."""


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"beta": 40.0}, 0.2528964),
        ({"beta": 50.0}, 0.2528373),
        ({"beta": 40.0, "distance": "euclidean"}, 0.2634746),
    ],
)
def test_multi_similarity_with_its_miner_equals_that_of_tensorflow_similarity(options, expected):
    # Its options `lmda` and `center` make base = 1 + lmda - center, here 0.5.
    loss = simplug.losses.build("multi_similarity", miner={"name": "multi_similarity", "epsilon": 0.1}, **options)
    assert float(loss(CLASSES, UNIT)) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize(
    ("temperature", "expected"),
    [
        (1.0, [0.8224237, 1.0347108, 1.0659454, 1.5029855, 0.9576973, 1.139645]),
        (0.1, [0.0181502, 0.0199281, 0.6931564, 4.057541, 0.6931474, 0.0589663]),
    ],
)
def test_soft_nearest_neighbor_equals_that_of_tensorflow_similarity(temperature, expected):
    # Its logarithm has 1e-9 added inside, which the paper has not: a ten-millionth of these values.
    loss = simplug.losses.build("soft_nearest_neighbor", temperature=temperature)
    assert float(loss(CLASSES, UNIT)) == pytest.approx(np.mean(expected), rel=1e-5)


def test_multi_negatives_rank_equals_the_mean_of_tensorflow_similarity():
    # It adds 1 inside the logarithm, beside exponentials of 16 and more.
    loss = simplug.losses.build("multi_negatives_rank")
    pair = np.arange(6)
    assert float(loss(pair, UNIT, pair, SECOND)) == pytest.approx(3.9520679, rel=1e-5)
