"""AveragedWeights: a running average of the weights, which is what is evaluated and kept."""

import keras
import numpy as np
import pytest

import simplug
from simplug.kernel.errors import InvalidInputError
from simplug.learn.averaging import AveragedWeights

RNG = np.random.default_rng(0)
INPUTS = RNG.normal(size=(40, 6)).astype("float32")
LABELS = np.arange(40) % 4


def small_model(loss="multi_similarity"):
    keras.utils.set_random_seed(3)
    inputs = keras.Input((6,))
    hidden = keras.layers.BatchNormalization()(keras.layers.Dense(8, activation="relu")(inputs))
    made = simplug.SimilarityModel(inputs, keras.layers.Dense(4)(hidden))
    made.compile(keras.optimizers.Adam(0.01), loss=loss)
    return made


def values(model):
    return [np.array(weight) for weight in model.weights]


class Recorder(keras.callbacks.Callback):
    """Keeps the weights after each step, and what the model has when an epoch ends and when one begins."""

    def __init__(self):
        super().__init__()
        self.steps, self.ends, self.begins = [], [], []

    def on_train_begin(self, logs=None):
        self.steps.append(values(self.model))

    def on_train_batch_end(self, batch, logs=None):
        self.steps.append(values(self.model))

    def on_epoch_begin(self, epoch, logs=None):
        self.begins.append(values(self.model))

    def on_epoch_end(self, epoch, logs=None):
        self.ends.append(values(self.model))


def fit(model, *callbacks, epochs=2, **options):
    model.fit(INPUTS, LABELS, batch_size=10, epochs=epochs, shuffle=False, verbose=0, callbacks=callbacks, **options)


@pytest.fixture(scope="module")
def trained():
    model, recorder = small_model(), Recorder()
    fit(model, AveragedWeights(0.6), recorder)
    return model, recorder


def averages(steps, share):
    """Return the average after each step, in float64, from the formula."""
    average, found = [weight.astype("float64") for weight in steps[0]], []
    for t, weights in enumerate(steps[1:]):
        m = min(share, (1 + t) / (10 + t))
        average = [m * old + (1 - m) * new for old, new in zip(average, weights, strict=True)]
        found.append(average)
    return found


def assert_close(one, other):
    for left, right in zip(one, other, strict=True):
        np.testing.assert_allclose(left, right, rtol=1e-5, atol=1e-6)


def test_the_model_ends_with_the_average_of_its_steps_statistics_of_batch_normalisation_included(trained):
    model, recorder = trained
    expected = averages(recorder.steps, 0.6)
    assert len(expected) == 8
    assert_close(values(model), expected[-1])
    assert np.abs(expected[-1][0] - recorder.steps[-1][0]).max() > 1e-4


def test_an_epoch_ends_with_the_average_and_the_next_goes_on_from_the_weights_that_are_trained(trained):
    _, recorder = trained
    expected = averages(recorder.steps, 0.6)
    assert_close(recorder.ends[0], expected[3])
    for begun, last in zip(recorder.begins[1], recorder.steps[4], strict=True):
        np.testing.assert_array_equal(begun, last)


def test_averaging_does_not_change_the_training(trained):
    _, recorder = trained
    model, plain = small_model(), Recorder()
    fit(model, plain)
    for one, other in zip(recorder.steps[-1], plain.steps[-1], strict=True):
        np.testing.assert_array_equal(one, other)


def test_validation_sees_the_average_and_training_goes_on_without_it():
    class AtTest(Recorder):
        def on_test_begin(self, logs=None):
            self.begins.append(values(self.model))

    model, recorder = small_model(), AtTest()
    fit(model, AveragedWeights(0.6), recorder, validation_data=(INPUTS, LABELS))
    expected = averages(recorder.steps, 0.6)
    # An epoch began, was tested, and the next one began and was tested.
    assert_close(recorder.begins[1], expected[3])
    assert_close(recorder.begins[3], expected[7])
    assert_close(values(model), expected[7])


def test_what_a_loss_learns_is_averaged_and_what_it_only_remembers_is_not():
    model = small_model({"name": "cross_batch_memory", "loss": "contrastive", "memory_size": 20})
    recorder = Recorder()
    fit(model, AveragedWeights(0.6), recorder)
    kept = {id(variable) for variable in model.head.weights}
    for at, weight in enumerate(model.weights):
        if id(weight) in kept:
            np.testing.assert_array_equal(np.array(weight), recorder.steps[-1][at])
    model, recorder = small_model({"name": "arcface", "num_classes": 4}), Recorder()
    fit(model, AveragedWeights(0.6), recorder)
    assert_close(values(model), averages(recorder.steps, 0.6)[-1])


@pytest.mark.parametrize("average", [0, 1, -0.5, True, "much"])
def test_a_share_that_is_none_is_refused(average):
    with pytest.raises(InvalidInputError, match=r"average is .*; it is a number between 0 and 1, such as 0\.999"):
        AveragedWeights(average)
