"""Labels that are texts, from a user's files to what `simplug query` prints."""

import csv
import json

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from simplug.cli.main import cli

NAMES = ["ash", "birch", "oak", "pine"]
CATEGORIES = {"ash": "leaf", "birch": "leaf", "oak": "leaf", "pine": "needle"}
EACH = 8


def pictures():
    """Yield a name of a class, a number, and a picture with a bright bar whose place tells the class."""
    rng = np.random.default_rng(5)
    for row, name in enumerate(NAMES):
        for number in range(EACH):
            pixels = rng.integers(0, 60, (10, 10), dtype=np.uint8)
            pixels[2 * row : 2 * row + 2] = 250
            yield name, number, pixels


def write_folder(folder):
    for name, number, pixels in pictures():
        (folder / name).mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(folder / name / f"{number}.png")


def csv_table(folder):
    write_folder(folder / "files")
    with (folder / "trees.csv").open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["path", "label", "category"])
        writer.writerows([f"files/{name}/{i}.png", name, CATEGORIES[name]] for name, i, _ in pictures())
    return f'name = "csv"\npath = "{folder}/trees.csv"\ncolor = "gray"'


def image_folder(folder):
    write_folder(folder / "trees")
    return f'name = "image_folder"\npath = "{folder}/trees"\ncolor = "gray"'


def tfrecord(folder):
    import tensorflow as tf

    def feature(text):
        return tf.train.Feature(bytes_list=tf.train.BytesList(value=[text]))

    with tf.io.TFRecordWriter(str(folder / "trees.tfrecord")) as writer:
        for name, _, pixels in pictures():
            values = {
                "image": tf.io.encode_png(pixels[..., None]).numpy(),
                "label": name.encode(),
                "kind": CATEGORIES[name].encode(),
            }
            features = tf.train.Features(feature={key: feature(text) for key, text in values.items()})
            writer.write(tf.train.Example(features=features).SerializeToString())
    return f'name = "tfrecord"\npath = "{folder}/trees.tfrecord"\ncategory_key = "kind"\ncolor = "gray"'


def run_of(write, split, folder, monkeypatch):
    """Return what a small run printed, and its folder."""
    monkeypatch.chdir(folder)
    (folder / "trees.toml").write_text(f"""\
[dataset]
{write(folder)}
[split]
{split}
[sampler]
classes_per_batch = 2
examples_per_class = 3
[backbone]
name = "mlp"
embedding_dim = 4
[train]
epochs = 1
steps_per_epoch = 2
[index]
examples_per_class = 3
store = "memory"
search = "exact"
[evaluate]
metrics = ["precision@1"]
intervals = 0
""")
    done = CliRunner().invoke(cli, ["run", "trees.toml"])
    assert done.exit_code == 0, done.output
    return done.stdout, folder / "runs" / "trees"


def check(folder, run, categories):
    metrics = json.loads((run / "metrics.json").read_text())
    assert metrics["classes"] == {str(label): name for label, name in enumerate(NAMES)}
    assert metrics["category_names"] == categories
    Image.fromarray(next(pixels for name, _, pixels in pictures() if name == "oak")).save(folder / "oak.png")
    found = CliRunner().invoke(cli, ["query", str(run), str(folder / "oak.png"), "-k", "3", "--json"])
    assert found.exit_code == 0, found.output
    (result,) = json.loads(found.stdout)
    assert {neighbor["label"] for neighbor in result["neighbors"]} <= set(NAMES)
    assert result["match"] in {*NAMES, "unknown"}
    return metrics


def test_a_table_is_trained_on_one_category_and_queried_by_name(tmp_path, monkeypatch):
    _, run = run_of(csv_table, 'train_groups = ["leaf"]', tmp_path, monkeypatch)
    metrics = check(tmp_path, run, {"0": "leaf", "1": "needle"})
    assert metrics["trained_on"] == [0, 1, 2]
    assert list(metrics["groups"]) == ["all", "seen", "unseen"]


@pytest.mark.slow
def test_a_folder_is_trained_on_a_share_of_its_classes_which_is_printed(tmp_path, monkeypatch):
    printed, run = run_of(image_folder, "train_fraction = 0.5\nseed = 3", tmp_path, monkeypatch)
    metrics = check(tmp_path, run, {})
    names = ", ".join(NAMES[label] for label in metrics["trained_on"])
    assert len(metrics["trained_on"]) == 2
    assert f"trained on 2 of 4 classes, drawn by chance: {names}\n" in printed


@pytest.mark.slow
def test_records_are_trained_on_by_the_names_of_their_classes(tmp_path, monkeypatch):
    _, run = run_of(tfrecord, 'train_classes = ["oak", "ash", "birch"]', tmp_path, monkeypatch)
    assert check(tmp_path, run, {"0": "leaf", "1": "needle"})["trained_on"] == [0, 1, 2]
