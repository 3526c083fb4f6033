"""SimilarityModel: a Keras model that trains with any loss component and owns an index."""

import keras
import numpy as np
import pytest

import simplug
from simplug.api import Columns, Split
from simplug.kernel.errors import ArtifactError, ComponentError, InvalidInputError
from simplug.learn.feeding import FedBatches
from simplug.learn.fingerprint import fingerprint
from simplug.learn.loss import ComponentLoss


def examples(count=240, classes=4, dim=8, seed=0):
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % classes
    return (rng.normal(size=(count, dim)) + 4 * np.eye(dim)[labels]).astype("float32"), labels


def small_model(dim=8, seed=1):
    keras.utils.set_random_seed(seed)
    inputs = keras.Input((dim,))
    hidden = keras.layers.Dense(16, activation="relu")(inputs)
    return simplug.SimilarityModel(inputs, keras.layers.Dense(4)(hidden))


@pytest.fixture(scope="module")
def fitted():
    x, y = examples()
    model = small_model()
    model.compile(keras.optimizers.Adam(0.01), loss="multi_similarity")
    history = model.fit(x[:120], y[:120], batch_size=40, epochs=15, verbose=0, validation_data=(x[120:180], y[120:180]))
    model.create_index()
    model.index(x[:60], y[:60], data=[f"row {i}" for i in range(60)])
    model.calibrate(x[60:120], y[60:120])
    return model, history, x, y


def test_fit_lowers_the_loss(fitted):
    _, history, _, _ = fitted
    assert history.history["loss"][-1] < history.history["loss"][0]
    assert history.history["val_loss"][-1] < history.history["val_loss"][0]


def test_the_loss_of_a_batch_is_the_component_itself(fitted):
    model, _, x, y = fitted
    component = simplug.losses.build("multi_similarity")
    expected = float(component(y[180:220], model.embed(x[180:220])))
    assert model.evaluate(x[180:220], y[180:220], batch_size=40, verbose=0) == pytest.approx(expected, rel=1e-5)


def test_labels_too_large_for_floats_stay_apart():
    x, _ = examples(8)
    labels = np.array([2**24, 2**24 + 1] * 4)
    model = small_model()
    model.compile("sgd", loss={"name": "contrastive", "neg_margin": 5.0})
    value = model.evaluate(x, labels, verbose=0)
    same = model.evaluate(x, labels - 2**24, verbose=0)
    assert value == pytest.approx(same, rel=1e-6)


def test_neighbours_carry_labels_and_payloads(fitted):
    model, _, x, _ = fitted
    hits = model.lookup(x[:5], k=3)
    assert hits.ids.shape == hits.distances.shape == hits.labels.shape == (5, 3)
    assert hits.ids[:, 0].tolist() == [0, 1, 2, 3, 4]
    assert model.gallery.get(hits.ids[:, 0]).data == [f"row {i}" for i in range(5)]
    single = model.single_lookup(x[7], k=2)
    assert int(np.ravel(single.ids)[0]) == 7


def test_matches_are_labels_or_unknown(fitted):
    model, _, x, y = fitted
    matched = model.match(x[180:])
    assert np.mean(matched == y[180:]) > 0.85
    # Beside every class there is nothing to be near to.
    strangers = -50 * np.ones((3, 8), dtype="float32")
    assert set(np.unique(model.match(strangers, no_match_label=-7))) <= {-7, 0, 1, 2, 3}


def test_a_calibration_holds_for_the_weights_that_it_was_made_with(tmp_path):
    x, y = examples(120)
    model = small_model()
    model.compile("sgd", loss="multi_similarity")
    model.index(x[:60], y[:60])
    calibration = model.calibrate(x[60:], y[60:])
    assert calibration.model == model.fingerprint()
    model.save(tmp_path / "saved")
    model.fit(x[:60], y[:60], epochs=1, verbose=0)
    for use in (lambda: model.match(x), lambda: model.evaluate_classification(x, y)):
        with pytest.raises(InvalidInputError, match="trained or given other weights since it was calibrated"):
            use()
    # Whoever has embeddings of their own knows where they come from.
    assert len(model.gallery.match(model.embed(x))) == 120
    model.reset_index()
    model.index(x[:60], y[:60])
    model.calibrate(x[60:], y[60:])
    assert len(model.match(x)) == 120
    loaded = simplug.load(tmp_path / "saved")
    assert loaded.fingerprint() == calibration.model
    assert len(loaded.match(x)) == 120
    loaded.set_weights([weight + 1e-3 for weight in loaded.get_weights()])
    with pytest.raises(InvalidInputError, match="index and calibrate again"):
        loaded.match(x)


