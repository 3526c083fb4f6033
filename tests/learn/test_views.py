"""Models that learn from two views: each method's loss by its definition, the copy, saving, and what is refused."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

import simplug
from simplug.api import InvalidInputError, Predictor, Projector, ViewNetwork
from simplug.kernel.errors import ConfigError
from simplug.learn.view_settings import view_network

MOCO = {
    "name": "self_supervised",
    "symmetric": False,
    "loss": {"name": "cross_batch_memory", "memory_size": 24, "loss": {"name": "nt_xent", "temperature": 0.2}},
}
METHODS = {
    "simclr": {"name": "simclr", "temperature": 0.3},
    "barlow_twins": "barlow_twins",
    "vicreg": "vicreg",
    "simsiam": "simsiam",
    "byol": "byol",
    "moco": MOCO,
}
SMALL = {"projector": {"width": 7, "dim": 5}}
ROWS = 8


def views(seed=0, count=ROWS):
    first = np.random.default_rng(seed).normal(size=(count, 6))
    return np.concatenate([first, first + np.random.default_rng(seed + 1).normal(size=first.shape)]).astype("float32")


def small_model(loss, *, optimizer="sgd", seed=3, **options):
    keras.utils.set_random_seed(seed)
    inputs = keras.Input((6,))
    hidden = keras.layers.BatchNormalization(momentum=0.8, name="norm")(keras.layers.Dense(4, name="dense")(inputs))
    model = simplug.SimilarityModel(inputs, hidden)
    model.compile(optimizer, loss, **{**SMALL, **options})
    rng = np.random.default_rng(5)
    for weight in [*model.weights]:
        if "copy" not in weight.path and weight.dtype == "float32" and "moving" not in weight.path:
            weight.assign(weight.numpy() + rng.normal(scale=0.3, size=weight.shape))
    if model.head.slow_copy is not None:
        for held in model.head.slow_copy.held:
            held.assign(np.abs(held.numpy() + rng.normal(scale=0.3, size=held.shape)))
    return model


def step_loss(model, x, *, training=True):
    return model.compute_loss(x, None, model(x, training=training), training=training)


def train(model, x):
    """One step of ``fit``, without its cost of tracing; returns the loss."""
    with tf.GradientTape() as tape:
        value = step_loss(model, x)
    weights = model.trainable_variables
    model.optimizer.apply_gradients(zip(tape.gradient(value, [w.value for w in weights]), weights, strict=True))
    return float(value)


class Weights:
    """The weights of encoder, projector and predictor as float64, and NumPy's own forward pass in training."""

    def __init__(self, model):
        head = model.head
        self.layers = [model.get_layer("dense"), model.get_layer("norm"), *head.projector.stack]
        self.predictor = [] if head.predictor is None else head.predictor.stack
        self.online = {
            id(w): w.numpy().astype(float) for layer in [*self.layers, *self.predictor] for w in layer.weights
        }
        self.copy = None
        if head.slow_copy is not None:
            followed = [*model.embedding_model.weights, *head.projector.weights]
            held = [w.numpy().astype(float) for w in head.slow_copy.held]
            self.copy = {id(w): value for w, value in zip(followed, held, strict=True)}

    def project(self, x, values):
        return self._run(self.layers, x.astype(float), values)

    def predict(self, rows, values):
        return self._run(self.predictor, rows, values)

    @staticmethod
    def _run(layers, rows, values):
        for layer in layers:
            of = {w.name: values[id(w)] for w in layer.weights}
            if isinstance(layer, keras.layers.Dense):
                rows = rows @ of["kernel"] + of.get("bias", 0)
            elif isinstance(layer, keras.layers.BatchNormalization):
                rows = (rows - rows.mean(0)) / np.sqrt(rows.var(0) + layer.epsilon) * of["gamma"] + of["beta"]
            else:
                rows = np.maximum(rows, 0)
        return rows


def unit(rows):
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def cross_entropy(logits, right):
    return np.mean(np.log(np.exp(logits).sum(1)) - logits[np.arange(len(logits)), right])


def simclr(first, second):
    both = unit(np.concatenate([first, second]))
    logits = both @ both.T / 0.3
    np.fill_diagonal(logits, -np.inf)
    return cross_entropy(logits, (np.arange(len(both)) + len(first)) % len(both))


