"""Batches as tf.data: those of a sampler, and class-balanced ones out of any dataset."""

import itertools

import numpy as np
import pytest

import simplug
from simplug.api import Columns, Split
from simplug.kernel.errors import DataError, InvalidInputError

tf = pytest.importorskip("tensorflow")


def batches(steps=5, inputs=None):
    labels = np.arange(60) % 6
    split = Split(np.arange(60, dtype="float32")[:, None] if inputs is None else inputs, labels)
    sampler = simplug.samplers.build("class_balanced", classes_per_batch=3, examples_per_class=2)
    return sampler.batches(split, steps=steps, seed=3)


def epoch_of(given, epoch):
    given.start_epoch(epoch)
    return [given[step] for step in range(len(given))]


def assert_same(given, expected):
    for one, other in zip(given, expected, strict=True):
        np.testing.assert_array_equal(one[0], other[0])
        np.testing.assert_array_equal(one[1], other[1])


def test_a_stream_gives_one_epoch_after_another():
    expected = epoch_of(batches(), 0) + epoch_of(batches(), 1)
    stream = simplug.batch_stream(batches(), epochs=2)
    assert int(stream.cardinality()) == 10
    assert_same(stream.as_numpy_iterator(), expected)
    assert_same(stream.as_numpy_iterator(), expected)


def test_a_stream_without_end_begins_in_the_middle_of_an_epoch():
    stream = simplug.batch_stream(batches(), epoch=3, step=4)
    assert int(stream.cardinality()) == tf.data.INFINITE_CARDINALITY
    expected = epoch_of(batches(), 3)[4:] + epoch_of(batches(), 4)
    assert_same(itertools.islice(stream.as_numpy_iterator(), 6), expected)


def test_two_iterations_in_different_epochs_do_not_disturb_each_other():
    stream = simplug.batch_stream(batches(steps=30), epochs=2)
    late = stream.as_numpy_iterator()
    ahead = [next(late) for _ in range(40)]
    assert_same(itertools.islice(stream.as_numpy_iterator(), 40), ahead)
    assert_same(late, epoch_of(batches(steps=30), 1)[10:])


def test_the_form_of_a_batch_is_known():
    columns = Columns({"image": np.zeros((60, 4, 4, 1), "uint8"), "price": np.zeros((60, 1), "float32")})
    inputs, labels = simplug.batch_stream(batches(inputs=columns)).element_spec
    assert inputs == {"image": tf.TensorSpec((6, 4, 4, 1), tf.uint8), "price": tf.TensorSpec((6, 1), tf.float32)}
    assert labels == tf.TensorSpec((6,), tf.int64)


def test_parts_of_batches_make_up_the_batch():
    parts = [simplug.batch_stream(batches().shard(replica, 2), epochs=2) for replica in (0, 1)]
    whole = [
        tuple(np.concatenate(columns) for columns in zip(*both, strict=True))
        for both in zip(*(part.as_numpy_iterator() for part in parts), strict=True)
    ]
    assert_same(whole, epoch_of(batches(), 0) + epoch_of(batches(), 1))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"step": 5}, "from 0 to 4"),
        ({"epochs": 0}, "epochs must be at least 1"),
        ({"epoch": -1}, "epochs count from 0"),
        ({"workers": 0}, "workers must be at least 1"),
    ],
)
def test_a_stream_that_cannot_begin_is_refused(options, words):
    with pytest.raises(InvalidInputError, match=words):
        simplug.batch_stream(batches(), **options)


def test_a_stream_that_depends_on_the_model_is_left_to_fit():
    split = Split(np.zeros((60, 1)), np.arange(60) % 6)
    listening = simplug.samplers.build("hard_class", classes_per_batch=3).batches(split, steps=2, seed=0)
    with pytest.raises(InvalidInputError, match="FedBatches"):
        simplug.batch_stream(listening)


def elements(count=300, classes=6, seed=0):
    rng = np.random.default_rng(seed)
    # The first class is as frequent as all others together.
    labels = np.maximum(rng.integers(0, 2 * classes, count) - classes, 0)
    return np.arange(count, dtype="float32"), labels


