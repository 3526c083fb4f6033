"""Losses around losses: a memory across batches, a weighted sum, two views as pairs; and all of them nested."""

from __future__ import annotations

import attrs
import numpy as np
import pytest
from keras import backend, ops

import simplug
from simplug.api import Batch, ClassLoss, InvalidInputError, PairLoss, Term, Weight
from simplug.api.state import initial_state
from simplug.kernel.errors import ConfigError
from simplug.testing.tensors import array, in_graph, in_xla, value_and_gradient

DIM = 4

# The other backends compute in single precision by default.
DOUBLE = backend.backend() == "tensorflow"
EXACT = {"rel": 1e-6} if DOUBLE else {"rel": 1e-4, "abs": 1e-5}
CLOSE = {"rtol": 1e-7, "atol": 1e-12} if DOUBLE else {"rtol": 1e-4, "atol": 1e-5}


@attrs.frozen(kw_only=True)
class Pulled(PairLoss):
    """Distances of positive pairs, scaled by a learned factor; it counts the positive pairs that it has met."""

    def state(self, dim):
        return {"factor": Weight((), "ones"), "met": Weight((), "zeros", trainable=False)}

    def next_state(self, batch):
        return {"met": batch.state["met"] + ops.sum(self.relation(batch).positive)}

    def terms(self, distances, pairs, batch):
        return {"pairs": Term(distances * batch.state["factor"], pairs.positive)}


@attrs.frozen(kw_only=True)
class Scored(ClassLoss):
    """Inner products with the other classes' vectors."""

    def terms(self, batch):
        values = self.logits(batch.embeddings, batch.state)
        return {"classes": Term(values, 1 - ops.one_hot(batch.labels, self.num_classes, dtype=values.dtype))}

    def logits(self, embeddings, state):
        return ops.matmul(embeddings, ops.transpose(state["weight"]))


def memory_of(loss="contrastive", **options):
    return simplug.losses.build("cross_batch_memory", loss=loss, **options)


def batches(*lengths, classes=3, seed=0):
    """Yield labels and embeddings, float64 with single-precision values: those that the queue holds exactly."""
    rng = np.random.default_rng(seed)
    for n in lengths:
        yield rng.integers(0, classes, size=n), rng.normal(size=(n, DIM)).astype("float32").astype("float64")


def train(loss, state, labels, embeddings, ref_labels=None, ref_embeddings=None):
    """Return the value of one step of training and what is kept after it."""
    known = {"label_rank": loss.label_rank}
    moved = loss.next_state(Batch.of(labels, embeddings, ref_labels, ref_embeddings, state=state, **known))
    state = {**state, **moved}
    return float(array(loss(labels, embeddings, ref_labels, ref_embeddings, state=state))), state


def contrastive_against_memory(labels, embeddings, old_labels, old_embeddings, neg_margin=1.0):
    """The contrastive loss of a batch with itself and older examples, pair by pair."""

    def unit(rows):
        return rows / np.linalg.norm(rows, axis=1, keepdims=True)

    rows = unit(np.concatenate([embeddings, old_embeddings])) if len(old_labels) else unit(embeddings)
    all_labels = np.concatenate([labels, old_labels])
    pulls, pushes = [], []
    for i in range(len(labels)):
        for j in range(len(rows)):
            if i == j:
                continue
            distance = np.linalg.norm(rows[i] - rows[j])
            if labels[i] == all_labels[j]:
                pulls.append(distance)
            else:
                pushes.append(max(0.0, neg_margin - distance))
    return sum(sum(part) / max(np.count_nonzero(part), 1) for part in (pulls, pushes))


def test_a_memory_as_large_as_the_batch_gives_the_plain_value():
    for loss in ("contrastive", "multi_similarity", "triplet", {"name": "contrastive", "miner": "multi_similarity"}):
        wrapped = memory_of(loss, memory_size=10)
        state = initial_state(wrapped.state(DIM))
        for labels, embeddings in batches(10, 10, 10):
            value, state = train(wrapped, state, labels, embeddings)
            assert value == pytest.approx(float(array(wrapped.loss(labels, embeddings))), **EXACT)


