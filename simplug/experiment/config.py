"""The config of a run: its sections and their defaults."""

from __future__ import annotations

import attrs

from simplug.api import (
    Augmenter,
    Backbone,
    Dataset,
    Distance,
    Loss,
    Matcher,
    Metric,
    Sampler,
    Search,
    Store,
    component,
    components,
    option,
)
from simplug.experiment.self_supervision import problems_of
from simplug.kernel.component import section
from simplug.kernel.errors import ConfigError, Problem, did_you_mean


@attrs.frozen
class SplitSection:
    """Which classes are trained on, and which examples are tested on where the data set does not say."""

    train_classes: tuple[int | str, ...] | None = option(
        None,
        doc="labels to train on, or names of classes; the others are met for the first time after training; none: all "
        "of them, but those of index.unknown_classes",
    )
    train_groups: tuple[int | str, ...] | None = option(
        None,
        doc="in place of train_classes, groups whose classes are trained on, by number or name: alphabets, categories",
    )
    train_fraction: float | None = option(
        None, gt=0, lt=1, doc="in place of train_classes, the share of the classes that is trained on, drawn by chance"
    )
    test_fraction: float | None = option(
        None, gt=0, lt=1, doc="the share of each class that is held out, of a data set that has no test split"
    )
    seed: int = option(0, ge=0, doc="the same seed draws the same classes and examples, whatever train.seed is")

    def __attrs_post_init__(self) -> None:
        ways = ("train_classes", "train_groups", "train_fraction")
        given = [name for name in ways if getattr(self, name) is not None]
        if len(given) > 1:
            mistake = f"and {given[0]} both choose the classes to train on; leave one of them out"
            raise ConfigError([Problem(given[1], mistake)])
        for name in given:
            if getattr(self, name) == ():
                raise ConfigError([Problem(name, "is empty; name at least one, or leave it out to train on all")])


@attrs.frozen
class OptimizerSection:
    """The optimizer, by its Keras name, and its learning rate over time."""

    name: str = option(
        "adam",
        choices=(
            "adadelta",
            "adafactor",
            "adagrad",
            "adam",
            "adamax",
            "adamw",
            "ftrl",
            "lamb",
            "lion",
            "nadam",
            "rmsprop",
            "sgd",
        ),
        doc="the Keras optimizer",
    )
    learning_rate: float = option(0.001, gt=0, doc="the highest learning rate")
    schedule: str = option("constant", choices=("constant", "cosine"), doc="how the learning rate falls after warm-up")
    warmup_steps: int = option(0, ge=0, doc="steps over which the learning rate rises from 0")
    weight_decay: float = option(0.0, ge=0, doc="decay of the weights; 0 for none")
    clip_norm: float = option(0.0, ge=0, doc="largest norm of each gradient; 0 for no limit")
    average: float = option(
        0.0,
        ge=0,
        lt=1,
        doc="largest share of a running average of the weights that stays at each step, such as 0.999; the average is "
        "scored and kept; 0 for none",
    )


@attrs.frozen
class EarlyStoppingSection:
    """A training that ends when a score no longer gets better."""

    metric: str = option(
        doc="the score: a column of history.csv, such as val_map@r, val_seen_map@r or val_unseen_map@r; its metric "
        "says whether higher is better"
    )
    patience: int = option(3, ge=1, doc="the training ends after so many scores in a row that are no better")
    min_delta: float = option(0.0, ge=0, doc="a score is better when it is better by more than this")
    restore_best: bool = option(True, doc="keep the weights of the best score; otherwise the last ones")