def barlow_twins(first, second):
    first, second = ((z - z.mean(0)) / np.sqrt(z.var(0) + 1e-5) for z in (first, second))
    correlation = first.T @ second / len(first)
    diagonal = np.diag(correlation)
    return np.sum((1 - diagonal) ** 2) + 0.005 * (np.sum(correlation**2) - np.sum(diagonal**2))


def vicreg(first, second):
    total = 25 * np.mean((first - second) ** 2)
    for view in (first, second):
        covariance = np.cov(view.T)
        variances = np.diag(covariance)
        total += 25 / 2 * np.mean(np.maximum(0, 1 - np.sqrt(variances + 1e-4)))
        total += (np.sum(covariance**2) - np.sum(variances**2)) / len(covariance)
    return total


def turned(predicted, held):
    return np.mean(np.sum(unit(predicted) * unit(held), axis=1))


def contrast(queries, keys, queue):
    logits = unit(queries) @ unit(np.concatenate([keys, queue])).T / 0.2
    return cross_entropy(logits, np.arange(len(queries)))


def definition(method, weights, x, queue=None, *, online=None):
    """Return the value of a step by the papers' formulas; `online` replaces the weights of the side that learns."""
    moving = weights.online if online is None else online
    learning, held = weights.project(x, moving), weights.project(x, weights.online)
    (z1, z2), (h1, h2) = np.split(learning, 2), np.split(held, 2)
    if method in ("simclr", "barlow_twins", "vicreg"):
        return {"simclr": simclr, "barlow_twins": barlow_twins, "vicreg": vicreg}[method](z1, z2)
    if method == "moco":
        k1, k2 = np.split(weights.project(x, weights.copy), 2)
        queue = np.empty((0, k1.shape[1])) if queue is None else queue
        return (contrast(z1, k2, queue) + contrast(z2, k1, queue)) / 2
    p1, p2 = np.split(weights.predict(learning, moving), 2)
    if method == "simsiam":
        return -(turned(p1, h2) + turned(p2, h1)) / 2
    k1, k2 = np.split(weights.project(x, weights.copy), 2)
    return 4 - 2 * turned(p1, k2) - 2 * turned(p2, k1)


@pytest.mark.parametrize("method", METHODS)
def test_the_loss_of_a_step_is_that_of_the_paper(method):
    model = small_model(METHODS[method], **({"momentum": 0.75} if method in ("byol", "moco") else {}))
    x = views()
    before = Weights(model)
    value = float(step_loss(model, x))
    if before.copy is not None:
        # The copy moves before it is looked at.
        model_copy = {k: 0.75 * old + 0.25 * before.online[k] for k, old in before.copy.items()}
        before.copy = model_copy
    assert value == pytest.approx(definition(method, before, x), rel=2e-5)


@pytest.mark.parametrize("method", METHODS)
def test_the_gradient_is_that_of_the_side_that_learns_alone(method):
    model = small_model(METHODS[method], **({"momentum": 0.0} if method in ("byol", "moco") else {}))
    x = views(7)
    weights = Weights(model)
    if weights.copy is not None:
        weights.copy = {k: weights.online[k] for k in weights.copy}
    with tf.GradientTape() as tape:
        value = step_loss(model, x)
    kernel = model.get_layer("dense").kernel
    slope = tape.gradient(value, kernel.value).numpy()
    expected = np.zeros_like(slope)
    for place in np.ndindex(slope.shape):
        sides = []
        for change in (1e-5, -1e-5):
            moved = weights.online[id(kernel)].copy()
            moved[place] += change
            sides.append(definition(method, weights, x, online={**weights.online, id(kernel): moved}))
        expected[place] = (sides[0] - sides[1]) / 2e-5
    np.testing.assert_allclose(slope, expected, rtol=2e-3, atol=2e-4)


def test_keys_of_earlier_steps_are_what_the_next_is_compared_with():
    model = small_model(MOCO, momentum=0.5)
    step_loss(model, views(1))
    before = Weights(model)
    keys = before.project(views(1), before.copy)[ROWS:]
    value = float(step_loss(model, views(2)))
    before.copy = {k: 0.5 * old + 0.5 * before.online[k] for k, old in before.copy.items()}
    assert value == pytest.approx(definition("moco", before, views(2), keys), rel=2e-5)
    assert int(model.head.held["loss.filled"].numpy()) == 2 * ROWS