@pytest.mark.parametrize("memory_size", [1, 5, 7, 8, 30])
def test_a_batch_meets_itself_and_what_is_remembered_at_every_position_of_the_ring(memory_size):
    wrapped = memory_of(memory_size=memory_size)
    state = initial_state(wrapped.state(DIM))
    seen_labels, seen = np.zeros(0, int), np.zeros((0, DIM))
    for labels, embeddings in batches(3, 3, 1, 4, 3, 3, 9, 2, 3, 3, 3, 3):
        value, state = train(wrapped, state, labels, embeddings)
        old = max(0, min(len(seen), memory_size - len(labels)))
        expected = contrastive_against_memory(
            labels, embeddings, seen_labels[len(seen) - old :], seen[len(seen) - old :]
        )
        assert value == pytest.approx(expected, **EXACT)
        seen_labels, seen = np.concatenate([seen_labels, labels]), np.concatenate([seen, embeddings])
        assert int(array(state["filled"])) == min(len(seen), memory_size)
        assert int(array(state["position"])) == len(seen) % memory_size
        held = {tuple(row) for row in array(state["embeddings"])[: int(array(state["filled"]))]}
        assert held == {tuple(row) for row in seen[-memory_size:].astype("float32")}


def test_only_anchors_have_a_gradient():
    wrapped = memory_of("multi_similarity", memory_size=16)
    (before, old), (labels, embeddings) = batches(6, 5)
    _, state = train(wrapped, initial_state(wrapped.state(DIM)), before, old)
    _, state = train(wrapped, state, labels, embeddings)
    _, gradient = value_and_gradient(lambda rows: wrapped(labels, rows, state=state), embeddings)
    all_labels, everything = np.concatenate([labels, before]), np.concatenate([embeddings, old])
    pairs = wrapped.loss.relation(Batch.of(labels, embeddings, all_labels, everything))
    kept = ops.convert_to_tensor(1 - np.eye(5, 11))
    pairs = attrs.evolve(pairs, positive=pairs.positive * kept, negative=pairs.negative * kept)
    _, expected = value_and_gradient(lambda rows: wrapped.loss.of_pairs(pairs, rows, everything), embeddings)
    np.testing.assert_allclose(gradient, expected, **CLOSE)
    assert np.any(gradient)


def test_a_batch_that_is_judged_is_compared_with_itself_alone():
    wrapped = memory_of(memory_size=16)
    (before, old), (labels, embeddings) = batches(6, 5)
    _, state = train(wrapped, initial_state(wrapped.state(DIM)), before, old)
    value, gradient = value_and_gradient(lambda rows: wrapped(labels, rows, state=state, training=False), embeddings)
    expected, slope = value_and_gradient(lambda rows: wrapped.loss(labels, rows), embeddings)
    assert value == pytest.approx(expected, **EXACT)
    np.testing.assert_allclose(gradient, slope, **CLOSE)


def test_nothing_is_remembered_until_the_warm_up_is_over():
    wrapped = memory_of(memory_size=12, warmup_steps=2)
    state = initial_state(wrapped.state(DIM))
    steps = list(batches(5, 5, 5, 5))
    for labels, embeddings in steps[:2]:
        value, state = train(wrapped, state, labels, embeddings)
        plain, slope = value_and_gradient(lambda rows, labels=labels: wrapped.loss(labels, rows), embeddings)
        assert value == pytest.approx(plain, **EXACT)
        held = dict(state)
        _, gradient = value_and_gradient(
            lambda rows, labels=labels, held=held: wrapped(labels, rows, state=held), embeddings
        )
        np.testing.assert_allclose(gradient, slope, **CLOSE)
        assert int(array(state["filled"])) == 0
    value, state = train(wrapped, state, *steps[2])
    assert value == pytest.approx(contrastive_against_memory(*steps[2], [], []), **EXACT)
    value, state = train(wrapped, state, *steps[3])
    assert value == pytest.approx(contrastive_against_memory(*steps[3], *steps[2]), **EXACT)
    assert int(array(state["steps"])) == 2