def balanced(label="label", **options):
    numbers, labels = elements()
    dataset = tf.data.Dataset.from_tensor_slices({"number": numbers, "label": labels})
    return simplug.BalancedStream(dataset, label, classes_per_batch=3, examples_per_class=4, **options)


def test_batches_have_so_many_classes_with_so_many_examples():
    _, labels_of = elements()
    stream = balanced(repeat=False)
    seen = []
    for inputs, labels in stream:
        assert inputs.shape == labels.shape == (12,)
        assert labels.dtype == np.int64
        np.testing.assert_array_equal(labels, np.repeat(labels[::4], 4))
        assert len(np.unique(labels)) == 3
        np.testing.assert_array_equal(labels_of[inputs.astype(int)], labels)
        seen.extend(inputs.tolist())
    assert len(seen) == len(set(seen)) == 12 * stream.counts.batches > 100
    assert stream.counts.read == 300
    assert stream.counts.dropped > 0


def test_the_seed_decides():
    first, again, other = (list(itertools.islice(balanced(seed=seed), 5)) for seed in (1, 1, 2))
    assert_same(first, again)
    assert any(not np.array_equal(one[0], another[0]) for one, another in zip(first, other, strict=True))


def test_a_training_goes_on_at_a_step():
    expected = list(itertools.islice(balanced(), 7))[4:]
    assert_same(itertools.islice(balanced().dataset(step=4).as_numpy_iterator(), 3), expected)


def test_a_dataset_that_ends_is_read_again():
    dataset = balanced().dataset()
    assert int(dataset.cardinality()) == tf.data.INFINITE_CARDINALITY
    assert len(list(itertools.islice(dataset.as_numpy_iterator(), 100))) == 100


def test_elements_of_several_inputs_keep_their_structure():
    numbers, labels = elements()
    images = np.repeat(numbers, 4).reshape(-1, 2, 2)
    slices = tf.data.Dataset.from_tensor_slices
    cases = {
        "dict": (slices({"image": images, "price": numbers, "label": labels}), "label"),
        "tuple": (slices((images, numbers, labels)), 2),
        "last": (slices((images, numbers, labels)), -1),
        "pair": (slices(({"image": images, "price": numbers}, labels)), 1),
        "function": (slices(({"image": images, "price": numbers}, {"label": labels})), lambda e: (e[0], e[1]["label"])),
    }
    for name, (dataset, label) in cases.items():
        made = simplug.BalancedStream(dataset, label, classes_per_batch=3, examples_per_class=4).dataset()
        inputs, labels_of_batch = next(made.as_numpy_iterator())
        parts = list(inputs.values()) if isinstance(inputs, dict) else list(inputs)
        assert isinstance(inputs, tuple if name in ("tuple", "last") else dict)
        assert [part.shape for part in parts] == [(12, 2, 2), (12,)], name
        np.testing.assert_array_equal(parts[0][:, 0, 0], parts[1])
        np.testing.assert_array_equal(labels[parts[1].astype(int)], labels_of_batch)
        assert made.element_spec[0] == tf.nest.map_structure(lambda part: tf.TensorSpec(part.shape, part.dtype), inputs)


def test_texts_are_numbered_as_they_come_and_numbers_stay():
    names = np.array(["cat", "dog", "bird"] * 20)
    dataset = tf.data.Dataset.from_tensor_slices((np.arange(60), names))
    stream = simplug.BalancedStream(dataset, 1, classes_per_batch=3, examples_per_class=2)
    inputs, labels = next(iter(stream))
    assert stream.numbers == {"cat": 0, "dog": 1, "bird": 2}
    np.testing.assert_array_equal(inputs % 3, labels)
    numbered = balanced()
    next(iter(numbered))
    assert all(name == number for name, number in numbered.numbers.items())


def test_listed_classes_are_numbered_in_their_order_and_others_passed_over():
    stream = balanced(classes=[5, 3, 4], repeat=False)
    _, labels_of = elements()
    for inputs, labels in stream:
        np.testing.assert_array_equal(np.array([5, 3, 4])[labels], labels_of[inputs.astype(int)])
    assert stream.counts.unlisted == np.isin(labels_of, [0, 1, 2]).sum()