@pytest.mark.parametrize("loss", ["byol", MOCO])
def test_the_copy_moves_by_its_momentum_after_each_step_of_the_optimizer(loss):
    model = small_model(loss, momentum=0.9)
    x, copy = views(), model.head.slow_copy
    followed = [*model.embedding_model.weights, *model.head.projector.weights]
    train(model, x)
    old, new = [held.numpy() for held in copy.held], [weight.numpy() for weight in followed]
    train(model, x)
    assert any("moving" in weight.path for weight in followed)
    for weight, held, before, online in zip(followed, copy.held, old, new, strict=True):
        if weight.trainable:
            np.testing.assert_allclose(held, np.float32(0.9) * before + np.float32(0.1) * online, rtol=2e-7, atol=1e-8)
    # The copy has moving averages of its own batches, made with its own weights.
    at = next(i for i, weight in enumerate(followed) if weight.path.endswith("norm/moving_mean"))
    kernel, bias = (copy.held[i].numpy() for i in (0, 1))
    np.testing.assert_allclose(copy.held[at], 0.8 * old[at] + 0.2 * (x @ kernel + bias).mean(0), rtol=1e-4, atol=1e-6)


def test_judging_a_batch_moves_nothing():
    model = small_model(MOCO)
    step_loss(model, views())
    before = [weight.numpy() for weight in model.weights]
    step_loss(model, views(4), training=False)
    for weight, value in zip(model.weights, before, strict=True):
        np.testing.assert_array_equal(weight.numpy(), value)


def test_a_copy_starts_equal_to_the_model_and_is_never_trained():
    keras.utils.set_random_seed(0)
    inputs = keras.Input((6,))
    model = simplug.SimilarityModel(inputs, keras.layers.Dense(4)(inputs))
    model.compile("sgd", "byol", **SMALL)
    head = model.head
    followed = [*model.embedding_model.weights, *head.projector.weights]
    for weight, held in zip(followed, head.slow_copy.held, strict=True):
        np.testing.assert_array_equal(held.numpy(), weight.numpy())
    trained = {weight.path for weight in model.trainable_weights}
    assert not [path for path in trained if "slow_copy" in path]
    assert {part for part in ("projector", "predictor") if any(part in path for path in trained)} == {
        "projector",
        "predictor",
    }


@pytest.mark.parametrize("method", METHODS)
def test_a_model_that_was_saved_continues_as_if_it_had_not_been(method, tmp_path):
    model = small_model(METHODS[method], optimizer=keras.optimizers.Adam(0.01), projector={"width": 9, "dim": 3})
    train(model, views())
    train(model, views(4))
    model.save(tmp_path / "model.keras")
    again = simplug.load(tmp_path / "model.keras")
    assert again.head.network == model.head.network
    assert (again.head.network.projector.width, again.head.network.projector.dim) == (9, 3)
    assert again.fingerprint() == model.fingerprint()
    for seed in (8, 9):
        assert train(again, views(seed)) == train(model, views(seed))


def test_what_stands_behind_the_encoder_is_no_part_of_the_embeddings():
    model = small_model("byol")
    names = [weight.name for weight in model.embedding_model.weights]
    assert names == ["kernel", "bias", "gamma", "beta", "moving_mean", "moving_variance"]
    assert model.embed(views()).shape == (2 * ROWS, 4)
    before = model.fingerprint()
    for weight in model.head.weights:
        weight.assign(weight.numpy() + 1)
    assert model.fingerprint() == before
    model.index(views()[:ROWS], np.arange(ROWS))
    assert model.lookup(views()[:ROWS], k=1).ids[:, 0].tolist() == list(range(ROWS))


@pytest.mark.slow
@pytest.mark.parametrize("loss", ["byol", MOCO])
@pytest.mark.parametrize("options", [{"jit_compile": True}, {"jit_compile": False}])
def test_a_compiled_step_gives_the_same(loss, options):
    plain, compiled = small_model(loss), small_model(loss, **options)
    expected = [train(plain, views()) for _ in range(3)]
    history = compiled.fit(views(), batch_size=2 * ROWS, epochs=3, shuffle=False, verbose=0).history["loss"]
    np.testing.assert_allclose(history, expected, rtol=1e-4)


