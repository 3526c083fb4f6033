"""Runs that train on cached features end where runs of the whole model end."""

import keras
import numpy as np
import pytest

import simplug
from simplug.experiment.config import RunConfig
from simplug.experiment.progress import Progress
from simplug.experiment.scoring import scoring
from simplug.experiment.selection import select
from simplug.experiment.training import train
from simplug.kernel.config import Report, structure
from simplug.kernel.errors import ConfigError


@pytest.fixture(scope="module")
def pretrained(tmp_path_factory):
    """A file with a network for images of 8 x 8; its weights are random, which makes no difference here."""
    keras.utils.set_random_seed(3)
    layers = [
        keras.Input((8, 8, 1)),
        keras.layers.Conv2D(6, 3, activation="relu"),
        keras.layers.BatchNormalization(),
        keras.layers.Conv2D(8, 3, activation="relu"),
    ]
    path = tmp_path_factory.mktemp("pretrained") / "network.keras"
    keras.Sequential(layers).save(path)
    return path


def config(path, *, cache=None, loss="multi_similarity", backbone=None, **sections):
    table = {
        "dataset": "digits",
        "split": {"train_classes": [0, 1, 2, 3, 4, 5]},
        "sampler": {"name": "class_balanced", "classes_per_batch": 4, "examples_per_class": 4},
        "backbone": backbone
        or {"name": "saved", "path": str(path), "freeze": ["trunk"], "pooling": "gem", "embedding_dim": 8},
        "loss": loss,
        "train": {"epochs": 2, "steps_per_epoch": 6} | ({"cache_features": str(cache)} if cache is not None else {}),
        "index": {"examples_per_class": 5, "search": "exact", "store": "memory"},
        "calibrate": {"examples": 60},
        "evaluate": {"metrics": ["precision@1"], "every_epochs": 1, "intervals": 0},
    }
    report = Report()
    built = structure(RunConfig, {**table, **sections}, report)
    report.finish()
    return built


def trained(parsed):
    selection = select(parsed.dataset.load(), parsed)
    return train(parsed, selection.training, Progress(), scoring(parsed, selection)), selection.test


def state(model):
    return [np.array(one) for one in (*model.head.variables, *model.optimizer.variables)]


ARCFACE = {"name": "arcface", "num_classes": 6}


def assert_alike(cached, plain, test):
    np.testing.assert_allclose(cached.model.embed(test.inputs), plain.model.embed(test.inputs), atol=1e-4)
    for ours, theirs in zip(state(cached.model), state(plain.model), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-4)
    for ours, theirs in zip(cached.history, plain.history, strict=True):
        assert ours.keys() == theirs.keys()
        assert ours["loss"] == pytest.approx(theirs["loss"], rel=1e-3)
        assert ours["val_precision@1"] == pytest.approx(theirs["val_precision@1"], abs=0.04)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("features")


@pytest.fixture(scope="module")
def with_features(pretrained, folder):
    return trained(config(pretrained, loss=ARCFACE, cache=folder))


def test_the_model_scores_and_what_loss_and_optimizer_keep_are_those_of_a_training_without(pretrained, with_features):
    cached, test = with_features
    assert_alike(cached, trained(config(pretrained, loss=ARCFACE))[0], test)


def test_the_saved_model_takes_examples_and_holds_what_was_trained(with_features, tmp_path):
    cached, test = with_features
    cached.model.save(tmp_path / "model.keras")
    loaded = simplug.load(tmp_path / "model.keras")
    np.testing.assert_allclose(loaded.embed(test.inputs), cached.model.embed(test.inputs), atol=1e-6)
    for ours, theirs in zip(state(loaded), state(cached.model), strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.slow
def test_a_second_training_with_the_same_trunk_takes_the_features_of_the_first(pretrained, with_features, folder):
    def kept():
        return {place: (place / "features.npy").stat().st_mtime_ns for place in folder.iterdir()}

    before = kept()
    assert len(before) == 3  # Of the training, and of the queries and the gallery that it is scored on.
    again, test = trained(config(pretrained, cache=folder))
    assert kept() == before
    assert_alike(again, trained(config(pretrained))[0], test)


def test_a_backbone_without_frozen_layers_is_refused(pretrained, tmp_path):
    for backbone in ("mlp", {"name": "saved", "path": str(pretrained)}):
        with pytest.raises(
            ConfigError, match=r"train\.cache_features: asks for a backbone whose first layers are frozen"
        ):
            trained(config(pretrained, cache=tmp_path, backbone=backbone))
    assert list(tmp_path.iterdir()) == []


def test_an_augmenter_is_refused_with_the_reason(pretrained):
    with pytest.raises(ConfigError, match=r"train\.cache_features: keeps what frozen layers make of each example, and"):
        config(pretrained, cache="features", augmenter="image_basic")


@pytest.mark.slow
def test_an_epoch_behind_a_frozen_application_takes_a_part_of_the_time(tmp_path):
    """Of the second epoch: in the first the steps are traced, and before it the features are computed, once."""
    network = keras.applications.MobileNetV3Small(include_top=False, weights=None, input_shape=(64, 64, 3))
    network.save_weights(tmp_path / "random.weights.h5")
    weights = str(tmp_path / "random.weights.h5")
    backbone = {"name": "mobilenetv3small", "weights": weights, "image_size": 64, "freeze": ["trunk"]}
    seconds = {}
    for name, more in (("plain", {}), ("cached", {"cache_features": str(tmp_path / "features")})):
        parsed = config(None, backbone=backbone, train={"epochs": 2, "steps_per_epoch": 20} | more)
        made = train(parsed, select(parsed.dataset.load(), parsed).training, Progress())
        seconds[name] = made.history[1]["seconds"]
    print(f"an epoch of 20 steps: plain {seconds['plain']:.2f} s, cached {seconds['cached']:.2f} s")
    assert seconds["plain"] > 2 * seconds["cached"]
