"""EvaluationCallback: scores at the end of an epoch, from an index of its own."""

import keras
import numpy as np
import pytest

import simplug
from simplug.api import Examples
from simplug.evaluation import evaluate_embeddings, evaluate_probe, evaluate_retrieval, evaluate_verification
from simplug.kernel.errors import InvalidInputError

CENTERS = 3 * np.eye(6, dtype="float32")


def examples(count, classes, seed):
    """Return examples near the centre of their class."""
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % classes
    return (CENTERS[labels] + rng.normal(size=(count, 6))).astype("float32"), labels


TRAIN, TEST, GALLERY = examples(80, 4, 0), examples(60, 6, 1), examples(60, 6, 2)


def small_model():
    keras.utils.set_random_seed(3)
    inputs = keras.Input((6,))
    hidden = keras.layers.BatchNormalization()(keras.layers.Dense(12, activation="relu")(inputs))
    made = simplug.SimilarityModel(inputs, keras.layers.Dense(4)(keras.layers.Dropout(0.3)(hidden)))
    made.compile(keras.optimizers.Adam(0.01), loss="multi_similarity")
    return made


@pytest.fixture(scope="module")
def model():
    return small_model()


def fit(model, *callbacks, epochs=3):
    return model.fit(*TRAIN, batch_size=40, epochs=epochs, verbose=0, callbacks=list(callbacks)).history


@pytest.fixture(scope="module")
def followed(model, tmp_path_factory):
    """A training that was followed, with the history and the folder that the callback wrote to."""
    folder = tmp_path_factory.mktemp("logs")
    callback = simplug.callbacks.EvaluationCallback(
        *TEST,
        *GALLERY,
        metrics=["precision@1", "map@r", "roc_auc", "mean_positive_distance", "effective_rank", "knn_probe"],
        known_classes=range(4),
        log_dir=folder,
    )
    return model, fit(model, callback), folder


def test_the_history_has_the_scores_of_each_epoch(followed):
    _, history, _ = followed
    labels = ("precision@1", "map@r", "roc_auc", "mean_positive_distance", "effective_rank", "knn_probe")
    expected = {"loss", *(f"val_{prefix}{label}" for prefix in ("", "known_", "unknown_") for label in labels)}
    assert set(history) == expected
    assert all(len(values) == 3 for values in history.values())


def test_the_scores_are_those_of_the_model_at_the_end_of_the_epoch(followed):
    model, history, _ = followed
    queries, gallery = model.embed(TEST[0]), model.embed(GALLERY[0])
    unknown = TEST[1] >= 4
    whole = evaluate_retrieval(queries, TEST[1], gallery, GALLERY[1], metrics=["precision@1", "map@r"])
    assert history["val_map@r"][-1] == pytest.approx(whole["map@r"])
    part = evaluate_retrieval(queries[unknown], TEST[1][unknown], gallery, GALLERY[1], metrics=["precision@1"])
    assert history["val_unknown_precision@1"][-1] == pytest.approx(part["precision@1"])
    pairs = evaluate_verification(queries[~unknown], TEST[1][~unknown], metrics=["roc_auc"])
    assert history["val_known_roc_auc"][-1] == pytest.approx(pairs["roc_auc"])
    votes = evaluate_probe(queries[unknown], TEST[1][unknown], gallery, GALLERY[1], metrics=["knn_probe"])
    assert history["val_unknown_knn_probe"][-1] == pytest.approx(votes["knn_probe"])
    space = evaluate_embeddings(queries, TEST[1], ["effective_rank"])
    assert history["val_effective_rank"][-1] == pytest.approx(space["effective_rank"], rel=1e-6)


def test_tensorboard_is_given_the_same_numbers(followed, events):
    _, history, folder = followed
    written = {(step, tag): float(value) for step, tag, plugin, value in events(folder) if plugin == "scalars"}
    expected = {
        (epoch + 1, tag): value
        for tag, values in history.items()
        for epoch, value in enumerate(values)
        if tag.startswith("val_")
    }
    assert written == pytest.approx(expected, rel=1e-6)


def test_neither_the_index_nor_its_calibration_nor_the_training_is_changed():
    trained = []
    for callbacks in ([], [simplug.callbacks.EvaluationCallback(*TEST, *GALLERY)]):
        model = small_model()
        model.create_index()
        model.index(GALLERY[0][:30], GALLERY[1][:30], data=[f"row {i}" for i in range(30)])
        calibration = model.calibrate(*TEST)
        gallery, ids = model.gallery, [record.id for record in model.gallery]
        fit(model, *callbacks, epochs=2)
        assert model.gallery is gallery
        assert [record.id for record in gallery] == ids
        assert gallery.calibration == calibration
        trained.append(model.get_weights())
    for plain, scored in zip(*trained, strict=True):
        np.testing.assert_array_equal(plain, scored)