def test_cut_points_of_pairs_hold_for_the_weights_that_they_were_made_with():
    x, y = examples(160)
    model = small_model()
    model.index(x[:60], y[:60])
    made = model.calibrate_pairs(x[60:], y[60:], targets={"strict": {"far": 0.01}}, level=0.9)
    assert made.model == model.fingerprint()
    assert made.cut_points["strict"].scores["far"] <= 0.01
    assert set(np.unique(model.match(x, cutpoint="strict"))) <= {-1, 0, 1, 2, 3}
    both = model.calibrate(x[60:], y[60:])
    assert list(both.cut_points) == ["optimal"]
    model.set_weights([2 * weight for weight in model.get_weights()])
    with pytest.raises(InvalidInputError, match="since it was calibrated"):
        model.match(x, cutpoint="optimal")


def test_the_fingerprint_is_of_what_embeds_alone():
    inputs = keras.Input((8,))
    normalized = keras.layers.BatchNormalization()(keras.layers.Dense(4)(inputs))
    model = simplug.SimilarityModel(inputs, normalized)
    first = model.fingerprint()
    assert len(first) == 64
    assert first == fingerprint(model.embedding_model.weights)
    model.compile("adam", loss={"name": "arcface", "num_classes": 3})
    assert model.fingerprint() == first
    assert len(model.weights) == len(model.embedding_model.weights) + 1
    model.layers[2].moving_mean.assign_add(np.ones(4))
    assert model.fingerprint() != first


def test_pairs_and_open_sets_are_scored_as_the_index_scores_their_embeddings(fitted):
    model, _, x, y = fitted
    pairs = model.evaluate_verification(x[180:], y[180:], ["roc_auc", "eer"])
    assert pairs == model.gallery.evaluate_verification(model.embed(x[180:]), y[180:], ["roc_auc", "eer"])
    assert pairs["roc_auc"] > 0.8
    probes = model.evaluate_probe(x[180:], y[180:], ["knn_probe"])
    assert probes == model.gallery.evaluate_probe(model.embed(x[180:]), y[180:], ["knn_probe"])
    strangers = np.where(y[180:] == 3, 9, y[180:])
    scores = model.evaluate_open_set(x[180:], strangers, k=3, matcher="majority_vote")
    assert scores == model.gallery.evaluate_open_set(model.embed(x[180:]), strangers, k=3, matcher="majority_vote")
    with pytest.raises(InvalidInputError, match="is unknown"):
        model.evaluate_open_set(x[180:], y[180:])


def test_retrieval_and_classification_are_scored(fitted):
    model, _, x, y = fitted
    scores = model.evaluate_retrieval(x[180:], y[180:], ["recall@1", "map@r"])
    assert set(scores) == {"recall@1", "map@r"}
    assert 0.9 < scores["recall@1"] <= 1
    assert model.index_size() == 60
    assert model.index_summary()["size"] == 60


def test_compile_does_not_touch_the_index(fitted):
    model, _, x, _ = fitted
    before = model.lookup(x[:3], k=2)
    model.compile("adam", loss="triplet")
    assert model.index_size() == 60
    assert np.array_equal(model.lookup(x[:3], k=2).ids, before.ids)
    model.compile("adam", loss="multi_similarity")


def test_a_new_index_takes_the_distance_of_the_loss():
    model = small_model()
    model.compile("sgd", loss={"name": "triplet", "distance": "manhattan"})
    assert model.distance == simplug.distances.build("manhattan")
    model.compile("sgd", loss="triplet", distance="snr")
    assert model.gallery.distance == simplug.distances.build("snr")


