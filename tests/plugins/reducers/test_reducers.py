"""The reducers, on values that can be added by hand, and inside a loss against PyTorch Metric Learning."""

import numpy as np
import pytest

import simplug
from simplug.api import InvalidInputError, Term
from simplug.kernel.config import to_config
from simplug.kernel.errors import ConfigError
from simplug.testing.tensors import array

PAIRS = np.array([[0.0, 1.0, 3.0], [2.0, 4.0, 9.0], [5.0, 5.0, 5.0]])
WEIGHTS = np.array([[0.0, 1.0, 1.0], [3.0, 1.0, 0.0], [0.0, 0.0, 0.0]])
LABELS = np.array([1, 0, 7])


def of_tensors(values, weights, **extra):
    """Return a term of tensors, as a loss makes it: not every backend calculates with arrays."""
    from keras import ops

    tensors = {name: ops.convert_to_tensor(array) for name, array in extra.items() if name != "by_class"}
    return Term(ops.convert_to_tensor(values), ops.convert_to_tensor(weights), **(extra | tensors))


def reduced(reducer, term, labels=LABELS):
    return array(simplug.reducers.build(reducer).reduce(term, labels))


def pairs():
    return of_tensors(PAIRS, WEIGHTS)


@pytest.mark.parametrize(
    ("reducer", "expected"),
    [
        ("sum", 1 + 3 + 3 * 2 + 4),
        ({"name": "threshold"}, 14 / 6),
        ({"name": "threshold", "low": 1.0}, 13 / 5),
        ({"name": "threshold", "low": 1.0, "high": 4.0}, (3 + 3 * 2) / 4),
        ({"name": "threshold", "low": "none", "high": 2.0}, 1.0),
        ({"name": "threshold", "low": 10.0}, 0.0),
        ("divisor", 14 / 6),
        ("per_anchor", (4 / 2 + 10 / 4) / 2),
        ({"name": "per_anchor", "aggregation": "sum"}, (4 + 10) / 2),
        ({"name": "per_anchor", "reducer": "sum"}, 4 / 2 + 10 / 4),
        ({"name": "per_anchor", "reducer": {"name": "threshold", "low": 2.25}}, 2.5),
        ({"name": "class_weighted", "weights": [0.5, 2.0]}, (2 * 4 + 0.5 * 10) / 6),
        ({"name": "class_weighted", "weights": [0.5]}, (4 + 0.5 * 10) / 6),
        ("none", [4 / 2, 10 / 4, 0]),
    ],
    ids=str,
)
def test_losses_of_pairs(reducer, expected):
    np.testing.assert_allclose(reduced(reducer, pairs()), expected)


@pytest.mark.parametrize(
    ("reducer", "expected"),
    [
        ("sum", 4.0),
        ("threshold", 4.0 / 3),
        ("per_anchor", 4.0 / 3),
        ({"name": "class_weighted", "weights": [0.5, 2.0]}, (2 * 1 + 0.5 * 3) / 3),
        ("none", [1.0, 1.5, 0.0]),
    ],
    ids=str,
)
def test_losses_of_anchors(reducer, expected):
    term = of_tensors(np.array([1.0, 1.5, 8.0]), np.array([1.0, 2.0, 0.0]))
    np.testing.assert_allclose(reduced(reducer, term), expected)


@pytest.mark.parametrize(
    ("reducer", "expected"),
    [
        ("sum", 0.5),
        ("threshold", 0.5),
        ("divisor", 0.5),
        ("per_anchor", 0.5),
        ({"name": "class_weighted", "weights": [3.0, 3.0]}, 0.5),
        ("none", [0.5, 0.5, 0.5]),
    ],
    ids=str,
)
def test_a_loss_of_the_whole_batch(reducer, expected):
    np.testing.assert_allclose(reduced(reducer, of_tensors(np.array(0.5), np.array(1.0))), expected)


@pytest.mark.parametrize(
    ("reducer", "expected"),
    [
        ("sum", 11.0),
        ("per_anchor", 11 / 4),
        ({"name": "class_weighted", "weights": [0.5, 2.0]}, (0.5 * 1 + 2 * 2 + 8) / 4),
        ("none", [11 / 4] * 3),
    ],
    ids=str,
)
def test_losses_of_classes_are_not_those_of_anchors(reducer, expected):
    term = of_tensors(np.array([1.0, 2.0, 4.0, 5.0]), np.array([1.0, 1.0, 2.0, 0.0]), by_class=True)
    np.testing.assert_allclose(reduced(reducer, term), expected)