def test_labels_of_64_bits_are_kept_whole():
    wrapped = memory_of(memory_size=8)
    state = initial_state(wrapped.state(DIM))
    (_, old), (_, embeddings) = batches(2, 2)
    far = np.array([2**53 + 1, -(2**53) - 3])
    if str(array(state["labels"]).dtype) == "int32":
        far = np.array([2**31 - 1, -(2**31)])
    _, state = train(wrapped, state, far, old)
    value, state = train(wrapped, state, far - np.array([1, -1]), embeddings)
    # No two labels are equal, so there are only pairs that differ.
    expected = contrastive_against_memory(np.array([0, 1]), embeddings, np.array([2, 3]), old)
    assert value == pytest.approx(expected, **EXACT)
    assert set(far) <= set(array(state["labels"]).tolist())


def two_steps(wrapped):
    """Return a function of two batches to the value of each and what is kept in the end, by name."""

    def step(labels, embeddings, state):
        state = {**state, **wrapped.next_state(Batch.of(labels, embeddings, state=state))}
        return wrapped(labels, embeddings, state=state), state

    def steps(first, one, second, other):
        value, state = step(first, one, initial_state(wrapped.state(DIM)))
        last, state = step(second, other, state)
        return value, last, *(state[name] for name in sorted(state))

    return steps


@pytest.mark.parametrize(
    "options", [{"memory_size": 7}, {"memory_size": 7, "warmup_steps": 1}, {"memory_size": 2}], ids=str
)
def test_a_queue_works_the_same_in_graph_mode_and_compiled(options):
    steps = two_steps(memory_of("multi_similarity", **options))
    (first, one), (second, other) = batches(3, 5)
    arrays = first, one.astype("float32"), second, other.astype("float32")
    expected = [array(part) for part in steps(*arrays)]
    for mode in (in_graph, in_xla):
        for found, wanted in zip(mode(steps, *arrays), expected, strict=True):
            np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-6)


def test_the_miner_of_the_loss_inside_chooses_among_all_that_is_remembered():
    wrapped = memory_of(
        {"name": "multi_similarity", "miner": {"name": "multi_similarity", "epsilon": 0.1}}, memory_size=9
    )
    (before, old), (labels, embeddings) = batches(6, 3)
    _, state = train(wrapped, initial_state(wrapped.state(DIM)), before, old)
    value, _ = train(wrapped, state, labels, embeddings)
    rows = np.concatenate([embeddings, old])
    distances = wrapped.loss.distance.numpy(embeddings, rows)
    same = labels[:, None] == np.concatenate([labels, before])[None]
    total = 0.0
    for i, d in enumerate(distances):
        positive = [j for j in range(9) if same[i, j] and j != i]
        negative = [j for j in range(9) if not same[i, j]]
        if positive and negative:
            positive, negative = (
                [j for j in positive if d[j] > min(d[negative]) - 0.1],
                [j for j in negative if d[j] < max(d[positive]) + 0.1],
            )
        else:
            positive = negative = []
        total += np.log(1 + np.sum(np.exp(-2 * (0.5 - d[positive])))) / 2
        total += np.log(1 + np.sum(np.exp(50 * (0.5 - d[negative])))) / 50
    assert value == pytest.approx(total / 3, **EXACT)


def test_what_the_loss_inside_keeps_is_kept_and_moves_with_the_pairs_of_the_memory():
    wrapped = memory_of(Pulled(), memory_size=8)
    state = initial_state(wrapped.state(DIM))
    assert set(state) == {"embeddings", "labels", "position", "filled", "steps", "loss.factor", "loss.met"}
    (before, old), (labels, embeddings) = batches(4, 4, classes=1)
    _, state = train(wrapped, state, before, old)
    assert float(array(state["loss.met"])) == 12
    value, state = train(wrapped, state, labels, embeddings)
    assert float(array(state["loss.met"])) == 12 + 12 + 16
    twice = wrapped(labels, embeddings, state={**state, "loss.factor": ops.cast(2, "float32")})
    assert float(array(twice)) == pytest.approx(2 * value, **EXACT)


