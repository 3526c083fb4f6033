"""EarlyStopping: when a training ends, and whose weights it keeps."""

import keras
import numpy as np
import pytest

from simplug.kernel.errors import SimplugError
from simplug.learn.early_stopping import EarlyStopping


def small_model():
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, use_bias=False, kernel_initializer="zeros")])
    model.compile("sgd", "mse")
    return model


def follow(scores, *, name="val_score", end=True, callback=None, **options):
    """Give a callback the scores of epochs; the weight of the model counts them. Return the last epoch and weight."""
    settings = {"maximize": True, "patience": 2, "min_delta": 0.0, "restore_best": True} | options
    callback = callback or EarlyStopping(name, name=name, **settings)
    model = small_model()
    callback.set_model(model)
    model.stop_training = False
    callback.on_train_begin()
    for epoch, score in enumerate(scores):
        model.set_weights([np.array([[epoch + 1.0]])])
        callback.on_epoch_end(epoch, {"loss": 1.0} if score is None else {"loss": 1.0, "val_score": score})
        if model.stop_training:
            break
    if end:
        callback.on_train_end()
    return callback, epoch + 1, float(model.get_weights()[0][0, 0])


@pytest.mark.parametrize(
    ("scores", "options", "expected"),
    [
        # The last epoch, the best one, and the epoch whose weights are in the model at the end.
        ([0.1, 0.2, 0.2, 0.1, 0.9], {}, (4, 2, 2)),
        ([0.1, 0.2, 0.1, 0.3, 0.2], {}, (5, 4, 4)),
        ([0.5, 0.4, 0.6, 0.7], {"maximize": False}, (4, 2, 2)),
        ([0.1, 0.2, 0.25, 0.9], {"min_delta": 0.2}, (3, 1, 1)),
        ([0.1, 0.2, 0.2, 0.1, 0.9], {"restore_best": False}, (4, 2, 4)),
        ([0.3, None, 0.2, None, 0.1, 0.9], {}, (5, 1, 1)),
    ],
)
def test_a_training_ends_after_scores_that_are_no_better_and_keeps_the_best(scores, options, expected):
    callback, last, weight = follow(scores, **options)
    assert (last, callback.best_epoch, weight) == expected


def test_one_that_goes_on_ends_where_it_would_have_ended():
    begun, _, _ = follow([0.1, 0.3, 0.2], end=False)
    other = EarlyStopping("val_score", name="val_score", maximize=True, patience=2, min_delta=0.0, restore_best=True)
    other.restore(begun.state())
    _, last, weight = follow([0.3, 0.9], callback=other)
    assert (last, other.best_epoch, weight) == (1, 2, 2)


def test_an_epoch_with_other_scores_but_not_this_one_is_told():
    with pytest.raises(SimplugError, match="is val_unseen_map@r, which could not be scored in epoch 1"):
        follow([0.3], name="val_unseen_map@r")