def test_early_stopping_and_checkpoints_follow_a_score(tmp_path):
    model = small_model()
    # Nothing is learnt at this rate, so the score soon stays what it is.
    model.compile(keras.optimizers.SGD(1e-12), loss="multi_similarity")
    callback = simplug.callbacks.EvaluationCallback(*TEST, *TEST, metrics=["recall@1"])
    stopping = keras.callbacks.EarlyStopping(monitor="val_recall@1", mode="max", patience=2)
    saving = keras.callbacks.ModelCheckpoint(
        str(tmp_path / "best.keras"), monitor="val_recall@1", mode="max", save_best_only=True
    )
    history = fit(model, callback, stopping, saving, epochs=9)
    assert history["val_recall@1"] == [1.0, 1.0, 1.0]
    assert (tmp_path / "best.keras").is_file()


def test_scores_come_every_so_many_epochs_and_at_the_last(model):
    seen = {}
    listener = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: seen.setdefault(epoch, "val_precision@1" in logs)
    )
    fit(model, simplug.callbacks.EvaluationCallback(*TEST, *GALLERY, every=2), listener, epochs=5)
    assert seen == {0: False, 1: True, 2: False, 3: True, 4: True}


class Unread(Examples):
    """Examples that are read when they are asked for."""

    def __init__(self, inputs):
        self.inputs = inputs

    def __len__(self):
        return len(self.inputs)

    @property
    def example_shape(self):
        return self.inputs.shape[1:]

    def read(self, rows):
        return self.inputs[rows]

    def take(self, rows):
        return Unread(self.inputs[rows])


def test_examples_that_are_not_in_memory_have_the_same_scores(model):
    callbacks = [
        simplug.callbacks.EvaluationCallback(queries, TEST[1], gallery, GALLERY[1])
        for queries, gallery in ((TEST[0], GALLERY[0]), (Unread(TEST[0]), Unread(GALLERY[0])))
    ]
    told = []
    for callback in callbacks:
        logs = {}
        callback.set_params({"epochs": 1})
        callback.set_model(model)
        callback.on_epoch_end(0, logs)
        told.append(logs)
    assert told[0] == told[1]
    assert set(told[0]) == {"val_precision@1", "val_map@r"}
    with pytest.raises(InvalidInputError, match="queries are none"):
        simplug.callbacks.EvaluationCallback(Unread(TEST[0][:0]), TEST[1][:0], *GALLERY)


def test_open_sets_are_scored_against_the_classes_of_the_gallery(model):
    inside = GALLERY[1] < 5
    callback = simplug.callbacks.EvaluationCallback(
        *TEST, GALLERY[0][inside], GALLERY[1][inside], metrics=["unknown_auroc", "map@r"], k=3, matcher="majority_vote"
    )
    history = fit(model, callback, epochs=1)
    assert 0 <= history["val_unknown_auroc"][0] <= 1
    assert 0 < history["val_map@r"][0] <= 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"metrics": ["f1"]}, "f1 scores decisions at a cut point, which is chosen after training"),
        ({"metrics": []}, "no metric is given"),
        ({"metrics": ["unknown_auroc"]}, "unknown_auroc tells queries of classes that the gallery holds from others"),
        ({"metrics": ["linear_probe"], "gallery_labels": np.full(60, 1)}, "linear_probe learns to tell classes apart"),
        ({"gallery_labels": np.full(60, 9)}, "the gallery holds the class of none of the queries"),
        ({"query_labels": TEST[1][:-1]}, "there are 60 queries and 59 labels of them"),
        ({"query_labels": TEST[1] - 1}, "labels of the queries hold -1"),
        ({"every": 0}, "every is 0"),
        ({"k": 1.5}, "k is 1.5"),
        ({"known_classes": [0.5]}, "known_classes have dtype float64"),
    ],
)
def test_what_cannot_be_scored_is_refused_before_the_training(options, message):
    arguments = {
        "queries": TEST[0],
        "query_labels": TEST[1],
        "gallery": GALLERY[0],
        "gallery_labels": GALLERY[1],
        **options,
    }
    with pytest.raises(InvalidInputError, match=message):
        simplug.callbacks.EvaluationCallback(**arguments)


def test_a_model_that_is_no_similarity_model_is_refused():
    plain = keras.Sequential([keras.Input((6,)), keras.layers.Dense(2)])
    callback = simplug.callbacks.EvaluationCallback(*TEST, *GALLERY)
    with pytest.raises(InvalidInputError, match="EvaluationCallback follows a SimilarityModel, not Sequential"):
        callback.set_model(plain)