def test_projections_are_in_single_precision_behind_a_half_precision_encoder():
    keras.utils.set_random_seed(0)
    inputs = keras.Input((6,))
    model = simplug.SimilarityModel(inputs, keras.layers.Dense(4, dtype="mixed_bfloat16")(inputs))
    model.compile("sgd", "byol", **SMALL)
    embeddings = model(views())
    assert keras.backend.standardize_dtype(embeddings.dtype) == "bfloat16"
    assert keras.backend.standardize_dtype(step_loss(model, views()).dtype) == "float32"
    assert {keras.backend.standardize_dtype(weight.dtype) for weight in model.head.weights} == {"float32"}
    assert {layer.compute_dtype for layer in model.head.projector.stack} == {"float32"}


def test_dropout_and_the_encoders_own_penalties_are_as_in_any_training():
    keras.utils.set_random_seed(0)
    inputs = keras.Input((6,))
    hidden = keras.layers.Dropout(0.5)(keras.layers.Dense(8, activity_regularizer=keras.regularizers.L2(0.1))(inputs))
    model = simplug.SimilarityModel(inputs, keras.layers.Dense(4)(hidden))
    model.compile("sgd", "byol", **SMALL, momentum=0.0)
    x = views()
    embeddings = model(x, training=True)
    penalty = float(model.losses[0])
    assert penalty > 0
    value = float(model.compute_loss(x, None, embeddings, training=True))
    assert value > penalty
    # The copy drops other units than the model did: both have the same weights, and differ.
    assert value - penalty != pytest.approx(0, abs=1e-3)
    assert np.isfinite([train(model, x) for _ in range(3)]).all()


@pytest.mark.parametrize(
    ("loss", "options", "error", "message"),
    [
        ("contrastive", {"projector": "none"}, InvalidInputError, "projector: for losses that compare two views, and "),
        ("contrastive", {"momentum": 0.9}, InvalidInputError, "Contrastive compares pairs; leave it out"),
        ("mse", {"predictor": {}}, ConfigError, "mse"),
        ("simclr", {"predictor": {"width": 3}}, InvalidInputError, "predictor: SimClr predicts no view from the other"),
        ("vicreg", {"momentum": 0.9}, InvalidInputError, "momentum: VicReg compares the views as one network shows"),
        ("byol", {"momentum": 1.0}, ConfigError, "momentum: is 'auto' or a number from 0 to below 1, not 1.0"),
        ("byol", {"momentum": True}, ConfigError, "momentum: is 'auto' or a number from 0 to below 1, not True"),
        ("byol", {"projector": {"widht": 3}}, ConfigError, r"projector.widht: .* did you mean 'width'"),
        ("byol", {"projector": {"layers": 0}}, ConfigError, "projector.layers: must be >= 1, not 0"),
        ("byol", {"projector": 3}, ConfigError, "projector: is 'auto', 'none' or a table of settings, not 3"),
        ("byol", {"predictor": "none"}, ConfigError, "predictor: is 'auto' or a table of settings, not 'none'"),
    ],
)
def test_what_a_loss_has_no_use_for_is_refused(loss, options, error, message):
    component = simplug.losses.build(loss) if loss != "mse" else None
    if component is None:
        error, message = InvalidInputError, "predictor: for losses that compare two views, and this is a loss of Keras"
    with pytest.raises(error, match=message):
        view_network(component, **options)


def test_settings_replace_those_of_the_loss_one_by_one():
    own = simplug.losses.build("simsiam").view_network
    changed = view_network(simplug.losses.build("simsiam"), projector={"width": 33}, predictor={"layers": 1})
    assert changed.projector == Projector(layers=own.projector.layers, width=33, dim=512, output_batch_norm=True)
    assert changed.predictor == Predictor(layers=1, width=own.predictor.width)
    assert view_network(simplug.losses.build("vicreg"), projector="none").projector is None
    assert view_network(simplug.losses.build("contrastive")) is None


def test_losses_that_are_shown_different_networks_are_not_added_up():
    with pytest.raises(ConfigError, match="losses must be shown the same network: Byol, VicReg differ in predictor"):
        simplug.losses.build("multiple", losses=["byol", "vicreg"])
    both = simplug.losses.build("multiple", losses=["vicreg", "simclr"])
    assert both.view_network == simplug.losses.build("vicreg").view_network


def test_a_network_whose_views_differ_says_how_much_each_direction_counts():
    with pytest.raises(ValueError, match="direction_weight is needed"):
        ViewNetwork(momentum=0.5)


def test_an_odd_batch_is_refused():
    model = small_model("simclr")
    with pytest.raises(InvalidInputError, match="an even number of rows, first view then second, not 15"):
        step_loss(model, views()[:15])
