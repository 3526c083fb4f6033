"""What the settings of [train] do in a run: schedule, precision, XLA, averages, early stopping, TensorBoard."""

import json

import keras
import numpy as np
import pytest

from simplug.experiment.config import RunConfig
from simplug.experiment.progress import Progress
from simplug.experiment.run import run
from simplug.experiment.scoring import scoring
from simplug.experiment.selection import select
from simplug.experiment.training import train
from simplug.kernel import toml
from simplug.kernel.config import Report, structure
from simplug.kernel.errors import ConfigError

STEPS = 6


def config(every_epochs=0, seen=(0, 1, 2, 3, 4, 5), calibrate=60, **settings):
    table = {
        "dataset": "digits",
        "split": {"train_classes": list(seen)},
        "sampler": {"name": "class_balanced", "classes_per_batch": 4, "examples_per_class": 4},
        "backbone": {"name": "mlp", "units": [16], "embedding_dim": 8},
        "train": {"epochs": 2, "steps_per_epoch": STEPS, **settings},
        "index": {"examples_per_class": 5, "search": "exact", "store": "memory"},
        "calibrate": {"examples": calibrate},
        "evaluate": {"metrics": ["map@r", "fnmr@fmr"], "every_epochs": every_epochs, "intervals": 0},
    }
    report = Report()
    built = structure(RunConfig, table, report)
    report.finish()
    return built


def trained(parsed, **options):
    selection = select(parsed.dataset.load(), parsed)
    return train(parsed, selection.training, Progress(), scoring(parsed, selection), **options), selection


@pytest.fixture(scope="module")
def plain():
    return trained(config())[0]


def weights(model):
    return [np.array(weight) for weight in model.weights]


def test_the_learning_rate_rises_from_zero_and_falls_along_a_cosine():
    schedule = {"schedule": "cosine", "warmup_steps": 4, "learning_rate": 0.01}
    made, _ = trained(config(optimizer=schedule))
    told = [row["learning_rate"] for row in made.history]
    # The rate of the step that comes next: 6 of 12 steps, 2 of the 8 after the warm-up; and all of them.
    np.testing.assert_allclose(told, [0.01 * 0.5 * (1 + np.cos(np.pi * 2 / 8)), 0.0], atol=1e-8)
    rate = made.model.optimizer._learning_rate
    np.testing.assert_allclose([float(rate(step)) for step in range(5)], [0, 0.0025, 0.005, 0.0075, 0.01], atol=1e-8)


def test_mixed_precision_computes_in_half_and_gives_single_precision():
    made, selection = trained(config(precision="mixed_bfloat16"))
    assert "bfloat16" in {layer.compute_dtype for layer in made.model.layers}
    assert {str(weight.dtype) for weight in made.model.trainable_weights} == {"float32"}
    embeddings = made.model.embed(selection.gallery.inputs)
    assert embeddings.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(embeddings, axis=1), 1, atol=1e-5)
    assert keras.config.dtype_policy().name == "float32"


def test_a_step_that_is_compiled_with_xla_learns_the_same(plain):
    made, _ = trained(config(jit_compile=True))
    assert made.model.jit_compile is True
    assert plain.model.jit_compile is False
    np.testing.assert_allclose(made.history[-1]["loss"], plain.history[-1]["loss"], rtol=1e-3)


def test_an_average_of_the_weights_is_kept(plain):
    made, _ = trained(config(optimizer={"average": 0.9}))
    assert made.history[-1]["loss"] == plain.history[-1]["loss"]
    assert max(np.abs(one - other).max() for one, other in zip(weights(made.model), weights(plain.model), strict=True))


def test_a_run_stops_early_and_tells_which_epoch_it_kept(tmp_path, events):
    early = {"metric": "val_unseen_map@r", "patience": 1, "min_delta": 0.9}
    parsed = config(every_epochs=1, epochs=5, early_stopping=early, tensorboard=True)
    outcome = run(parsed, tmp_path / "run")
    assert (outcome.metrics["epochs"], outcome.metrics["kept_epoch"]) == (2, 1)
    header, *rows = [line.split(",") for line in (tmp_path / "run" / "history.csv").read_text().splitlines()]
    assert [row[header.index("kept")] for row in rows] == ["1", "0"]
    report = (tmp_path / "run" / "report.html").read_text()
    told = "It stopped early, after 2 of 5 epochs, by val_unseen_map@r; the weights of epoch 1 are kept."
    assert told in report
    # The weights are those of one epoch, not of two.
    once, _ = trained(config(epochs=1))
    model = keras.saving.load_model(tmp_path / "run" / "model.keras")
    for ours, theirs in zip(weights(model), weights(once.model), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    # TensorBoard gets what the history has.
    scalars = {(step, tag): float(value) for step, tag, plugin, value in events(tmp_path / "run" / "tensorboard")}
    names = [name for name in header if name not in {"epoch", "seconds", "kept"}]
    assert {"loss", "learning_rate", "val_map@r", "val_unseen_map@r"} <= set(names)
    for epoch, row in enumerate(rows, start=1):
        for name in names:
            assert scalars[epoch, name] == pytest.approx(float(row[header.index(name)]), rel=1e-6)
    files = json.loads((tmp_path / "run" / "manifest.json").read_text())["files"]
    assert not any(name.startswith(("tensorboard", "checkpoints")) for name in files)
    assert toml.load(tmp_path / "run" / "config.resolved.toml").values["train"]["early_stopping"]["patience"] == 1


def test_a_score_that_is_better_when_it_is_lower_stops_where_it_no_longer_falls():
    parsed = config(every_epochs=1, early_stopping={"metric": "val_fnmr@fmr"})
    _, stopping = scoring(parsed, select(parsed.dataset.load(), parsed))
    assert stopping.maximize is False


@pytest.mark.parametrize(
    ("early", "options", "message"),
    [
        ({"metric": "val_unsen_map@r"}, {"every_epochs": 1}, "which is not scored; did you mean 'val_unseen_map@r'?"),
        ({"metric": "val_map@r"}, {}, "there are none: set evaluate.every_epochs"),
    ],
)
def test_a_score_that_there_is_not_is_refused_before_any_work(early, options, message):
    with pytest.raises(ConfigError, match=message.replace("?", r"\?")):
        config(early_stopping=early, **options)


def test_classes_apart_are_refused_where_all_are_trained_on(tmp_path):
    parsed = config(every_epochs=1, seen=range(10), early_stopping={"metric": "val_unseen_map@r"})
    with pytest.raises(ConfigError, match=r"are all of classes that are trained on; take 'val_map@r', or leave"):
        run(parsed, tmp_path / "run")
    assert not (tmp_path / "run").exists()
