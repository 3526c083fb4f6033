"""The batches of a training, as a config says."""

from __future__ import annotations

import numpy as np

from simplug.api import Batches, Split
from simplug.experiment.config import RunConfig


def numbered_from_zero(config: RunConfig, training: Split) -> Split:
    """Return the examples to train on, their classes numbered from 0 up, and those that the augmenter adds.

    Class vectors are numbered from 0 up; a loss over pairs only asks whether labels are equal.
    """
    ranks = np.unique(training.labels, return_inverse=True)[1]
    training = Split(training.inputs, ranks, training.groups)
    return training if config.augmenter is None else config.augmenter.with_classes(training)


def training_batches(config: RunConfig, training: Split) -> Batches:
    """Return the batches of examples that :func:`numbered_from_zero` has numbered.

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
    training_batches(config, numbered_from_zero(config, training))[0]
