"""Losses of one value a pair, against their papers' definitions and against another library's values."""

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
from simplug.api import Loss, Pairs, Weight
from simplug.api.state import initial_state
from simplug.kernel.errors import ConfigError
from simplug.testing.tensors import in_graph, in_xla, value_and_gradient

# The definitions: float64 NumPy.


def contrastive(d, positive, negative, pos_margin=0.0, neg_margin=1.0, squared=False):
    pull = np.maximum(d[positive > 0] - pos_margin, 0)
    push = np.maximum(neg_margin - d[negative > 0], 0)
    if squared:
        pull, push = pull**2 / 2, push**2 / 2
    return mean_above_zero(pull) + mean_above_zero(push)


def intra_pair_variance(d, positive, negative, pos_eps=0.01, neg_eps=0.01):
    alike, different = 1 - d[positive > 0], 1 - d[negative > 0]
    pull = np.maximum((1 - pos_eps) * mean(alike) - alike, 0) ** 2
    push = np.maximum(different - (1 + neg_eps) * mean(different), 0) ** 2
    return mean(pull) + mean(push)


def threshold_consistent_margin(
    d, positive, negative, lambda_plus=1.0, lambda_minus=1.0, margin_plus=0.9, margin_minus=0.5
):
    pull = np.maximum(margin_plus - (1 - d[positive > 0]), 0)
    push = np.maximum((1 - d[negative > 0]) - margin_minus, 0)
    return lambda_plus * mean_above_zero(pull) + lambda_minus * mean_above_zero(push)


CASES = {
    "contrastive": (contrastive, {"pos_margin": 0.2, "neg_margin": 1.3}),
    "contrastive, squared": (contrastive, {"neg_margin": 1.3, "squared": True}),
    "signal_to_noise": (contrastive, {"neg_margin": 1.5}),
    "intra_pair_variance": (intra_pair_variance, {"pos_eps": 0.05, "neg_eps": 0.1}),
    "threshold_consistent_margin": (threshold_consistent_margin, {"lambda_plus": 0.5, "lambda_minus": 2.0}),
}