def test_rows_of_labels_are_remembered():
    wrapped = memory_of({"name": "contrastive", "label_comparison": "shared"}, memory_size=8, label_columns=2)
    state = initial_state(wrapped.state(DIM))
    assert tuple(state["labels"].shape) == (8, 2)
    (_, old), (_, embeddings) = batches(3, 3)
    _, state = train(wrapped, state, np.array([[1, 1], [0, 1], [1, 0]]), old)
    labels = np.array([[1, 0], [0, 1], [1, 1]])
    value, _ = train(wrapped, state, labels, embeddings)
    everything = np.concatenate([labels, [[1, 1], [0, 1], [1, 0]]])
    distances = wrapped.loss.distance.numpy(embeddings, np.concatenate([embeddings, old]))
    alike = (labels @ everything.T > 0) & ~np.eye(3, 6, dtype=bool)
    differ = labels @ everything.T == 0
    pulls, pushes = distances[alike], np.maximum(1 - distances[differ], 0)
    expected = sum(part.sum() / max(np.count_nonzero(part), 1) for part in (pulls, pushes))
    assert value == pytest.approx(expected, **EXACT)


def test_references_that_are_given_are_what_is_remembered():
    wrapped = memory_of("multi_similarity", memory_size=6)
    (key_labels, keys), (labels, queries), (more_labels, more) = batches(4, 3, 2)
    _, state = train(wrapped, initial_state(wrapped.state(DIM)), labels, queries, key_labels, keys)
    assert int(array(state["filled"])) == 4
    value, state = train(wrapped, state, labels, queries, more_labels, more)
    expected = wrapped.loss(labels, queries, np.concatenate([more_labels, key_labels]), np.concatenate([more, keys]))
    assert value == pytest.approx(float(array(expected)), **EXACT)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"loss": Scored(num_classes=3)}, "loss must be a loss over pairs, and Scored is none"),
        ({"loss": "vicreg"}, "loss must be a loss over pairs, and VicReg is none"),
        ({"loss": "cross_batch_memory"}, "loss must be a loss over pairs, and CrossBatchMemory is none"),
        ({"loss": {"name": "contrastive", "label_comparison": "shared"}}, "label_columns is needed: Contrastive"),
        ({"label_columns": 3}, "label_columns is for rows of labels, and MultiSimilarity compares single labels"),
    ],
)
def test_a_memory_refuses_what_it_cannot_serve(options, message):
    with pytest.raises(ConfigError, match=message):
        simplug.losses.build("cross_batch_memory", **options)
    cls = simplug.losses.get("cross_batch_memory")
    with pytest.raises(ValueError, match=message):
        cls(**options)


def test_a_memory_needs_labels_and_a_place():
    labels, embeddings = next(batches(4))
    wrapped = memory_of()
    with pytest.raises(InvalidInputError, match="CrossBatchMemory keeps embeddings, labels, position, filled, steps"):
        wrapped(labels, embeddings)
    with pytest.raises(InvalidInputError, match="CrossBatchMemory needs labels"):
        wrapped(None, embeddings, state=initial_state(wrapped.state(DIM)))


def test_the_queue_of_a_model_grows_in_training_only_and_is_saved_with_it(tmp_path):
    import keras

    keras.utils.set_random_seed(0)
    inputs = keras.Input((DIM,))
    model = simplug.SimilarityModel(inputs, keras.layers.Dense(3)(inputs))
    model.compile("sgd", loss={"name": "cross_batch_memory", "loss": "contrastive", "memory_size": 20})
    assert type(model.distance).__name__ == "Euclidean"
    (labels, rows), (other, unseen) = batches(12, 12)
    model.fit(rows, labels, batch_size=6, epochs=1, shuffle=False, validation_data=(unseen, other), verbose=0)
    held = {variable.path.rsplit("/", 1)[-1]: array(variable) for variable in model.non_trainable_variables}
    assert held["filled"] == 12
    np.testing.assert_array_equal(held["labels"][:12], labels)
    assert np.any(held["embeddings"][:12], axis=1).all()
    assert not np.any(held["embeddings"][12:])
    model.save(tmp_path / "model")
    again = simplug.load(tmp_path / "model")
    for variable in again.non_trainable_variables:
        np.testing.assert_array_equal(array(variable), held[variable.path.rsplit("/", 1)[-1]])
    again.fit(rows, labels, batch_size=6, epochs=1, shuffle=False, verbose=0)
    filled = [v for v in again.non_trainable_variables if v.path.endswith("filled")]
    assert [int(array(v)) for v in filled] == [20]


