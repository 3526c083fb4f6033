"""CollapseCallback: numbers in the logs, one warning, and what it leaves alone."""

from __future__ import annotations

import warnings

import keras
import numpy as np
import pytest

import simplug
from simplug.callbacks import CollapseCallback, CollapseWarning
from simplug.kernel.errors import InvalidInputError
from simplug.learn.collapse_signs import active_triplets, space_of

RNG = np.random.default_rng(0)
LABELS = np.arange(60) % 5
INPUTS = (3 * np.eye(5, 6)[LABELS] + RNG.normal(size=(60, 6))).astype("float32")
SEPARATE = {"name": "triplet", "margin": 0.3}


def small_model(loss=SEPARATE, *, rate=0.01, constant=False):
    """Return a model; a constant one has embeddings that do not depend on its input, and cannot learn to."""
    keras.utils.set_random_seed(1)
    inputs = keras.Input((6,))
    zeros = keras.layers.Dense(4, kernel_initializer="zeros", bias_initializer="ones", trainable=not constant)
    outputs = zeros(inputs) if constant else keras.layers.Dense(4)(inputs)
    if constant:
        outputs = keras.layers.Dense(4, use_bias=False)(outputs)
    model = simplug.SimilarityModel(inputs, outputs)
    model.compile(keras.optimizers.Adam(rate), loss=loss)
    return model


def fit(model, *callbacks, epochs=4):
    return model.fit(INPUTS, LABELS, batch_size=30, epochs=epochs, verbose=0, callbacks=list(callbacks)).history


def test_a_healthy_training_has_numbers_in_its_logs_and_no_warning():
    model = small_model()
    callback = CollapseCallback(INPUTS[:40], LABELS[:40])
    history = fit(model, callback)
    assert callback.found is None
    assert set(history) == {"loss", "embedding_spread", "effective_rank", "active_triplets"}
    embeddings = model.embed(INPUTS[:40])
    assert {name: history[name][-1] for name in ("embedding_spread", "effective_rank")} == pytest.approx(
        space_of(embeddings), rel=1e-5
    )
    distances = model.distance.numpy(embeddings, embeddings)
    assert history["active_triplets"][-1] == active_triplets(distances, LABELS[:40], 0.3)


def test_a_collapse_is_told_once_with_its_numbers_and_what_to_try():
    callback = CollapseCallback(INPUTS, LABELS, patience=2)
    with pytest.warns(CollapseWarning) as caught:
        fit(small_model(constant=True), callback)
    messages = [str(one.message) for one in caught if one.category is CollapseWarning]
    found = callback.found
    assert messages == [found.message]
    assert (found.sign, found.since, found.epoch) == ("spread", 1, 2)
    assert found.numbers["embedding_spread"] == found.numbers["effective_rank"] == 0.0
    assert found.numbers["loss"] == pytest.approx(0.3)
    assert found.message.startswith(
        "the training has collapsed: since epoch 1, the embeddings of all inputs point almost the same way "
        "(embedding_spread 0, below 0.03). In epoch 2: loss 0.3, embedding_spread 0, effective_rank 0, "
        "active_triplets 1. Try, in this order: a learning rate below 0.01, with warm-up; larger batches"
    )


def test_a_loss_at_its_margin_is_a_sign_of_its_own():
    callback = CollapseCallback(INPUTS, LABELS, min_spread=0, min_rank=0)
    with pytest.warns(CollapseWarning, match=r"since epoch 1, the loss stays at 0\.3, as for embeddings that are all"):
        fit(small_model(constant=True), callback)
    assert callback.found.sign == "margin"


def test_with_every_sign_left_out_nothing_is_told():
    fit(small_model(constant=True), CollapseCallback(INPUTS, min_spread=0, min_rank=0, margin_band=0))


@pytest.mark.filterwarnings("ignore::simplug.callbacks.CollapseWarning")
def test_a_training_can_be_stopped():
    history = fit(small_model(constant=True), CollapseCallback(INPUTS, patience=3, stop=True), epochs=9)
    assert len(history["loss"]) == 3


def test_embeddings_on_a_line_are_told_but_not_of_few_classes():
    def on_a_line():
        inputs = keras.Input((6,))
        model = simplug.SimilarityModel(inputs, keras.layers.Dense(4)(keras.layers.Dense(1)(inputs)))
        model.compile("adam", "multi_similarity")
        return model

    few = LABELS < 3
    fit(on_a_line(), CollapseCallback(INPUTS[few], LABELS[few]))
    callback = CollapseCallback(INPUTS, LABELS)
    with pytest.warns(CollapseWarning, match=r"the embeddings lie almost on a line \(effective_rank 1"):
        fit(on_a_line(), callback)
    assert callback.found.sign == "rank"


