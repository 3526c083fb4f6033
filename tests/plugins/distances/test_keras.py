"""The distances in a loss: values and gradients against float64 NumPy definitions, exact zeros, memory."""

import numpy as np
import pytest

import simplug
from simplug.testing.tensors import array, in_graph, in_xla, value_and_gradient

CONFIGS = [
    {"name": "cosine"},
    {"name": "euclidean"},
    {"name": "euclidean", "normalize": True},
    {"name": "inner_product"},
    {"name": "inner_product", "normalize": True},
    {"name": "lp", "p": 0.5},
    {"name": "lp", "p": 1.0, "power": 2.0},
    {"name": "lp", "p": 1.5, "normalize": True},
    {"name": "lp", "p": 2.0},
    {"name": "lp", "p": 2.0, "power": 3.0},
    {"name": "lp", "p": 3.0, "power": 0.5},
    {"name": "manhattan"},
    {"name": "manhattan", "normalize": True},
    {"name": "snr"},
    {"name": "snr", "normalize": True},
    {"name": "squared_euclidean"},
    {"name": "squared_euclidean", "normalize": True},
]


def named(config):
    return " ".join(str(value) for value in config.values())


def slope_by_differences(function, values, step=1e-6):
    """Return the gradient of a scalar function by central differences."""
    slope = np.zeros_like(values)
    for place in np.ndindex(values.shape):
        moved = [values.copy(), values.copy()]
        moved[0][place] += step
        moved[1][place] -= step
        slope[place] = (function(moved[0]) - function(moved[1])) / (2 * step)
    return slope


def assert_close(found, expected, rtol):
    """Compare; JAX and PyTorch, which Keras lets compute in single precision here and there, are less close."""
    from keras import backend

    rtol = rtol if backend.backend() == "tensorflow" else 1e-4
    np.testing.assert_allclose(found, expected, rtol=rtol, atol=rtol / 10)


def weighted(config, references, weights):
    """Return the weighted sum of the distances, in Keras ops and in NumPy; references None: of rows to themselves."""
    from keras import ops

    distance = simplug.distances.build(config)

    def keras(rows):
        others = rows if references is None else ops.convert_to_tensor(references, "float64")
        return ops.sum(ops.convert_to_tensor(weights, "float64") * distance(rows, others))

    def numpy(rows):
        return np.sum(weights * distance.numpy(rows, rows if references is None else references))

    return keras, numpy


@pytest.mark.parametrize("config", CONFIGS, ids=named)
def test_values_and_gradients_are_those_of_the_definition(config):
    from keras import ops

    rng = np.random.default_rng(5)
    rows, references = rng.normal(size=(6, 5)), 2 * rng.normal(size=(4, 5))
    weights = rng.normal(size=(6, 4))
    keras, numpy = weighted(config, references, weights)
    value, slope = value_and_gradient(keras, ops.convert_to_tensor(rows, "float64"))
    assert_close(value, numpy(rows), rtol=1e-9)
    assert_close(slope, slope_by_differences(numpy, rows), rtol=1e-6)


@pytest.mark.parametrize("config", CONFIGS, ids=named)
def test_a_batch_that_is_its_own_reference_has_the_gradient_of_both_sides(config):
    from keras import ops

    rng = np.random.default_rng(6)
    rows = rng.normal(size=(6, 5))
    # The diagonal has no gradient in general, and is not moved by the definition.
    weights = rng.normal(size=(6, 6)) * (1 - np.eye(6))
    keras, numpy = weighted(config, None, weights)
    value, slope = value_and_gradient(keras, ops.convert_to_tensor(rows, "float64"))
    assert_close(value, numpy(rows), rtol=1e-9)
    assert_close(slope, slope_by_differences(numpy, rows), rtol=1e-6)


