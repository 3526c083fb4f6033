"""The batches of a training, as a config says."""

from __future__ import annotations

import numpy as np

from simplug.api import Batches, Split
from simplug.experiment.config import RunConfig


def numbered_from_zero(training: Split) -> Split:
    """Return the examples to train on, their classes numbered from 0 up.

    Class vectors are numbered so; a loss over pairs only asks whether labels are equal.
    """
    return Split(training.inputs, np.unique(training.labels, return_inverse=True)[1], training.groups)


def training_batches(config: RunConfig, training: Split) -> Batches:
    """Return the batches of a training.

    Args:
        config: The config.
        training: The examples, numbered from 0 up, with those that the augmenter makes classes of their own.

    Raises:
        DataError: The sampler cannot fill its batches from these examples.
    """
    section = config.train
    return config.sampler.batches(
        training, steps=section.steps_per_epoch, seed=section.seed, augmenter=config.augmenter
    )


def require_first_batch(config: RunConfig, training: Split) -> None:
    """Make the first batch of a training and drop it: what does not fit is told before anything is written.

    Raises:
        DataError: The sampler cannot fill its batches from these examples, or one cannot be read.
        InvalidInputError: The augmenter takes other examples.
    """
    training = numbered_from_zero(training)
    if config.augmenter is not None:
        training = config.augmenter.with_classes(training)
    training_batches(config, training)[0]