def test_it_looks_every_so_many_epochs_and_counts_looks():
    seen = {}
    listener = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: seen.setdefault(epoch, "embedding_spread" in logs)
    )
    callback = CollapseCallback(INPUTS, every=2, patience=2)
    with pytest.warns(CollapseWarning):
        fit(small_model(constant=True), callback, listener, epochs=5)
    assert [epoch for epoch, told in seen.items() if told] == [1, 3]
    assert (callback.found.since, callback.found.epoch) == (2, 4)


def test_neither_the_index_nor_the_training_is_changed():
    trained = []
    for callbacks in ([], [CollapseCallback(INPUTS, LABELS)]):
        model = small_model()
        model.index(INPUTS[:20], LABELS[:20])
        gallery = model.gallery
        fit(model, *callbacks, epochs=2)
        assert model.gallery is gallery
        assert len(gallery) == 20
        trained.append(model.get_weights())
    for plain, watched in zip(*trained, strict=True):
        np.testing.assert_array_equal(plain, watched)


def test_it_goes_on_from_a_checkpoint():
    first = CollapseCallback(INPUTS, patience=3)
    fit(small_model(constant=True), first, epochs=2)
    second = CollapseCallback(INPUTS, patience=3)
    second.set_model(small_model(constant=True))
    second.on_train_begin()
    second.restore(first.state())
    with pytest.warns(CollapseWarning):
        second.on_epoch_end(2, {"loss": 0.3})
    assert (second.found.since, second.found.epoch) == (1, 3)
    third = CollapseCallback(INPUTS)
    third.restore(second.state())
    assert third.found == second.found


def test_projections_of_a_loss_between_views_are_watched():
    inputs = keras.Input((6,))
    model = simplug.SimilarityModel(inputs, keras.layers.Dense(4)(inputs))
    model.compile("adam", "simclr", projector={"width": 8, "dim": 3})
    callback = CollapseCallback(INPUTS)
    logs = {}
    callback.set_model(model)
    callback.on_train_begin()
    callback.on_epoch_end(0, logs)
    projections = keras.ops.convert_to_numpy(model.head.projector(model.embed(INPUTS)))
    assert logs["projection_spread"] == pytest.approx(space_of(projections)["embedding_spread"], rel=1e-5)
    assert "active_triplets" not in logs


def test_embeddings_that_are_no_numbers_or_zeros_are_no_reason_to_fail():
    model = small_model("multi_similarity")
    callback = CollapseCallback(INPUTS, LABELS)
    callback.set_model(model)
    for value, expected in ((0.0, 0.0), (np.nan, None)):
        model.set_weights([np.full_like(weight, value) for weight in model.get_weights()])
        logs = {"loss": 1.0}
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            callback.on_train_begin()
            callback.on_epoch_end(0, logs)
        assert logs.get("embedding_spread") == expected


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"inputs": INPUTS[:1]}, "there are 1 inputs; at least 2"),
        ({"inputs": INPUTS, "labels": LABELS[:7]}, "there are 60 inputs and 7 labels"),
        ({"inputs": INPUTS, "labels": LABELS * 0.5}, "labels have dtype float64"),
        ({"inputs": INPUTS, "every": 0}, "every is 0; it is a whole number from 1 up"),
        ({"inputs": INPUTS, "patience": 1.5}, r"patience is 1\.5; it is a whole number"),
        ({"inputs": INPUTS, "min_spread": -1}, r"min_spread is -1; it is a number from 0\.0 up"),
        ({"inputs": INPUTS, "min_rank": "high"}, "min_rank is 'high'"),
        ({"inputs": INPUTS, "margin_band": float("nan")}, "margin_band is nan"),
    ],
)
def test_what_cannot_be_watched_is_refused(options, message):
    with pytest.raises(InvalidInputError, match=message):
        CollapseCallback(**options)


def test_a_model_that_is_no_similarity_model_is_refused():
    plain = keras.Sequential([keras.Input((6,)), keras.layers.Dense(2)])
    with pytest.raises(InvalidInputError, match="CollapseCallback follows a SimilarityModel, not Sequential"):
        CollapseCallback(INPUTS).set_model(plain)