def test_a_keras_loss_is_taken_as_it_is():
    x, y = examples(40)
    model = small_model()
    model.compile("sgd", loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    assert np.isfinite(model.evaluate(x, y, verbose=0))


@pytest.mark.parametrize("name", ["model.keras", "folder"])
def test_a_saved_model_embeds_and_trains_as_before(fitted, tmp_path, name):
    model, _, x, y = fitted
    model.save(tmp_path / name)
    loaded = simplug.load(tmp_path / name)
    assert np.array_equal(loaded.embed(x), model.embed(x))
    assert loaded.evaluate(x[:40], y[:40], verbose=0) == model.evaluate(x[:40], y[:40], verbose=0)
    loaded.fit(x[:40], y[:40], epochs=1, verbose=0)


def test_a_model_that_was_never_compiled_is_saved_and_loaded_as_such(tmp_path):
    model = small_model()
    model.save(tmp_path / "plain.keras")
    again = simplug.load(tmp_path / "plain.keras")
    assert not again.compiled
    np.testing.assert_array_equal(again.embed(examples()[0][:9]), model.embed(examples()[0][:9]))


def test_examples_that_are_not_in_memory_are_embedded_part_by_part(fitted):
    model, _, x, _ = fitted
    parts = Columns({"only": x})

    class Unread(Columns):
        def read(self, rows):
            return parts.read(rows)["only"]

    np.testing.assert_allclose(model.embed(Unread({"only": x})), model.embed(x), rtol=1e-6)


def test_a_model_of_several_inputs_embeds_them_by_name():
    left, right = keras.Input((8,), name="left"), keras.Input((3,), name="right")
    joined = keras.layers.Concatenate()([left, right])
    model = simplug.SimilarityModel([left, right], keras.layers.Dense(4)(joined))
    x, y = examples(48)
    batch = {"left": x, "right": x[:, :3]}
    assert model.embed(batch).shape == (48, 4)
    np.testing.assert_allclose(model.embed(Columns(batch)), model.embed(batch), rtol=1e-6)
    model.compile("adam", "contrastive")
    sampled = simplug.samplers.build("class_balanced", classes_per_batch=4, examples_per_class=2)
    batches = sampled.batches(Split(Columns(batch), y), steps=2, seed=0)
    assert np.isfinite(model.fit(FedBatches(batches), verbose=0).history["loss"]).all()
    with pytest.raises(InvalidInputError, match="inputs are one array; the model takes a dict of left, right"):
        model.embed(x)
    with pytest.raises(InvalidInputError, match="inputs are a dict of left, rigth; the model takes a dict of left"):
        model.embed({"left": x, "rigth": x})
    with pytest.raises(InvalidInputError, match="the inputs are not of one length: left 48, right 5"):
        model.embed({"left": x, "right": x[:5, :3]})


def test_batches_that_hear_the_model_hear_it_before_every_epoch_but_the_first():
    model = small_model()
    model.compile("adam", "contrastive")
    x, y = examples(48)
    sampler = simplug.samplers.build("hard_class", classes_per_batch=3, examples_per_class=2)
    batches = sampler.batches(Split(x, y), steps=2, seed=0)
    heard = []

    def embed(inputs):
        heard.append(len(inputs))
        return model.embed(inputs)

    model.fit(FedBatches(batches, embed=embed), epochs=3, shuffle=False, verbose=0)
    assert len(heard) >= 2
    with pytest.raises(InvalidInputError, match=r"pass embed=model\.embed"):
        FedBatches(batches)


def test_a_saved_folder_holds_the_index(fitted, tmp_path):
    model, _, x, _ = fitted
    model.save(tmp_path / "saved")
    loaded = simplug.load(tmp_path / "saved")
    before, after = model.lookup(x[60:90], k=4), loaded.lookup(x[60:90], k=4)
    assert np.array_equal(before.ids, after.ids)
    assert np.array_equal(before.distances, after.distances)
    assert np.array_equal(loaded.match(x[60:]), model.match(x[60:]))
    with pytest.raises(InvalidInputError, match=r"reading only|readonly|read-only"):
        loaded.index(x[:2])
    with pytest.raises(ArtifactError, match="exists"):
        model.save(tmp_path / "saved", overwrite=False)


def test_a_damaged_model_file_is_refused(fitted, tmp_path):
    model, _, _, _ = fitted
    model.save(tmp_path / "saved")
    weights = tmp_path / "saved" / "model.keras"
    weights.write_bytes(weights.read_bytes()[:-1])
    with pytest.raises(ArtifactError, match=r"model\.keras is not as it was written"):
        simplug.load(tmp_path / "saved")


def test_a_loss_component_works_in_any_keras_model(tmp_path):
    x, y = examples(80)
    model = keras.Sequential([keras.layers.Dense(4)])
    model.compile("adam", loss=ComponentLoss({"name": "triplet", "margin": 0.3}))
    model.fit(x, y, epochs=1, verbose=0)
    model.save(tmp_path / "plain.keras")
    loaded = keras.saving.load_model(tmp_path / "plain.keras")
    assert loaded.loss.component == simplug.losses.build("triplet", margin=0.3)


def test_under_mixed_precision_embeddings_are_float32():
    x, y = examples(60)
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        model = small_model()
        model.compile("adam", loss="multi_similarity")
        model.fit(x, y, epochs=1, verbose=0)
        embeddings = model.embed(x)
    finally:
        keras.config.set_dtype_policy(before)
    assert embeddings.dtype == np.float32
    assert np.isfinite(embeddings).all()


def test_no_examples_have_no_embeddings(fitted):
    model, _, x, _ = fitted
    assert model.embed(x[:0]).shape == (0, 4)


def test_inputs_of_another_shape_are_refused(fitted):
    model, _, x, _ = fitted
    with pytest.raises(InvalidInputError, match=r"inputs have shape \(240, 7\); the model takes \(n, 8\)"):
        model.embed(x[:, :7])
    with pytest.raises(InvalidInputError, match=r"the model takes \(n, 8\)"):
        model.lookup(x[0])


def test_an_index_of_another_dimension_is_refused(fitted):
    model = fitted[0]
    with (
        simplug.Index.create(None, dim=5, search="exact", store="memory") as index,
        pytest.raises(InvalidInputError, match="dimension 5, the embeddings 4"),
    ):
        model.attach_index(index)


def test_an_unknown_loss_is_named_with_its_neighbour():
    with pytest.raises(ComponentError, match="no loss named 'tripplet' is installed; did you mean 'triplet'"):
        small_model().compile("adam", loss="tripplet")


def test_a_model_with_other_outputs_is_refused():
    inputs = keras.Input((4,))
    hidden = keras.layers.Dense(3)(inputs)
    with pytest.raises(InvalidInputError, match="one output of shape"):
        simplug.SimilarityModel(inputs, [hidden, hidden])
