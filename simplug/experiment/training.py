"""The training stage: from a config to a fitted model."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import attrs
import keras
import numpy as np

from simplug.api import Loss, Split
from simplug.experiment.config import OptimizerSection, RunConfig
from simplug.experiment.progress import Progress
from simplug.experiment.selection import Selection
from simplug.kernel.config import plain_fields
from simplug.kernel.errors import ConfigError, Problem, SimplugError
from simplug.kernel.plugins import plugins
from simplug.learn.averaging import AveragedWeights
from simplug.learn.evaluation_callback import EvaluationCallback
from simplug.learn.feeding import FedBatches
from simplug.learn.model import SimilarityModel


@attrs.frozen(eq=False)
class Trained:
    """A fitted model and how it got there.

    Attributes:
        model: The model, compiled and without an index.
        history: One row an epoch: epoch, loss, learning_rate, seconds, and the scores of that epoch, if it has any.
        seconds: How long ``fit`` took, in seconds.
    """

    model: SimilarityModel
    history: list[dict[str, float]]
    seconds: float


def train(
    config: RunConfig, training: Split, progress: Progress, callbacks: Sequence[keras.callbacks.Callback] = ()
) -> Trained:
    """Build the model of a config and fit it.

    Args:
        config: The config.
        training: The examples that are trained on.
        progress: Hears of each step.
        callbacks: They follow the training before all others; what they put into the logs is in the history.

    Raises:
        ConfigError: The loss cannot learn from batches of labelled examples, or has fewer classes than they.
        DataError: The sampler cannot fill its batches from these examples.
        SimplugError: The loss is no longer finite.
    """
    section = config.train
    # Class vectors are numbered from 0 up; a loss over pairs only asks whether labels are equal.
    ranks = np.unique(training.labels, return_inverse=True)[1]
    training = Split(training.inputs, ranks, training.groups)
    if config.augmenter is not None:
        training = config.augmenter.with_classes(training)
    _check_loss(config.loss, int(training.labels.max()) + 1)
    shape = training.example_shape
    if isinstance(shape, dict):
        mistake = f"has examples of several inputs, {', '.join(shape)}, and a backbone takes one"
        raise ConfigError([Problem("dataset", f"{mistake}; train such a model from Python")])
    keras.utils.set_random_seed(section.seed)
    steps = section.epochs * section.steps_per_epoch
    batches = config.sampler.batches(
        training, steps=section.steps_per_epoch, seed=section.seed, augmenter=config.augmenter
    )
    with _precision(section.precision):
        encoder = config.backbone.build(shape)
        model = SimilarityModel(encoder.inputs, encoder.outputs, name="encoder")
    model.compile(
        build_optimizer(section.optimizer, steps), config.loss, jit_compile=section.jit_compile, run_eagerly=False
    )
    follower = _Follower(progress, section.steps_per_epoch)
    started = time.perf_counter()
    model.fit(
        FedBatches(batches, workers=section.workers, embed=model.embed),
        epochs=section.epochs,
        shuffle=False,
        verbose=0,
        callbacks=[*_averaging(section.optimizer), *callbacks, follower, *_offered_callbacks(config)],
    )
    return Trained(model, follower.history, time.perf_counter() - started)


def scoring(config: RunConfig, selection: Selection) -> list[EvaluationCallback]:
    """Return the callback that scores a training on the way, if the config asks for it.

    Its queries are the examples of the calibration, so that the test split is met once, when all is done.
    """
    section, queries = config.evaluate, selection.calibration
    metrics = [metric for metric in section.metrics if metric.task != "open_set"]
    if not section.every_epochs or not metrics:
        return []
    return [
        EvaluationCallback(
            queries.read(),
            queries.labels,
            selection.gallery.read(),
            selection.gallery.labels,
            metrics,
            known_classes=None if np.isin(queries.labels, selection.seen).all() else selection.seen,
            every=section.every_epochs,
            distance=config.index.distance or "auto",
        )
    ]


def _check_loss(loss: Loss, classes: int) -> None:
    if loss.compares == "views":
        mistake = "compares two views of each example, and the batches of a run hold one of each; choose another loss"
        raise ConfigError([Problem("loss", mistake)])
    if loss.label_rank != 1:
        mistake = "takes rows of labels, and the examples of a run have one label each; use 'equal'"
        raise ConfigError([Problem("loss.label_comparison", mistake)])
    if loss.label_limit is not None and loss.label_limit < classes:
        mistake = f"is {loss.label_limit}, but there are {classes} classes to train on"
        raise ConfigError([Problem("loss.num_classes", mistake)])


def build_optimizer(section: OptimizerSection, steps: int) -> keras.optimizers.Optimizer:
    """Return the Keras optimizer of a config section, for a training of `steps` steps."""
    rate: Any = section.learning_rate
    if section.schedule == "cosine" or section.warmup_steps:
        rate = keras.optimizers.schedules.CosineDecay(
            initial_learning_rate=0.0 if section.warmup_steps else section.learning_rate,
            decay_steps=max(1, steps - section.warmup_steps),
            # A floor as high as the peak is a schedule that only warms up.
            alpha=0.0 if section.schedule == "cosine" else 1.0,
            warmup_target=section.learning_rate if section.warmup_steps else None,
            warmup_steps=section.warmup_steps,
        )
    config: dict[str, Any] = {"learning_rate": rate}
    if section.weight_decay:
        config["weight_decay"] = section.weight_decay
    if section.clip_norm:
        config["clipnorm"] = section.clip_norm
    return keras.optimizers.get(section.name).__class__(**config)


def _averaging(section: OptimizerSection) -> list[AveragedWeights]:
    """Return the callback that averages the weights, if the config asks for it; what follows it sees the average."""
    return [AveragedWeights(section.average)] if section.average else []


def _offered_callbacks(config: RunConfig) -> list[keras.callbacks.Callback]:
    offers = plugins.hook.simplug_fit_callbacks(config=plain_fields(config))
    return [callback for offer in offers for callback in offer]


@contextmanager
def _precision(policy: str) -> Iterator[None]:
    """Build layers under a dtype policy without changing it for the rest of the process."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


class _Follower(keras.callbacks.Callback):  # type: ignore[misc]
    """Tells the progress, keeps the history, and stops a training that has diverged."""

    def __init__(self, progress: Progress, steps_per_epoch: int) -> None:
        super().__init__()
        self.history: list[dict[str, float]] = []
        self._progress = progress
        self._steps = steps_per_epoch
        self._epoch = 0
        self._started = 0.0

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self._epoch, self._started = epoch, time.perf_counter()

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        loss = float((logs or {})["loss"])
        if not np.isfinite(loss):
            raise SimplugError(
                f"training diverged: the loss is {loss} in epoch {self._epoch + 1}, step {batch + 1}; "
                "lower train.optimizer.learning_rate or set train.optimizer.clip_norm"
            )
        done = self._epoch * self._steps + batch + 1
        self._progress.advance(done, f"epoch {self._epoch + 1}, loss {loss:.4f}")

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        logs = logs or {}
        self.history.append(
            {
                "epoch": epoch + 1,
                "loss": float(logs["loss"]),
                "learning_rate": float(keras.ops.convert_to_numpy(self.model.optimizer.learning_rate)),
                "seconds": time.perf_counter() - self._started,
                **{_name_in_run(name): float(value) for name, value in logs.items() if name.startswith("val_")},
            }
        )


def _name_in_run(name: str) -> str:
    """Return the name of a score as runs say it: there, a class is unknown when the gallery has not got it either."""
    return name.replace("val_known_", "val_seen_").replace("val_unknown_", "val_unseen_")
