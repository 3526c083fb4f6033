"""`simplug run`, `query`, `evaluate` on a small run of the real thing, and what they say when they cannot."""

import csv
import io
import json
import os
import re
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import h5py
import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits

import simplug
from simplug.kernel import toml
from simplug.kernel.errors import ArtifactError

CONFIG = """\
# A small run of the hello world.
[dataset]
name = "digits"
[split]
train_classes = [2, 3, 1, 7, 9, 6]
[sampler]
classes_per_batch = 6
examples_per_class = 5
[backbone]
name = "mlp"
embedding_dim = 16
[loss]
name = "multi_similarity"
miner = "multi_similarity"
[train]
epochs = 2
steps_per_epoch = 30
seed = 5
[index]
examples_per_class = 15
[evaluate]
metrics = ["precision@1", "map@r", "roc_auc", "effective_rank", "ami"]
intervals = 100
"""


STEADY = {**os.environ, "TF_NUM_INTRAOP_THREADS": "1", "TF_NUM_INTEROP_THREADS": "1", "OMP_NUM_THREADS": "1"}
"""With one thread a sum has one order, and two processes have the same numbers to the last bit."""


def simplug_command(*arguments, cwd, **options):
    return subprocess.run(
        [sys.executable, "-m", "simplug", *map(str, arguments)],
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        **options,
    )


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("small-run")
    (folder / "small.toml").write_text(CONFIG)
    return folder


@pytest.fixture(scope="module")
def finished(place):
    return simplug_command("run", "small.toml", cwd=place, env=STEADY)


@pytest.fixture(scope="module")
def folder(finished, place):
    assert finished.returncode == 0, finished.stderr
    return place / "runs" / "small"


def test_the_scores_are_printed_for_seen_and_unseen_classes_apart(finished):
    assert finished.returncode == 0, finished.stderr
    lines = finished.stdout.splitlines()
    assert lines[0].split() == ["queries", "of", "all", "classes", "seen", "classes", "unseen", "classes"]
    table = {re.split("  +", line)[0]: re.split("  +", line.strip())[1:] for line in lines[1:9]}
    assert list(table) == [
        *("queries", "precision@1", "map@r", "roc auc", "effective rank", "ami", "matching accuracy", "unknown")
    ]
    counts = [int(cell) for cell in table["queries"]]
    assert counts[0] == counts[1] + counts[2]
    assert all(re.fullmatch(r"0\.\d{3} \(0\.\d\d-[01]\.\d\d\)", cell) for cell in table["precision@1"])
    assert all(re.fullmatch(r"\d+\.\d{3}", cell) for cell in table["effective rank"])
    assert lines[-1] == "report: runs/small/report.html"
    assert "Traceback" not in finished.stderr


def test_the_folder_holds_everything_and_no_mark_of_being_unfinished(folder):
    assert {path.name for path in folder.iterdir()} == {
        "config.resolved.toml",
        "history.csv",
        "index",
        "manifest.json",
        "metrics.json",
        "model.keras",
        "model_card.md",
        "report.html",
    }


def test_the_scores_are_better_than_chance_and_consistent(folder):
    metrics = json.loads((folder / "metrics.json").read_text())
    groups = metrics["groups"]
    assert groups["all"]["queries"] == groups["seen"]["queries"] + groups["unseen"]["queries"]
    assert groups["seen"]["precision@1"] > 0.85
    assert groups["unseen"]["precision@1"] > 0.5
    confusion = np.array(metrics["confusion"])
    assert confusion.shape == (10, 11)
    assert confusion.sum() == groups["all"]["queries"]
    accuracy = np.trace(confusion[:, :10]) / confusion.sum()
    assert accuracy == pytest.approx(groups["all"]["matching_accuracy"])
    assert confusion[:, 10].sum() / confusion.sum() == pytest.approx(groups["all"]["unknown"])


def test_scores_have_intervals_and_come_by_class_too(folder):
    metrics = json.loads((folder / "metrics.json").read_text())
    for group, intervals in metrics["intervals"].items():
        # Numbers about clusters and the space of the embeddings have none.
        assert list(intervals) == ["precision@1", "map@r", "roc_auc", "matching_accuracy", "unknown"]
        for label, (low, high) in intervals.items():
            assert low <= metrics["groups"][group][label] <= high
            assert low < high or high in (0.0, 1.0)
    per_class = metrics["per_class"]
    assert list(per_class) == [str(digit) for digit in range(10)]
    assert sum(scores["queries"] for scores in per_class.values()) == metrics["groups"]["all"]["queries"]
    hits = sum(scores["queries"] * scores["precision@1"] for scores in per_class.values())
    assert hits / metrics["groups"]["all"]["queries"] == pytest.approx(metrics["groups"]["all"]["precision@1"])