@pytest.mark.parametrize("config", CONFIGS, ids=named)
def test_references_get_the_gradient_of_their_side(config):
    from keras import ops

    rng = np.random.default_rng(7)
    rows, references, weights = rng.normal(size=(3, 5)), rng.normal(size=(7, 5)), rng.normal(size=(3, 7))
    distance = simplug.distances.build(config)

    def keras(right):
        left = ops.convert_to_tensor(rows, "float64")
        return ops.sum(ops.convert_to_tensor(weights, "float64") * distance(left, right))

    _, slope = value_and_gradient(keras, ops.convert_to_tensor(references, "float64"))
    expected = slope_by_differences(lambda right: np.sum(weights * distance.numpy(rows, right)), references)
    assert_close(slope, expected, rtol=1e-6)


@pytest.mark.parametrize("config", [{"name": "manhattan"}, {"name": "lp", "p": 3.0}], ids=named)
@pytest.mark.parametrize("count", [1, 50, 300])
def test_blocks_of_any_size_are_put_together_again(config, count):
    rng = np.random.default_rng(8)
    rows, references = rng.normal(size=(count, 40)).astype("float32"), rng.normal(size=(90, 40)).astype("float32")
    distance = simplug.distances.build(config)
    for mode in (in_graph, in_xla):
        (values,) = mode(lambda left, right: distance(left, right), rows, references)
        np.testing.assert_allclose(values, distance.numpy(rows, references), rtol=1e-5)


@pytest.mark.parametrize(
    "config", [one for one in CONFIGS if one["name"] not in ("cosine", "inner_product")], ids=named
)
@pytest.mark.parametrize("dimension", [2, 128, 2048])
def test_equal_rows_are_at_distance_zero_in_single_precision(config, dimension):
    rows = (10 * np.random.default_rng(9).normal(size=(20, dimension))).astype("float32")
    distance = simplug.distances.build(config)
    assert not np.any(np.diag(array(distance(rows, rows))))
    value, slope = value_and_gradient(lambda vectors: distance(vectors, vectors)[3, 3], rows)
    assert value == 0
    assert not np.any(slope)


def test_vectors_of_very_different_lengths_keep_their_precision():
    rng = np.random.default_rng(10)
    rows = (rng.normal(size=(12, 64)) * 10.0 ** rng.integers(-3, 4, size=(12, 1))).astype("float32")
    for config in ({"name": "euclidean"}, {"name": "snr"}, {"name": "lp", "p": 3.0}):
        distance = simplug.distances.build(config)
        np.testing.assert_allclose(array(distance(rows, rows)), distance.numpy(rows, rows), rtol=2e-6)


def test_the_signal_to_noise_distance_looks_past_a_common_offset():
    rng = np.random.default_rng(11)
    rows = (rng.normal(size=(10, 32)) + 5 * rng.normal(size=(10, 1))).astype("float32")
    distance = simplug.distances.build("snr")
    np.testing.assert_allclose(array(distance(rows, rows)), distance.numpy(rows, rows), rtol=1e-5)


def test_high_orders_neither_overflow_nor_vanish():
    rows = np.array([[0.0, 0.0], [300.0, 200.0], [1e-3, 2e-3]], "float32")
    distance = simplug.distances.build("lp", p=40.0)
    expected = distance.numpy(rows, rows)
    assert np.isfinite(expected).all()
    np.testing.assert_allclose(array(distance(rows, rows)), expected, rtol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("config", [{"name": "manhattan"}, {"name": "lp", "p": 3.0}], ids=named)
def test_no_array_over_the_dimensions_is_built(python, config):
    # The array would be 1 GB; distances and their gradients are 9 MB each.
    done = python(
        f"""
        import resource
        import numpy as np, tensorflow as tf
        import simplug
        distance = simplug.distances.build({config!r})

        @tf.function(input_signature=[tf.TensorSpec((None, 128))])
        def slope(rows):
            with tf.GradientTape() as tape:
                tape.watch(rows)
                total = tf.reduce_sum(distance(rows, rows))
            return tape.gradient(total, rows)

        def peak():
            return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024

        slope(tf.zeros((8, 128)))
        before = peak()
        slope(tf.constant(np.random.default_rng(0).normal(size=(1500, 128)), "float32"))
        print("grown by", peak() - before)
        """
    )
    assert done.returncode == 0, done.stderr
    assert float(done.stdout.split()[-1]) < 150