@attrs.frozen
class TrainSection:
    """How long, and how."""

    epochs: int = option(5, ge=1, doc="passes of `steps_per_epoch` batches")
    steps_per_epoch: int = option(100, ge=1, doc="batches in an epoch")
    optimizer: OptimizerSection = section(OptimizerSection, doc="the optimizer")
    seed: int = option(42, ge=0, lt=2**32, doc="of initial weights, batches, augmentation and the choice of examples")
    precision: str = option(
        "float32", choices=("float32", "mixed_float16", "mixed_bfloat16"), doc="the Keras dtype policy"
    )
    jit_compile: bool = option(False, doc="compile the training step with XLA")
    workers: int = option(2, ge=0, doc="threads that prepare batches; with 0 or 1, TensorFlow may idle between epochs")
    cache_features: str | None = option(
        None,
        doc="a folder that keeps what the frozen layers of the backbone make of each example, so that they run once; "
        "none: they run in each step",
    )
    early_stopping: EarlyStoppingSection | None = option(
        None, doc="end the training when a score no longer gets better; needs evaluate.every_epochs"
    )
    checkpoint_steps: int = option(
        0,
        ge=0,
        doc="steps between checkpoints within an epoch, from which `simplug run --resume` goes on; 0 for one at the "
        "end of each epoch only",
    )
    watch_collapse: bool = option(
        True, doc="embed a few training examples after each epoch and warn when all come out alike; see the history"
    )
    tensorboard: bool = option(False, doc="write loss, learning rate and scores for TensorBoard into the run folder")


@attrs.frozen
class IndexSection:
    """The gallery: which examples are indexed, and by what."""

    examples_per_class: int = option(20, ge=1, doc="examples of the train split indexed for each class, seen or not")
    unknown_classes: tuple[int | str, ...] = option(
        (),
        doc="labels or names of classes neither trained on nor indexed: a query of one is right when it is called "
        "unknown",
    )
    distance: Distance | None = component("distance", default=None, doc="none: the distance of the loss")
    search: Search = component("search", default="hnsw", doc="how neighbours are found")
    store: Store = component("store", default="lmdb", doc="where the records live")


@attrs.frozen
class CalibrateSection:
    """How the distance is chosen beyond which a query is unknown."""

    metric: Metric = component("metric", default="f1", doc="the classification metric that the cut point optimises")
    examples: int = option(1000, ge=1, doc="at most this many examples of the train split, none of them indexed")
    k: int = option(1, ge=1, doc="neighbours that are matched")
    matcher: Matcher = component("matcher", default="nearest", doc="how neighbours become a label")
    targets: dict[str, dict[str, float]] = section(
        dict, doc="further cut points by name, as { strict = { precision = 0.99 } }"
    )

    def __attrs_post_init__(self) -> None:
        if self.metric.task != "classification":
            raise ValueError(f"metric takes a classification metric, and {self.metric.label} scores {self.metric.task}")


@attrs.frozen
class EvaluateSection:
    """What is measured on the test split."""

    metrics: tuple[Metric, ...] = components(
        "metric",
        default=("precision@1", "map@r", "r_precision", "roc_auc"),
        doc="metrics of retrieval, verification, clustering, training, probes, which learn from the gallery, and of "
        "open sets with index.unknown_classes",
    )
    intervals: int = option(
        1000,
        ge=0,
        doc="resamples of the bootstrap that gives scores a 95 % interval, but those of clustering and training; 0 for "
        "no intervals",
    )

    every_epochs: int = option(
        0, ge=0, doc="epochs between scores while training, on the examples of the calibration; 0 for no such scores"
    )

    def __attrs_post_init__(self) -> None:
        if not self.metrics:
            raise ConfigError([Problem("metrics", "is empty; name at least one")])
        for metric in self.metrics:
            if metric.task == "classification":
                mistake = (
                    f"{metric.label} scores decisions at a cut point, and is reported with those: set "
                    "calibrate.metric to it, or name it in calibrate.targets"
                )
                raise ConfigError([Problem("metrics", mistake)])


@attrs.frozen
class ProjectorSection:
    """The dense layers behind the backbone; what is none, the loss says."""

    layers: int | None = option(None, ge=1, doc="how many dense layers; all but the last end in a ReLU")
    width: int | None = option(None, ge=1, doc="the units of every layer but the last")
    dim: int | None = option(None, ge=1, doc="the units of the last layer, the length of a projection")
    batch_norm: bool | None = option(None, doc="whether every layer but the last is batch-normalised")
    output_batch_norm: bool | None = option(None, doc="whether the last layer is batch-normalised, too")


@attrs.frozen
class PredictorSection:
    """The dense layers behind the projector on the side that learns; what is none, the loss says."""

    layers: int | None = option(None, ge=1, doc="how many dense layers; all but the last end in a ReLU")
    width: int | None = option(None, ge=1, doc="the units of every layer but the last")
    batch_norm: bool | None = option(None, doc="whether every layer but the last is batch-normalised")