def test_the_resolved_config_has_every_default_and_who_made_it(folder):
    resolved = toml.load(folder / "config.resolved.toml").values
    assert resolved["loss"]["beta"] == 50.0
    assert resolved["train"]["optimizer"]["name"] == "adam"
    assert resolved["augmenter"] == "none"
    assert resolved["made_with"]["versions"]["simplug"] == simplug.__version__
    assert resolved["made_with"]["providers"]["loss:multi_similarity"] == f"simplug {simplug.__version__}"


def test_the_report_is_one_file_with_pictures_and_an_unknown_column(folder):
    report = (folder / "report.html").read_text()
    assert report.count("<img") > 10 * 6
    assert "http://" not in report
    assert "https://" not in report
    assert "unseen classes" in report


def test_the_history_has_a_row_an_epoch(folder):
    head, *rows = (folder / "history.csv").read_text().splitlines()
    assert head == "epoch,loss,learning_rate,seconds,embedding_spread,effective_rank,active_triplets"
    assert len(rows) == 2
    assert float(rows[1].split(",")[1]) < float(rows[0].split(",")[1])


@pytest.mark.slow
def test_scores_on_the_way_are_columns_of_the_history(place):
    done = simplug_command(
        *("run", "small.toml", "--out", "followed", "--set", "train.epochs=3", "--set", "train.steps_per_epoch=5"),
        *("--set", "evaluate.every_epochs=2", "--set", 'evaluate.metrics=["map@r"]'),
        cwd=place,
    )
    assert done.returncode == 0, done.stderr
    head, *rows = (line.split(",") for line in (place / "followed" / "history.csv").read_text().splitlines())
    assert head[7:] == ["val_map@r", "val_seen_map@r", "val_unseen_map@r"]
    assert [all(row[7:]) for row in rows] == [False, True, True]
    whole, seen, unseen = (float(value) for value in rows[2][7:])
    assert min(seen, unseen) < whole < max(seen, unseen)


PLUGIN = """
import json
import keras
from simplug.api import hookimpl

events = []

class Count(keras.callbacks.Callback):
    def on_epoch_end(self, epoch, logs=None):
        events.append(f"epoch {epoch}")

@hookimpl
def simplug_config_loaded(config, source):
    events.append(f"config {source.name}")

@hookimpl
def simplug_component_built(kind, name):
    if kind == "miner":
        events.append(f"built {kind} {name}")

@hookimpl
def simplug_fit_callbacks(config):
    return [Count()]

@hookimpl
def simplug_index_built(index):
    events.append(f"indexed {len(index)}")

@hookimpl
def simplug_evaluated(scores):
    events.append(f"evaluated {sorted(scores)}")

@hookimpl
def simplug_report_sections(run):
    return [("From a plugin", f"<p>{len(run['index'])} records</p>")]

@hookimpl
def simplug_report_header():
    return ["a line from a plugin"]

@hookimpl
def simplug_artifact_saved(path, manifest):
    if manifest.artifact == "run":
        print(json.dumps(events))
"""


@pytest.mark.slow
def test_the_resolved_config_repeats_the_run_and_plugins_follow_it(folder, place):
    (place / "follow.py").write_text(PLUGIN)
    config = folder / "config.resolved.toml"
    again = simplug_command("--plugin", "follow.py", "run", config, "--out", "again", "--json", cwd=place)
    assert again.returncode == 0, again.stderr
    events, scores = again.stdout.splitlines()
    assert json.loads(events) == [
        "config config.resolved.toml",
        "built miner multi_similarity",
        "epoch 0",
        "epoch 1",
        "indexed 150",
        "evaluated ['all', 'seen', 'unseen']",
    ]
    report = (place / "again" / "report.html").read_text()
    assert "<h2>From a plugin</h2>\n<p>150 records</p>" in report
    assert "a line from a plugin" in report
    before, after = json.loads((folder / "metrics.json").read_text()), json.loads(scores)
    assert after["groups"] == before["groups"]
    assert after["cut_points"] == before["cut_points"]


LOOKUP = """
import sys
import numpy as np
import simplug
from sklearn.datasets import load_digits
images = np.round(load_digits().images[:200] * 255 / 16).astype("uint8")[..., None]
hits = simplug.load(sys.argv[1]).lookup(images, k=7)
np.savez(sys.argv[2], ids=hits.ids, distances=hits.distances, labels=hits.labels)
"""