def test_a_sum_of_losses_is_weighted():
    labels, embeddings = next(batches(9))
    parts = ["contrastive", {"name": "triplet", "margin": 0.3}]
    values = [float(array(simplug.losses.build(part)(labels, embeddings))) for part in parts]
    plain = simplug.losses.build("multiple", losses=parts)
    weighted = simplug.losses.build("multiple", losses=parts, weights=[0.5, 2.0])
    assert float(array(plain(labels, embeddings))) == pytest.approx(sum(values), **EXACT)
    assert float(array(weighted(labels, embeddings))) == pytest.approx(0.5 * values[0] + 2 * values[1], **EXACT)


def test_pair_and_class_losses_and_a_memory_are_summed_each_with_its_own_state():
    loss = simplug.losses.build("multiple", losses=["contrastive", Scored(num_classes=3), memory_of(Pulled())])
    assert (loss.compares, loss.takes_references, loss.label_limit, loss.label_rank) == ("classes", False, 3, 1)
    assert type(loss.distance).__name__ == "Euclidean"
    state = initial_state(loss.state(DIM))
    assert {"1.weight", "2.embeddings", "2.loss.factor"} <= set(state)
    labels, embeddings = next(batches(6))
    value, state = train(loss, state, labels, embeddings)
    assert int(array(state["2.filled"])) == 6
    expected = (
        loss.losses[0](labels, embeddings),
        loss.losses[1](labels, embeddings, state={"weight": state["1.weight"]}),
        Pulled()(labels, embeddings, state={"factor": 1.0, "met": 0.0}),
    )
    assert value == pytest.approx(sum(float(array(part)) for part in expected), **EXACT)
    with pytest.raises(InvalidInputError, match="takes no references"):
        loss(labels, embeddings, labels, embeddings, state=state)
    with pytest.raises(InvalidInputError, match="num_classes is 3"):
        loss(labels + 1, embeddings, state=state)


def test_view_losses_are_summed():
    loss = simplug.losses.build("multiple", losses=["vicreg", {"name": "self_supervised", "loss": "contrastive"}])
    assert loss.compares == "views"
    _, embeddings = next(batches(8))
    value = float(array(loss(None, embeddings)))
    assert value == pytest.approx(sum(float(array(part(None, embeddings))) for part in loss.losses), **EXACT)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"losses": []}, "losses must name at least one loss"),
        ({"losses": ["contrastive"], "weights": [1.0, 2.0]}, "weights must be one for each of the 1 losses"),
        ({"losses": ["contrastive"], "weights": [-1.0]}, "must be >= 0"),
        ({"losses": ["contrastive", "vicreg"]}, "losses must all compare two views, or none: VicReg and Contrastive"),
        (
            {"losses": ["triplet", {"name": "contrastive", "label_comparison": "shared"}]},
            "losses must take labels of one form: Triplet single, Contrastive rows of labels",
        ),
        ({}, "needs 'losses', which has no default"),
    ],
)
def test_a_sum_refuses_losses_that_do_not_go_together(options, message):
    with pytest.raises(ConfigError, match=message):
        simplug.losses.build("multiple", **options)