def test_the_divisor_is_the_loss_s_own_where_it_has_one():
    term = of_tensors(PAIRS, WEIGHTS, divisor=np.array(7.0))
    assert reduced("divisor", term) == pytest.approx(2.0)
    assert reduced("mean", term) == pytest.approx(14 / 6)
    assert reduced("divisor", of_tensors(PAIRS, WEIGHTS, divisor=np.array(0.0))) == 0


def test_labels_below_zero_have_weight_one():
    term = of_tensors(np.array([1.0, 1.0]), np.ones(2))
    assert reduced({"name": "class_weighted", "weights": [9.0, 9.0]}, term, np.array([-1, 2])) == 1


def test_class_weights_need_one_label_an_example():
    reducer = simplug.reducers.build("class_weighted", weights=[1.0, 2.0])
    with pytest.raises(InvalidInputError, match="ClassWeighted weighs by labels, and there are none"):
        reducer.reduce(pairs())
    with pytest.raises(InvalidInputError, match=r"not by labels of shape \(3, 2\)"):
        reducer.reduce(pairs(), np.zeros((3, 2), int))


def test_what_cannot_be_reduced_to_a_scalar_is_refused_within_per_anchor():
    with pytest.raises(ConfigError, match=r"reducer: .*reducer must be one that gives a scalar, not Unreduced\(\)"):
        simplug.reducers.build("per_anchor", reducer="none")


def test_bounds_with_nothing_between_them_are_refused():
    with pytest.raises(ConfigError, match=r"high must be > low \(0.5\), not 0.5"):
        simplug.reducers.build("threshold", low=0.5, high=0.5)


def test_none_is_the_reducer_of_that_name_not_the_absence_of_one():
    loss = simplug.losses.build("contrastive", reducer="none", miner="none")
    assert type(loss.reducer).__name__ == "Unreduced"
    assert loss.miner is None
    table = to_config(loss)
    assert table["reducer"] == {"name": "none"}
    assert simplug.losses.build(table) == loss


EMBEDDINGS = np.random.RandomState(0).normal(size=(8, 3))
CLASSES = np.array([0, 0, 0, 1, 1, 2, 2, 2])

# PyTorch Metric Learning 2.9.0: ContrastiveLoss and MultiSimilarityLoss with each of its reducers, in float64.
PEER = [
    ("mean", 1.035857312280976, 0.8380450321134942),
    ("sum", 17.88933727023968, 6.704360256907954),
    ({"name": "threshold", "low": 0.2, "high": 0.9}, 1.105778209697309, 0.6952562665497788),
    ({"name": "threshold", "low": 0.3}, 1.4793340241817867, 0.8380450321134942),
    ({"name": "threshold", "low": "none", "high": 0.4}, 0.04973217374246324, 0.0),
    ("per_anchor", 1.0142591197080573, 0.8380450321134942),
    ({"name": "per_anchor", "aggregation": "sum"}, 2.23616715877996, 0.8380450321134942),
    # There, the second is 0.890: one column of losses times one row of weights is a matrix of all combinations.
    ({"name": "class_weighted", "weights": [0.5, 2.0, 1.0]}, 0.9752554501049917, 0.8291133262913873),
]


@pytest.mark.parametrize(("reducer", "contrastive", "multi_similarity"), PEER, ids=[str(row[0]) for row in PEER])
def test_losses_have_the_values_of_pytorch_metric_learning(reducer, contrastive, multi_similarity):
    for name, expected in (("contrastive", contrastive), ("multi_similarity", multi_similarity)):
        loss = simplug.losses.build(name, reducer=reducer)
        np.testing.assert_allclose(array(loss(CLASSES, EMBEDDINGS)), expected, rtol=1e-5, atol=1e-6)


def test_an_unreduced_loss_averages_to_the_loss_per_anchor():
    apart = array(simplug.losses.build("contrastive", reducer="none")(CLASSES, EMBEDDINGS))
    assert apart.shape == (8,)
    whole = array(simplug.losses.build("contrastive", reducer="per_anchor")(CLASSES, EMBEDDINGS))
    assert apart.mean() == pytest.approx(whole)


def test_an_anchor_without_pairs_is_no_loss_of_zero():
    # PyTorch Metric Learning counts it, and so waters the mean down by examples that have nothing to learn from.
    term = of_tensors(np.array([[2.0, 2.0], [0.0, 0.0]]), np.array([[1.0, 1.0], [0.0, 0.0]]))
    assert reduced("per_anchor", term) == 2