@pytest.mark.slow
def test_lookups_are_bit_equal_in_two_fresh_processes(folder, tmp_path):
    found = []
    for name in ("first.npz", "second.npz"):
        subprocess.run([sys.executable, "-c", LOOKUP, str(folder), str(tmp_path / name)], check=True)
        found.append(np.load(tmp_path / name))
    for key in ("ids", "distances", "labels"):
        assert found[0][key].tobytes() == found[1][key].tobytes()


def test_a_loaded_run_looks_up_as_the_report_says(folder):
    model = simplug.load(folder)
    digits = load_digits()
    images = np.round(digits.images[:50] * 255 / 16).astype("uint8")[..., None]
    assert np.mean(model.match(images) == digits.target[:50]) > 0.7


def test_evaluate_gives_the_scores_of_the_run_again(folder, place):
    again = simplug_command("evaluate", folder, "--json", cwd=place)
    assert again.returncode == 0, again.stderr
    scores, metrics = json.loads(again.stdout), json.loads((folder / "metrics.json").read_text())
    assert scores == {"groups": metrics["groups"], "intervals": metrics["intervals"]}


def test_evaluate_takes_metrics_of_any_task_but_classification(folder, place):
    other = simplug_command("evaluate", folder, "--metric", "mrr", "--metric", "eer", "--json", cwd=place)
    assert other.returncode == 0, other.stderr
    groups = json.loads(other.stdout)["groups"]
    assert list(groups["all"]) == ["queries", "mrr", "eer", "matching_accuracy", "unknown"]
    assert 0.9 < groups["seen"]["mrr"] <= 1
    assert groups["seen"]["eer"] < groups["unseen"]["eer"]


@pytest.mark.parametrize(
    ("metric", "message"),
    [
        ("f1", "f1 scores decisions at a cut point"),
        ("unknown_auroc", "every class of the test split is in the gallery; leave some out of it with"),
    ],
)
def test_evaluate_refuses_metrics_that_it_cannot_score(folder, place, metric, message):
    failed = simplug_command("evaluate", folder, "--metric", metric, cwd=place)
    assert failed.returncode == 1
    assert message in failed.stderr
    assert "Traceback" not in failed.stderr


@pytest.mark.slow
def test_queries_of_unknown_classes_are_a_group_and_open_sets_are_scored(place):
    done = simplug_command(
        *("run", "small.toml", "--out", "open", "--json", "--set", "index.unknown_classes=[0, 8]"),
        *("--set", 'evaluate.metrics=["precision@1", "unknown_auroc", "detection@false_alarm"]'),
        cwd=place,
    )
    assert done.returncode == 0, done.stderr
    metrics = json.loads(done.stdout)
    groups = metrics["groups"]
    assert list(groups) == ["all", "seen", "unseen", "unknown"]
    assert groups["all"]["unknown_auroc"] > 0.6
    assert "unknown_auroc" not in groups["seen"]
    assert list(groups["unknown"]) == ["queries", "matching_accuracy", "unknown"]
    assert groups["unknown"]["matching_accuracy"] == groups["unknown"]["unknown"]
    confusion = np.array(metrics["confusion"])
    assert confusion[:, [0, 8]].sum() == 0
    assert confusion[[0, 8], 10].sum() == round(groups["unknown"]["unknown"] * groups["unknown"]["queries"])
    assert "precision@1" not in metrics["per_class"]["8"]


def test_query_finds_the_neighbours_of_an_image(folder, place):
    digits = load_digits()
    seven = int(np.flatnonzero(digits.target == 7)[3])
    Image.fromarray(np.round(digits.images[seven] * 255 / 16).astype("uint8")).save(place / "seven.png")
    found = simplug_command("query", folder, "seven.png", "-k", 3, "--json", cwd=place)
    assert found.returncode == 0, found.stderr
    (result,) = json.loads(found.stdout)
    assert result["query"] == "seven.png"
    assert len(result["neighbors"]) == 3
    assert result["neighbors"][0]["label"] == "7"
    printed = simplug_command("query", folder, "seven.png", cwd=place)
    assert printed.stdout.startswith("seven.png: ")


def test_query_names_a_file_that_cannot_be_read(folder, place):
    (place / "torn.png").write_bytes(b"no picture")
    failed = simplug_command("query", folder, "torn.png", cwd=place)
    assert failed.returncode == 1
    assert "error: torn.png cannot be read as an image" in failed.stderr
    assert "Traceback" not in failed.stderr


