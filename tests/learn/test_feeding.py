"""FedBatches: which epoch and which steps Keras gets."""

import keras
import numpy as np
import pytest

from simplug.api import Batches, ListeningBatches
from simplug.kernel.errors import InvalidInputError
from simplug.learn.feeding import FedBatches


class Numbered(Batches):
    """Batches that say where they are from: the label is 10 x the epoch + the step."""

    def __init__(self):
        self.epoch = 0

    def __len__(self):
        return 4

    def __getitem__(self, step):
        return np.zeros((1, 2), dtype="float32"), np.array([10 * self.epoch + step])

    def start_epoch(self, epoch):
        self.epoch = epoch


class Listening(Numbered, ListeningBatches):
    def __init__(self):
        super().__init__()
        self.calls = []

    def hear(self, embed):
        self.calls.append(self.epoch)

    def heard(self):
        return {"calls": np.array(self.calls)}

    def recall(self, heard):
        self.calls = heard["calls"].tolist()


class Recorder(keras.Model):
    """Learns nothing, and keeps the labels that it gets."""

    def __init__(self):
        super().__init__()
        self.seen = []
        self.compile("sgd", "mse", run_eagerly=True)

    def train_step(self, data):
        self.seen += np.asarray(data[1]).tolist()
        return {"loss": 0.0}


@pytest.mark.parametrize("workers", [1, 2])
def test_epochs_count_from_zero_and_each_step_comes_once(workers):
    model = Recorder()
    model.fit(FedBatches(Numbered(), workers=workers), epochs=3, shuffle=False, verbose=0)
    assert model.seen == [0, 1, 2, 3, 10, 11, 12, 13, 20, 21, 22, 23]


def test_the_rest_of_an_epoch_is_a_fit_and_the_next_one_goes_on():
    model, fed = Recorder(), FedBatches(Numbered(), epoch=1, step=3)
    assert len(fed) == 1
    model.fit(fed, initial_epoch=1, epochs=2, shuffle=False, verbose=0)
    assert len(fed) == 4
    model.fit(fed, initial_epoch=2, epochs=3, shuffle=False, verbose=0)
    assert model.seen == [13, 20, 21, 22, 23]


def test_the_model_is_heard_when_an_epoch_has_ended_and_not_before_the_first():
    model, batches = Recorder(), Listening()
    model.fit(FedBatches(batches, embed=lambda inputs: inputs), epochs=2, shuffle=False, verbose=0)
    assert batches.calls == [0, 1]


@pytest.mark.parametrize("step", [-1, 4])
def test_a_step_that_no_epoch_has_is_refused(step):
    with pytest.raises(InvalidInputError, match=rf"step is {step}, and the steps of an epoch go from 0 to 3"):
        FedBatches(Numbered(), step=step)