@attrs.frozen
class SelfSupervisedSection:
    """What is trained behind the backbone with a loss that compares two views, such as simclr or byol.

    It is no part of the embeddings: they are the backbone's.
    """

    projector: ProjectorSection | None = section(
        ProjectorSection, doc="the layers between embeddings and loss; none: the loss compares the embeddings"
    )
    predictor: PredictorSection = section(PredictorSection, doc="further layers for simsiam and byol")
    momentum: float | None = option(
        None,
        ge=0,
        lt=1,
        doc="the share of itself that the slowly moving copy keeps at each step, for byol and for self_supervised with "
        "symmetric = false; none: 0.99",
    )


def scored_in_training(section: EvaluateSection) -> list[Metric]:
    """Return the metrics that are scored while training: all but those of open sets, whose cut point comes later."""
    return [metric for metric in section.metrics if metric.task != "open_set"]


def scores_in_training(section: EvaluateSection) -> dict[str, Metric]:
    """Return the metrics of :func:`scored_in_training` by the names that their scores may have in the history."""
    return {
        f"val_{group}{metric.label}": metric
        for metric in scored_in_training(section)
        for group in ("", "seen_", "unseen_")
    }


@attrs.frozen
class MadeWithSection:
    """Versions and providers that wrote a resolved config; they are compared, and a difference is only noted."""

    versions: dict[str, str] = section(dict, doc="version of each package")
    providers: dict[str, str] = section(dict, doc="provider of each component")


@attrs.frozen
class RunConfig:
    """Everything that a run is made of."""

    dataset: Dataset = component("dataset", doc="where the examples come from")
    split: SplitSection = section(SplitSection, doc="which classes are trained on")
    sampler: Sampler = component("sampler", default="class_balanced", doc="which examples meet in a batch")
    augmenter: Augmenter | None = component("augmenter", default=None, doc="how training inputs are varied")
    backbone: Backbone = component("backbone", default="small_cnn", doc="the network")
    loss: Loss = component("loss", default="multi_similarity", doc="what training minimises")
    self_supervised: SelfSupervisedSection | None = option(
        None,
        doc="what stands behind the backbone for a loss that compares two views; none: what its paper has, smaller",
    )
    train: TrainSection = section(TrainSection, doc="how long, and how")
    index: IndexSection = section(IndexSection, doc="the gallery")
    calibrate: CalibrateSection = section(CalibrateSection, doc="the distance beyond which a query is unknown")
    evaluate: EvaluateSection = section(EvaluateSection, doc="what is measured on the test split")
    made_with: MadeWithSection | None = option(None, doc="written into resolved configs; not for hand-written ones")

    def __attrs_post_init__(self) -> None:
        both = sorted(set(self.index.unknown_classes) & set(self.split.train_classes or ()), key=str)
        if both:
            mistake = (
                f"names {', '.join(map(str, both))}, and so does split.train_classes: a class is met, or it is not"
            )
            raise ConfigError([Problem("index.unknown_classes", mistake)])
        if self.train.cache_features is not None and self.augmenter is not None:
            mistake = (
                "keeps what frozen layers make of each example, and the augmenter changes the examples anew in each "
                "epoch; leave one of them out"
            )
            raise ConfigError([Problem("train.cache_features", mistake)])
        problems = problems_of(self)
        if problems:
            raise ConfigError(problems)
        early = self.train.early_stopping
        if early is not None:
            self._check_early_stopping(early)

    def _check_early_stopping(self, section: EarlyStoppingSection) -> None:
        if not self.evaluate.every_epochs:
            mistake = "goes by the scores of a training, and there are none: set evaluate.every_epochs"
            raise ConfigError([Problem("train.early_stopping", mistake)])
        names = scores_in_training(self.evaluate)
        if section.metric not in names:
            mistake = (
                f"is '{section.metric}', which is not scored{did_you_mean(section.metric, names)}\n"
                f"scores of evaluate.metrics: {', '.join(names) or 'none'}"
            )
            raise ConfigError([Problem("train.early_stopping.metric", mistake)])