def test_a_taken_folder_is_refused_before_any_work(folder, place):
    failed = simplug_command("run", "small.toml", cwd=place)
    assert failed.returncode == 1
    assert "error: runs/small holds a run already; pass --overwrite to replace it" in failed.stderr
    assert json.loads((folder / "metrics.json").read_text())


def test_three_mistakes_are_all_reported_with_their_lines_and_nothing_is_trained(place):
    (place / "wrong.toml").write_text(
        CONFIG.replace("epochs = 2", 'epochs = "two"').replace('"map@r"', '"map@rr"').replace("[index]", "[indx]")
    )
    failed = simplug_command("run", "wrong.toml", cwd=place)
    assert failed.returncode == 1
    assert failed.stderr.startswith("error: 3 problems in the config:")
    lines = (place / "wrong.toml").read_text().splitlines()
    for line, path in (("epochs", "train.epochs"), ("metrics", "evaluate.metrics[1]"), ("[indx]", "indx")):
        number = next(i for i, text in enumerate(lines, start=1) if text.startswith(line))
        assert f"wrong.toml:{number}: {path}: " in failed.stderr
    assert "did you mean 'index'?" in failed.stderr
    assert "Traceback" not in failed.stderr
    assert not (place / "runs" / "wrong").exists()


def write_bad_data(place):
    """Write data sets of the kinds that go wrong in practice."""
    for label in "ab":
        (place / "photos" / label).mkdir(parents=True, exist_ok=True)
        for i in range(3):
            Image.new("L", (8, 8), 40 * i).save(place / "photos" / label / f"{i}.png")
    (place / "photos" / "b" / "2.png").write_bytes(b"\x89PNG torn")
    images = np.zeros((12, 8, 8), dtype=np.uint8)
    np.savez(place / "short.npz", x_train=images, y_train=np.arange(11), x_test=images, y_test=np.arange(12))
    few = {"x_train": images, "y_train": np.arange(12) // 4, "x_test": images, "y_test": np.arange(12) // 4}
    np.savez(place / "few.npz", **few)
    np.savez(place / "empty.npz", **{**few, "x_test": images[:0], "y_test": np.arange(0)})


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (["dataset.name=npz", "dataset.path=nowhere.npz"], "nowhere.npz"),
        (["dataset.name=npz", "dataset.path=short.npz"], "short.npz"),
        (["dataset.name=npz", "dataset.path=few.npz", "split.train_classes=none"], "class 0 has 4 examples"),
        (["dataset.name=npz", "dataset.path=empty.npz"], "array 'x_test' is empty"),
        (["dataset.name=image_folder", "dataset.path=photos"], "2.png"),
        (["sampler.classes_per_batch=9"], "9"),
        (["index.examples_per_class=500"], "index.examples_per_class is 500"),
        (["split.train_classes=[1, 44]"], "split.train_classes names 44"),
    ],
)
def test_data_that_cannot_be_used_leave_no_complete_run(place, settings, message):
    write_bad_data(place)
    arguments = [word for setting in settings for word in ("--set", setting)]
    failed = simplug_command("run", "small.toml", "--out", "failed", "--overwrite", *arguments, cwd=place)
    assert failed.returncode == 1, failed.stdout
    assert message in failed.stderr
    assert "Traceback" not in failed.stderr
    assert not (place / "failed" / "manifest.json").exists()


def test_an_output_folder_that_cannot_be_written_is_refused(place):
    failed = simplug_command("run", "small.toml", "--out", "/proc/simplug-run", cwd=place)
    assert failed.returncode == 1
    assert "error: /proc/simplug-run cannot be written" in failed.stderr
    assert "Traceback" not in failed.stderr


