"""The training stage: from a config to a fitted model."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import attrs
import keras

from simplug.api import Loss, Split
from simplug.experiment.batches import numbered_from_zero, training_batches
from simplug.experiment.config import OptimizerSection, RunConfig
from simplug.experiment.feature_cache import CutModel
from simplug.experiment.following import Follower, Scalars
from simplug.experiment.input_scale import warn_of_scale
from simplug.experiment.optimizer import build_optimizer
from simplug.experiment.progress import Progress
from simplug.experiment.self_supervision import check_views, view_options
from simplug.experiment.watching import watching
from simplug.kernel.config import plain_fields
from simplug.kernel.errors import ConfigError, Problem
from simplug.kernel.plugins import plugins
from simplug.learn.averaging import AveragedWeights
from simplug.learn.checkpoint import State
from simplug.learn.collapse import Collapse
from simplug.learn.early_stopping import EarlyStopping
from simplug.learn.model import SimilarityModel
from simplug.learn.resuming import Checkpoints, fit


@attrs.frozen(eq=False)
class Trained:
    """A fitted model and how it got there.

    Attributes:
        model: The model, compiled and without an index.
        history: One row an epoch: epoch, loss, learning_rate, seconds, and the scores of that epoch, if it has any;
            after early stopping also kept, which is 1 for the epoch whose weights are kept, and 0 for others.
        seconds: How long ``fit`` took, in seconds, what came before a resumed checkpoint included.
        kept_epoch: The epoch, counted from 1, whose weights early stopping has put back; None where it has not.
        collapse: What the watch for collapse has found; None where there is nothing.
    """

    model: SimilarityModel
    history: list[dict[str, float]]
    seconds: float
    kept_epoch: int | None = None
    collapse: Collapse | None = None


def train(
    config: RunConfig,
    training: Split,
    progress: Progress,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    *,
    log_dir: Path | None = None,
    checkpoints: Checkpoints | None = None,
) -> Trained:
    """Build the model of a config and fit it.

    Args:
        config: The config.
        training: The examples that are trained on.
        progress: Hears of each step.
        callbacks: They follow the training before all others; what they put into the logs is in the history.
        log_dir: A folder for TensorBoard; None writes nothing for it.
        checkpoints: Where checkpoints go, and the one to go on from; None writes none.

    Raises:
        ArtifactError: A checkpoint cannot be written, or the one to go on from does not fit.
        ConfigError: The loss cannot learn from the batches that sampler and augmenter make, or has fewer classes than
            they.
        DataError: The sampler cannot fill its batches from these examples.
        SimplugError: The loss is no longer finite.
    """
    section = config.train
    training = numbered_from_zero(training)
    # What the model sees of the examples, but for their augmentation.
    shown = training
    if config.augmenter is not None:
        training = config.augmenter.with_classes(training)
    _check_loss(config.loss, int(training.labels.max()) + 1)
    shape = training.example_shape
    if isinstance(shape, dict):
        mistake = f"has examples of several inputs, {', '.join(shape)}, and a backbone takes one"
        raise ConfigError([Problem("dataset", f"{mistake}; train such a model from Python")])
    keras.utils.set_random_seed(section.seed)
    if config.loss.compares == "views":
        check_views(config, training)
    steps = section.epochs * section.steps_per_epoch
    batches = training_batches(config, training)
    warn_of_scale(config.backbone, training)
    with _precision(section.precision):
        encoder = config.backbone.build(shape)
        model = SimilarityModel(encoder.inputs, encoder.outputs, name="encoder")
    clock = _Clock()
    cut = CutModel.of(model, section.cache_features) if section.cache_features is not None else None
    if cut is not None:
        shown = cut.features(training)
        batches = training_batches(config, shown)
        cut.show_features(callbacks)
        model = cut.head

    def compile_model(model: SimilarityModel) -> None:
        model.compile(
            build_optimizer(section.optimizer, steps),
            config.loss,
            **view_options(config.self_supervised),
            jit_compile=section.jit_compile,
            run_eagerly=False,
        )

    compile_model(model)
    watch = watching(config, shown)
    follower = Follower(progress, section.steps_per_epoch)
    scalars = [Scalars(follower, log_dir)] if log_dir is not None else []
    fit(
        model,
        batches,
        epochs=section.epochs,
        workers=section.workers,
        embed=model.embed,
        callbacks=[
            clock,
            *_averaging(section.optimizer),
            *callbacks,
            *watch,
            follower,
            *scalars,
            *_offered_callbacks(config),
        ],
        checkpoints=checkpoints,
    )
    stopping = next((one for one in callbacks if isinstance(one, EarlyStopping)), None)
    kept = stopping.best_epoch if stopping is not None and stopping.restore_best else None
    marks = [{} if kept is None else {"kept": int(row["epoch"] == kept)} for row in follower.history]
    history = [row | mark for row, mark in zip(follower.history, marks, strict=True)]
    trained = model if cut is None else cut.trained(compile_model)
    return Trained(trained, history, clock.seconds, kept, watch[0].found if watch else None)


def _check_loss(loss: Loss, classes: int) -> None:
    if loss.label_rank != 1:
        mistake = "takes rows of labels, and the examples of a run have one label each; use 'equal'"
        raise ConfigError([Problem("loss.label_comparison", mistake)])
    if loss.label_limit is not None and loss.label_limit < classes:
        mistake = f"is {loss.label_limit}, but there are {classes} classes to train on"
        raise ConfigError([Problem("loss.num_classes", mistake)])


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


class _Clock(keras.callbacks.Callback):  # type: ignore[misc]
    """Knows how long a training has taken, over all the processes that worked on it."""

    def __init__(self) -> None:
        super().__init__()
        self._before, self._started = 0.0, time.perf_counter()

    @property
    def seconds(self) -> float:
        return self._before + time.perf_counter() - self._started

    def state(self) -> State:
        return {"seconds": self.seconds}

    def restore(self, state: State) -> None:
        self._before += state["seconds"]