def built(case):
    definition, options = CASES[case]
    loss = simplug.losses.build(case.split(",")[0], **options)
    return loss, lambda *arguments: definition(*arguments, **options)


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
    pairs = relation(labels)
    _, slope = value_and_gradient(lambda rows: loss(labels, rows), embeddings)
    expected = central_differences(lambda rows: definition(loss.distance.numpy(rows, rows), *pairs), embeddings)
    np.testing.assert_allclose(slope, expected, rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize("case", CASES)
def test_graph_mode_and_xla_give_the_same(case):
    loss, _ = built(case)
    labels, embeddings = BATCHES["random"]
    embeddings = embeddings.astype(np.float32)
    for run in (in_graph, in_xla):
        (found,) = run(loss, labels, embeddings)
        np.testing.assert_allclose(found, float(loss(labels, embeddings)), rtol=1e-5)


@pytest.mark.parametrize("case", CASES)
def test_pairs_can_be_given_as_weights(case):
    loss, _ = built(case)
    labels, embeddings = BATCHES["random"]
    given = loss.of_pairs(pairs_of(labels), embeddings)
    assert float(given) == close_to(float(loss(labels, embeddings)))


# What one of them promises.


@pytest.mark.parametrize("preset", ["cub", "cars", "sop"])
def test_the_presets_of_contrastive_are_margins_of_distances(preset):
    loss = simplug.losses.build("contrastive", preset=preset)
    assert loss.pos_margin < loss.neg_margin < 1
    labels, embeddings = BATCHES["random"]
    expected = contrastive(
        loss.distance.numpy(embeddings, embeddings), *relation(labels), loss.pos_margin, loss.neg_margin
    )
    assert float(loss(labels, embeddings)) == close_to(expected)


def test_the_signal_to_noise_loss_looks_at_the_variance_over_the_anchors():
    labels, embeddings = np.array([0, 0]), np.array([[1.0, -1.0, 0.0], [2.0, 0.0, -2.0]])
    loss = simplug.losses.build("signal_to_noise", distance="snr")
    noise = np.var(embeddings[0] - embeddings[1])
    expected = np.mean([noise / np.var(embeddings[0]), noise / np.var(embeddings[1])])
    assert float(loss(labels, embeddings)) == close_to(expected)


def test_the_threshold_consistent_margin_is_added_to_a_loss():
    labels, embeddings = BATCHES["random"]
    alone = simplug.losses.build("threshold_consistent_margin")
    inner = simplug.losses.build("triplet", margin=0.3)
    both = simplug.losses.build("threshold_consistent_margin", loss={"name": "triplet", "margin": 0.3})
    value, slope = value_and_gradient(lambda rows: both(labels, rows), embeddings)
    parts = [value_and_gradient(lambda rows, of=loss: of(labels, rows), embeddings) for loss in (alone, inner)]
    assert value == close_to(sum(part[0] for part in parts))
    np.testing.assert_allclose(slope, sum(part[1] for part in parts), rtol=1e-9, atol=1e-12)


def test_what_the_inner_loss_keeps_is_kept_under_its_name():
    import attrs

    @attrs.frozen
    class Counting(Loss):
        """The mean distance to a learned centre, times the number of steps taken."""

        def state(self, dim):
            return {"centre": Weight((dim,), "ones"), "steps": Weight((), "ones", trainable=False)}

        def next_state(self, batch):
            return {"steps": batch.state["steps"] + 1}

        def value(self, batch):
            from keras import ops

            centre, steps = batch.state["centre"], batch.state["steps"]
            return steps * ops.mean(ops.square(batch.embeddings - ops.cast(centre, batch.embeddings.dtype)))

    loss = simplug.losses.build("threshold_consistent_margin", loss=Counting())
    assert set(loss.state(6)) == {"loss.centre", "loss.steps"}
    state = initial_state(loss.state(6))
    labels, embeddings = (part[:12] for part in BATCHES["random"])
    embeddings = embeddings.astype(np.float32)
    alone = float(simplug.losses.build("threshold_consistent_margin")(labels, embeddings))
    expected = alone + np.mean((embeddings - 1) ** 2)
    assert float(loss(labels, embeddings, state=state)) == pytest.approx(expected, rel=1e-5)

    from simplug.api import Batch

    moved = loss.next_state(Batch.of(labels, embeddings, state=state))
    assert {name: float(value) for name, value in moved.items()} == {"loss.steps": 2.0}


def test_labels_of_the_inner_loss_must_have_the_same_form():
    with pytest.raises(ConfigError, match="label_comparison"):
        simplug.losses.build("threshold_consistent_margin", loss="triplet", label_comparison="shared")


# Another library's values.

NAMES = {
    "ContrastiveLoss": "contrastive",
    "SignalToNoiseRatioContrastiveLoss": "signal_to_noise",
    "IntraPairVarianceLoss": "intra_pair_variance",
    "ThresholdConsistentMarginLoss": "threshold_consistent_margin",
}


def in_our_terms(name, arguments):
    """Translate: under a similarity the other library's margins of a contrastive loss are similarities."""
    arguments = dict(arguments)
    if name == "ContrastiveLoss" and arguments.get("distance") == "cosine":
        arguments |= {key: 1 - arguments[key] for key in ("pos_margin", "neg_margin")}
    return arguments


@needs_pml
@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize(
    ("row", "inputs"), pml_losses(lambda row: row["name"] in NAMES and row["args"].get("reducer") != "sum")
)
def test_values_and_gradients_equal_those_of_pytorch_metric_learning(row, inputs, dtype):
    loss = simplug.losses.build(NAMES[row["name"]], **in_our_terms(row["name"], row["args"]))
    assert_equal_to_pml(loss, row, inputs, dtype)
