"""What tests of losses and miners share: relations, triplets, batches at the edge, slopes, another library's values."""

import json
from pathlib import Path

import numpy as np
import pytest
from keras import backend

from simplug.testing.tensors import array, value_and_gradient

DOUBLE = backend.backend() == "tensorflow"
"""The other backends compute in single precision, in part, whatever they are given."""

EXACT = 1e-9 if DOUBLE else 1e-5

in_double = pytest.mark.skipif(not DOUBLE, reason="differences need double precision throughout")

PML = Path(__file__).parents[3] / "shared" / "reference" / "pml_values.json"

needs_pml = pytest.mark.skipif(not PML.exists(), reason="the reference values are not beside this checkout")


def relation(labels, ref_labels=None):
    """Return the weights of positives and of negatives; an anchor makes no pair with itself."""
    columns = labels if ref_labels is None else ref_labels
    positive = (labels[:, None] == columns[None, :]).astype(float)
    negative = 1 - positive
    if ref_labels is None:
        np.fill_diagonal(positive, 0)
    return positive, negative


def triplets_of(positive, negative):
    """Yield anchor, positive and negative of every triplet."""
    for a in range(len(positive)):
        for p in np.flatnonzero(positive[a]):
            for n in np.flatnonzero(negative[a]):
                yield a, p, n


def mean(values):
    return float(np.mean(values)) if len(values) else 0.0


def mean_above_zero(values):
    return mean([value for value in values if value > 0])


def close_to(expected):
    return pytest.approx(expected, rel=EXACT, abs=EXACT / 10)


def batches():
    """Return labels and embeddings by name, the first one ordinary, the others each at an edge of its own."""
    rng = np.random.default_rng(7)
    return {
        "random": (rng.integers(0, 5, size=24), rng.normal(size=(24, 6))),
        "many positives": (rng.integers(0, 2, size=40), rng.normal(size=(40, 6))),
        "imbalanced": (np.array([1] + [0] * 10 + [1, 2]), rng.normal(size=(13, 3))),
        "duplicates": (np.array([0, 0, 1, 1, 2, 2, 3, 3]), np.repeat(rng.normal(size=(4, 5)), 2, axis=0)),
        "collapsed": (np.array([0, 0, 1, 1]), np.ones((4, 3))),
        "one class": (np.zeros(6, dtype=int), rng.normal(size=(6, 4))),
        "no positives": (np.arange(6), rng.normal(size=(6, 4))),
        "a single example": (np.array([3]), rng.normal(size=(1, 4))),
        "a zero row": (np.array([0, 0, 1, 1]), np.vstack([np.zeros(3), rng.normal(size=(3, 3))])),
        "far": (np.array([0, 0, 1, 1, 2]), 100 * rng.normal(size=(5, 3))),
    }


BATCHES = batches()


def every_batch_but(*names):
    """Return a mark that gives a test the labels and embeddings of all batches except those named."""
    chosen = {name: batch for name, batch in BATCHES.items() if name not in names}
    return pytest.mark.parametrize(("labels", "embeddings"), chosen.values(), ids=chosen)


every_batch = every_batch_but()


def with_references():
    """Return labels and embeddings of anchors, and those of references that are more and other."""
    rng = np.random.default_rng(3)
    labels, ref_labels = rng.integers(0, 3, size=5), rng.integers(0, 3, size=9)
    return labels, rng.normal(size=(5, 4)), ref_labels, rng.normal(size=(9, 4))


def central_differences(function, values, places=None, step=1e-6):
    """Return the slopes of a function at some places of what it is given; at all of them, in its shape, by default."""
    slopes = []
    for place in np.ndindex(*values.shape) if places is None else places:
        above, below = values.copy(), values.copy()
        above[place] += step
        below[place] -= step
        slopes.append((float(array(function(above))) - float(array(function(below)))) / (2 * step))
    return np.reshape(slopes, values.shape) if places is None else np.array(slopes)


def traced(function, like):
    """Return a function of an array as TensorFlow traces it, which many calls make up for; others as it is written."""
    if not DOUBLE:
        return function
    import tensorflow as tf

    return tf.function(function, input_signature=[tf.TensorSpec(like.shape, like.dtype)], autograph=False)


def pml_losses(chosen):
    """Return parameters, a row and its inputs, for the losses of PyTorch Metric Learning that a predicate takes."""
    if not PML.exists():
        return []
    known = json.loads(PML.read_text())
    return [
        pytest.param(row, known["inputs"][row["input"]], id=f"{row['name']} {row['args']} {row['input']}")
        for row in known["losses"]
        if chosen(row)
    ]


def assert_equal_to_pml(loss, row, inputs, dtype, near=1e-9, steepest=1e-12):
    """Compare value and gradient.

    Args:
        loss: Ours.
        row: What the other library found.
        inputs: For what.
        dtype: The precision in which ours computes.
        near: How far apart values near 0 may be.
        steepest: A gradient of which no entry is larger than this is compared as if one were.
    """
    labels, embeddings = np.array(inputs["labels"]), np.array(inputs["embeddings"], dtype=dtype)
    value, slope = value_and_gradient(lambda rows: loss(labels, rows), embeddings)
    expected = np.array(row["gradient"])
    assert value == pytest.approx(row["value"], rel=1e-5, abs=near)
    assert np.abs(slope - expected).max() <= 1e-4 * max(np.abs(expected).max(), steepest)
