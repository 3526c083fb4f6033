"""A training that goes on from a checkpoint comes to the result of an undisturbed one, to the last bit."""

import attrs
import keras
import numpy as np
import pytest

import simplug
from simplug.api import Split
from simplug.kernel.errors import ArtifactError
from simplug.learn.averaging import AveragedWeights
from simplug.learn.checkpoint import newest_checkpoint
from simplug.learn.resuming import Checkpoints, fit

RNG = np.random.default_rng(0)
LABELS = np.arange(96) % 8
INPUTS = (3 * np.eye(8, dtype="float32")[LABELS] + RNG.normal(size=(96, 8))).astype("float32")
EPOCHS, STEPS = 3, 4


class KilledError(Exception):
    """Stands for the end of a process."""


class Kill(keras.callbacks.Callback):
    """Ends a training before a step, counted over all epochs."""

    def __init__(self, at):
        super().__init__()
        self.at = at

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch

    def on_train_batch_begin(self, batch, logs=None):
        if self.epoch * STEPS + batch == self.at:
            raise KilledError


class Losses(keras.callbacks.Callback):
    """Keeps the running loss after each step, by epoch and step."""

    def __init__(self):
        super().__init__()
        self.seen = {}
        self.events = []

    def on_train_begin(self, logs=None):
        self.events.append(f"begin, {self.params['epochs']} epochs of {self.params['steps']}")

    def on_train_end(self, logs=None):
        self.events.append("end")

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch

    def on_train_batch_end(self, batch, logs=None):
        self.seen[self.epoch, batch] = float(logs["loss"])


def small_model(dropout=0.3):
    keras.utils.set_random_seed(3)
    inputs = keras.Input((8,))
    hidden = keras.layers.BatchNormalization()(keras.layers.Dense(12, activation="relu")(inputs))
    made = simplug.SimilarityModel(inputs, keras.layers.Dense(4)(keras.layers.Dropout(dropout)(hidden)))
    made.compile(keras.optimizers.Adam(0.01), loss={"name": "arcface", "num_classes": 8})
    return made


def train(folder, *, kill=None, every=0, start=None):
    """Train a model, new as in a new process; return all its numbers and what the callbacks saw."""
    sampler = simplug.samplers.build("hard_class", classes_per_batch=4, examples_per_class=3)
    batches = sampler.batches(Split(INPUTS, LABELS), steps=STEPS, seed=1)
    model, losses = small_model(), Losses()
    callbacks = [AveragedWeights(0.9), losses, *([] if kill is None else [Kill(kill)])]
    fit(
        model,
        batches,
        epochs=EPOCHS,
        workers=2,
        embed=model.embed,
        callbacks=callbacks,
        checkpoints=Checkpoints(folder, every_steps=every, start=start),
    )
    return [np.array(one) for one in (*model.variables, *model.optimizer.variables)], losses


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    return train(tmp_path_factory.mktemp("undisturbed"))


def assert_same(one, other):
    assert len(one) == len(other)
    for left, right in zip(one, other, strict=True):
        np.testing.assert_array_equal(left, right)


# In the middle of an epoch, at the end of one, in the last step, and after all of them.
@pytest.mark.parametrize(
    ("kill", "at"),
    [
        (6, (1, 2)),
        pytest.param(8, (2, 0), marks=pytest.mark.slow),
        pytest.param(11, (2, 2), marks=pytest.mark.slow),
        (None, (3, 0)),
    ],
)
def test_a_training_that_was_killed_comes_to_the_same_result(undisturbed, tmp_path, kill, at):
    if kill is None:
        train(tmp_path, every=2)
    else:
        with pytest.raises(KilledError):
            train(tmp_path, kill=kill, every=2)
    start = newest_checkpoint(tmp_path)
    assert (start.epoch, start.step) == at
    weights, losses = train(tmp_path, every=2, start=start)
    assert_same(weights, undisturbed[0])
    assert losses.seen == {step: loss for step, loss in undisturbed[1].seen.items() if step >= at}
    # Whatever fits there were, the callbacks see one training.
    assert losses.events == [f"begin, {EPOCHS} epochs of {STEPS}", "end"]


@pytest.mark.slow
def test_a_training_may_be_killed_again_and_again(undisturbed, tmp_path):
    start = None
    for kill in (3, 5, 9):
        with pytest.raises(KilledError):
            train(tmp_path, kill=kill, every=1, start=start)
        start = newest_checkpoint(tmp_path)
        assert (start.epoch, start.step) == divmod(kill, STEPS)
    assert_same(train(tmp_path, start=start)[0], undisturbed[0])


def test_a_checkpoint_of_another_model_is_refused_and_nothing_is_changed(undisturbed, tmp_path):
    train(tmp_path)
    start = newest_checkpoint(tmp_path)
    parts = {**start.parts, "weights": {**start.parts["weights"], "0": np.zeros((9, 12), dtype="float32")}}
    with pytest.raises(ArtifactError, match=r"the checkpoint does not fit: 1 of \d+ tensors of the model have another"):
        train(tmp_path, start=attrs.evolve(start, parts=parts))


class _BreakOff(keras.callbacks.Callback):
    def on_epoch_begin(self, epoch, logs=None):
        if epoch == 1:
            raise KilledError


def test_backup_and_restore_of_keras_keeps_weights_optimizer_and_what_the_loss_learns(tmp_path):
    def fitted(folder, *callbacks):
        # It keeps neither the states of random generators nor the epoch of a data set: no dropout, the same batches.
        model = small_model(dropout=0.0)
        backup = keras.callbacks.BackupAndRestore(folder)
        options = {"batch_size": 24, "shuffle": False, "verbose": 0, "epochs": 2}
        model.fit(INPUTS, LABELS, callbacks=[backup, *callbacks], **options)
        return [np.array(one) for one in (*model.weights, *model.optimizer.variables)]

    expected = fitted(tmp_path / "undisturbed")
    with pytest.raises(KilledError):
        fitted(tmp_path / "killed", _BreakOff())
    assert_same(fitted(tmp_path / "killed"), expected)