@pytest.mark.parametrize("inside", ["contrastive", "multi_similarity", {"name": "multiple", "losses": ["triplet"]}])
def test_two_views_are_a_pair_whatever_the_labels(inside):
    loss = simplug.losses.build("self_supervised", loss=inside)
    (labels, first), (_, second) = batches(5, 5)
    numbers, both = np.arange(5), np.concatenate([first, second])
    expected = float(array(loss.loss(np.tile(numbers, 2), both)))
    assert float(array(loss(None, both))) == pytest.approx(expected, **EXACT)
    assert float(array(loss(labels, first, labels, second))) == pytest.approx(expected, **EXACT)
    one_way = simplug.losses.build("self_supervised", loss=inside, symmetric=False)
    expected = float(array(loss.loss(numbers, first, numbers, second)))
    assert float(array(one_way(None, both))) == pytest.approx(expected, **EXACT)
    assert float(array(one_way(labels, first, labels, second))) == pytest.approx(expected, **EXACT)


def test_nt_xent_from_two_views_is_simclr():
    (_, first), (_, second) = batches(7, 7)
    pair = simplug.losses.build("self_supervised", loss={"name": "nt_xent", "temperature": 0.2})
    value, slope = value_and_gradient(lambda rows: pair(None, rows, None, second), first)
    simclr = simplug.losses.build("simclr", temperature=0.2)
    expected, wanted = value_and_gradient(lambda rows: simclr(None, rows, None, second), first)
    assert value == pytest.approx(expected, **EXACT)
    np.testing.assert_allclose(slope, wanted, **CLOSE)


@pytest.mark.parametrize("symmetric", [True, False])
def test_remembered_views_of_earlier_examples_are_never_taken_for_views_of_new_ones(symmetric):
    inside = memory_of("multi_similarity", memory_size=20)
    loss = simplug.losses.build("self_supervised", loss=inside, symmetric=symmetric)
    state = initial_state(loss.state(DIM))
    assert "seen" in state
    (_, first), (_, second), (_, third), (_, fourth) = batches(3, 3, 3, 3)
    _, state = train(loss, state, None, first, None, second)
    value, state = train(loss, state, None, third, None, fourth)
    assert int(array(state["seen"])) == 6
    numbers = np.arange(3)
    anchors = np.concatenate([third, fourth]) if symmetric else third
    old = np.concatenate([first, second]) if symmetric else second
    ours = np.tile(numbers, 2) if symmetric else numbers
    fresh = anchors if symmetric else fourth
    pairs = inside.loss.relation(
        Batch.of(ours, anchors, np.concatenate([ours, 10 + ours]), np.concatenate([fresh, old]))
    )
    kept = ops.convert_to_tensor(1 - np.eye(len(anchors), len(fresh) + len(old)) * symmetric)
    pairs = attrs.evolve(pairs, positive=pairs.positive * kept, negative=pairs.negative * kept)
    expected = inside.loss.of_pairs(pairs, anchors, np.concatenate([fresh, old]))
    assert value == pytest.approx(float(array(expected)), **EXACT)


@pytest.mark.parametrize(
    ("inside", "message"),
    [
        ("vicreg", "loss must compare pairs, and VicReg compares views"),
        (Scored(num_classes=3), "loss must compare pairs, and Scored compares classes"),
        ({"name": "contrastive", "label_comparison": "shared"}, "loss must take any single labels"),
    ],
)
def test_two_views_refuse_a_loss_that_cannot_do_with_made_up_labels(inside, message):
    with pytest.raises(ConfigError, match=message):
        simplug.losses.build("self_supervised", loss=inside)


def test_a_loss_that_sees_classes_does_not_take_empty_slots_for_members():
    rng = np.random.default_rng(8)
    labels, rows = np.array([0, 0, 1, 1, 2, 2]), rng.normal(size=(6, 4)).astype("float32")
    plain = simplug.losses.build("centroid_triplet")
    memory = simplug.losses.build("cross_batch_memory", loss=plain, memory_size=50)
    state = initial_state(memory.state(4))
    state |= memory.next_state(Batch.of(labels, rows, state=state))
    assert float(memory(labels, rows, state=state)) == pytest.approx(float(plain(labels, rows)), rel=1e-5)