def test_memory_is_bounded_by_examples_and_by_classes():
    labels = np.repeat(np.arange(400), 2)
    dataset = tf.data.Dataset.from_tensor_slices((np.arange(800), labels))
    stream = simplug.BalancedStream(
        dataset, 1, classes_per_batch=4, examples_per_class=3, buffer_classes=10, patience=500
    )
    with pytest.raises(DataError, match="500 elements were read for one batch"):
        next(iter(stream))
    assert stream.counts.dropped_classes == 240
    assert stream.counts.dropped == 480


def test_a_stream_that_brings_too_few_classes_says_which_are_short():
    labels = np.array([7] * 10 + [8])
    dataset = tf.data.Dataset.from_tensor_slices((np.arange(11), labels))
    endless = dataset.take(10).repeat()
    with pytest.raises(DataError, match=r"99 elements .* 2 classes with 3 examples, and 1 of the 1"):
        next(iter(simplug.BalancedStream(endless, 1, classes_per_batch=2, examples_per_class=3, patience=99)))
    few = simplug.BalancedStream(dataset, 1, classes_per_batch=3, examples_per_class=3)
    with pytest.raises(DataError, match=r"whole dataset was read, 11 elements; .* 1 of the 2 .* short are 8 with 1"):
        next(iter(few))
    with pytest.raises(DataError, match="empty"):
        next(iter(simplug.BalancedStream(dataset.take(0), 1)))


@pytest.mark.parametrize(
    ("columns", "label", "error", "words"),
    [
        ({"image": [1, 2], "lable": [1, 2]}, "label", InvalidInputError, "no 'label'; did you mean 'lable'"),
        (([1, 2], [1, 2]), 2, InvalidInputError, "position from 0 to 1"),
        ([1, 2], "label", InvalidInputError, "an element is one"),
        (([1, 2], [1.0, 2.0]), 1, DataError, "whole numbers or texts, not float32"),
        (([[1], [2]], [[1, 2], [2, 3]]), 1, DataError, "unbatch"),
    ],
)
def test_elements_without_a_label_are_refused_before_they_are_read(columns, label, error, words):
    with pytest.raises(error, match=words):
        simplug.BalancedStream(tf.data.Dataset.from_tensor_slices(columns), label)


def test_labels_that_a_function_finds_are_checked_as_they_are_read():
    dataset = tf.data.Dataset.from_tensor_slices(np.arange(4.0))
    with pytest.raises(DataError, match="float64"):
        next(iter(simplug.BalancedStream(dataset, lambda number: (number, number))))


def test_examples_of_different_shapes_are_refused():
    dataset = tf.data.Dataset.from_generator(
        lambda: ((np.zeros(2 + at % 2), 0) for at in range(8)),
        output_signature=(tf.TensorSpec((None,)), tf.TensorSpec((), tf.int64)),
    )
    with pytest.raises(DataError, match=r"shapes \(\d,\) and \(\d,\)"):
        next(iter(simplug.BalancedStream(dataset, 1, classes_per_batch=1, examples_per_class=4)))


@pytest.mark.parametrize("options", [{"seed": -1}, {"buffer_per_class": 3}, {"classes": [1, 1, 2]}, {"patience": 11}])
def test_settings_out_of_range_are_refused(options):
    with pytest.raises(InvalidInputError):
        balanced(**options)


def test_a_model_trains_on_a_stream():
    import keras

    keras.utils.set_random_seed(0)
    inputs = keras.Input((3,))
    model = simplug.SimilarityModel(inputs, keras.layers.Dense(2)(inputs))
    model.compile("sgd")
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 5, 200)
    dataset = tf.data.Dataset.from_tensor_slices({"x": rng.normal(size=(200, 3)).astype("float32"), "label": labels})
    stream = simplug.BalancedStream(dataset, classes_per_batch=3, examples_per_class=3)
    history = model.fit(stream.dataset(), steps_per_epoch=4, epochs=2, shuffle=False, verbose=0)
    assert np.isfinite(history.history["loss"]).all()
    fed = simplug.batch_stream(batches(inputs=np.zeros((60, 3))), epochs=1)
    assert model.fit(fed, shuffle=False, verbose=0).history["loss"]