@pytest.mark.slow
def test_ctrl_c_leaves_a_folder_that_says_it_is_incomplete(place):
    process = subprocess.Popen(
        [sys.executable, "-m", "simplug", "run", "small.toml", "--out", "stopped", "--set", "train.epochs=10000"],
        cwd=place,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    mark = place / "stopped" / "INCOMPLETE"
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and not (mark.exists() and '"train"' in mark.read_text()):
        time.sleep(0.1)
    time.sleep(3)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in errors
    assert errors.endswith("`simplug run --resume stopped` goes on from the last checkpoint\ninterrupted\n")
    with pytest.raises(ArtifactError, match="is incomplete: its run stopped in the stage 'train'"):
        simplug.load(place / "stopped")
    queried = simplug_command("query", "stopped", "small.toml", cwd=place)
    assert queried.returncode == 1
    assert "is incomplete" in queried.stderr
    resumed = simplug_command("run", "small.toml", "--out", "stopped", "--overwrite", cwd=place)
    assert resumed.returncode == 0, resumed.stderr


def kill_at(checkpoint, folder, *arguments, cwd):
    """Start a run, and kill it once it has a checkpoint of this name, or a later one; return its checkpoints."""
    process = subprocess.Popen(
        [sys.executable, "-m", "simplug", "run", *map(str, arguments)],
        cwd=cwd,
        env=STEADY,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    place, found = folder / "checkpoints", []
    try:
        deadline = time.monotonic() + 240
        while not any(name >= checkpoint for name in found):
            assert time.monotonic() < deadline
            assert process.poll() is None, f"the run ended with {process.returncode} before {checkpoint}; had {found}"
            time.sleep(0.002)
            found = [path.name for path in place.iterdir() if path.name[0] != "."] if place.is_dir() else []
    finally:
        process.kill()
        process.wait()
    return found


def result_of(folder):
    """Return all that a run comes to, but for what tells a time: weights, scores, and the history as text."""
    with (
        zipfile.ZipFile(folder / "model.keras") as archive,
        h5py.File(io.BytesIO(archive.read("model.weights.h5"))) as file,
    ):
        weights = {}
        file.visititems(
            lambda name, node: weights.update({name: node[()].tobytes()}) if isinstance(node, h5py.Dataset) else None
        )
    metrics = json.loads((folder / "metrics.json").read_text())
    with (folder / "history.csv").open() as stream:
        history = [{name: text for name, text in row.items() if name != "seconds"} for row in csv.DictReader(stream)]
    return weights, {name: value for name, value in metrics.items() if name != "fit_seconds"}, history


@pytest.mark.slow
def test_a_run_that_was_killed_goes_on_to_the_same_result(place, folder):
    killed = place / "killed"
    kill_at("000001-", killed, "small.toml", "--out", killed, "--set", "train.checkpoint_steps=4", cwd=place)
    with pytest.raises(ArtifactError, match=r"stopped in the stage '\w+'; `simplug run --resume .*killed` goes on"):
        simplug.load(killed)
    resumed = simplug_command("run", "--resume", killed, cwd=place, env=STEADY)
    assert resumed.returncode == 0, resumed.stderr
    assert result_of(killed) == result_of(folder)
    assert {path.name for path in killed.iterdir()} == {path.name for path in folder.iterdir()}


@pytest.mark.slow
def test_a_run_that_was_killed_several_times_goes_on_to_the_same_result(place):
    (place / "often.toml").write_text(
        CONFIG.replace('"mlp"', '"small_cnn"\ndropout = 0.2')
        .replace('metrics = ["precision@1", "map@r", "roc_auc", "effective_rank", "ami"]', 'metrics = ["map@r"]')
        .replace("intervals = 100", "intervals = 0\nevery_epochs = 1")
        .replace("epochs = 2\nsteps_per_epoch = 30", "epochs = 5\nsteps_per_epoch = 12\ncheckpoint_steps = 5")
        + "[train.early_stopping]\nmetric = 'val_unseen_map@r'\npatience = 9\n[train.optimizer]\naverage = 0.9\n"
    )
    expected = simplug_command("run", "often.toml", "--out", "undisturbed", cwd=place, env=STEADY)
    assert expected.returncode == 0, expected.stderr
    folder = place / "often"
    # In the middle of an epoch, at the end of one, and when the training was over.
    kill_at("000001-00000005", folder, "often.toml", "--out", folder, cwd=place)
    kill_at("000003-00000000", folder, "--resume", folder, cwd=place)
    kill_at("000005-00000000", folder, "--resume", folder, cwd=place)
    resumed = simplug_command("run", "--resume", folder, cwd=place, env=STEADY)
    assert resumed.returncode == 0, resumed.stderr
    assert result_of(folder) == result_of(place / "undisturbed")


@pytest.mark.slow
def test_the_hello_world_of_the_readme_learns_digits_that_it_never_saw(tmp_path):
    example = Path(__file__).parents[2] / "examples" / "hello_world.toml"
    started = time.monotonic()
    finished = simplug_command("run", example, "--json", cwd=tmp_path, env={**os.environ, "CUDA_VISIBLE_DEVICES": "-1"})
    assert finished.returncode == 0, finished.stderr
    assert time.monotonic() - started < 240
    groups = json.loads(finished.stdout)["groups"]
    # It reached 0.985 and 0.860; the order in which threads add up moves the last digits.
    assert groups["seen"]["precision@1"] > 0.95
    assert groups["unseen"]["precision@1"] > 0.8
