"""The distances, against scipy, against another library's values, and at their edges."""

import json
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.distance import cdist

import simplug

REFERENCE = Path(__file__).parents[4] / "shared" / "reference" / "pml_values.json"

SCIPY = {
    "cosine": lambda q, r: cdist(q, r, "cosine"),
    "euclidean": lambda q, r: cdist(q, r, "euclidean"),
    "squared_euclidean": lambda q, r: cdist(q, r, "sqeuclidean"),
    "manhattan": lambda q, r: cdist(q, r, "cityblock"),
    "inner_product": lambda q, r: 1 - np.einsum("id,jd->ij", q, r),
    "snr": lambda q, r: np.array([[np.var(a - b) / np.var(a) for b in r] for a in q]),
}


@pytest.mark.parametrize("name", SCIPY)
def test_the_numpy_definition_equals_an_independent_one(name):
    rng = np.random.default_rng(1)
    queries, references = rng.normal(size=(7, 5)), 3 * rng.normal(size=(11, 5))
    distance = simplug.distances.build(name)
    np.testing.assert_allclose(distance.numpy(queries, references), SCIPY[name](queries, references), rtol=1e-10)


@pytest.mark.parametrize("name", sorted(set(SCIPY) - {"cosine"}))
def test_normalize_divides_by_the_norms_first(name):
    rng = np.random.default_rng(2)
    queries, references = rng.normal(size=(4, 5)), 3 * rng.normal(size=(6, 5))
    unit = [rows / np.linalg.norm(rows, axis=1, keepdims=True) for rows in (queries, references)]
    distance = simplug.distances.build(name, normalize=True)
    np.testing.assert_allclose(distance.numpy(queries, references), SCIPY[name](*unit), rtol=1e-10)


@pytest.mark.parametrize("name", ["cosine", "euclidean", "squared_euclidean", "manhattan", "snr"])
def test_a_vector_is_at_distance_zero_from_itself(name):
    vectors = 100 * np.random.default_rng(3).normal(size=(50, 16))
    own = np.diag(simplug.distances.build(name).numpy(vectors, vectors))
    np.testing.assert_allclose(own, 0, atol=1e-12)


@pytest.mark.parametrize("scale", [1e-18, 1e-3, 1.0, 1e18])
def test_the_cosine_distance_does_not_depend_on_the_length(scale):
    rng = np.random.default_rng(4)
    queries, references = rng.normal(size=(3, 8)), rng.normal(size=(5, 8))
    distance = simplug.distances.build("cosine")
    np.testing.assert_allclose(
        distance.numpy(scale * queries, references), distance.numpy(queries, references), rtol=1e-9
    )


def test_undefined_vectors_are_named():
    vectors = np.array([[0.0, 0.0], [1.0, 1.0], [1.0, 2.0]])
    invalid, why = simplug.distances.build("cosine").invalid_rows(vectors)
    assert invalid.tolist() == [True, False, False]
    assert why == "is zero, which has no direction"
    invalid, why = simplug.distances.build("snr").invalid_rows(vectors)
    assert invalid.tolist() == [True, True, False]
    assert why == "has equal components, and so no variance"
    assert not simplug.distances.build("euclidean").invalid_rows(vectors)[0].any()


def in_our_terms(name, arguments):
    normalize = arguments.get("normalize_embeddings", True)
    if name == "CosineSimilarity":
        return simplug.distances.build("cosine"), True
    if name == "DotProductSimilarity":
        return simplug.distances.build("inner_product", normalize=normalize), True
    if name == "SNRDistance":
        return simplug.distances.build("snr", normalize=normalize), False
    names = {(2, 1): "euclidean", (2, 2): "squared_euclidean", (1, 1): "manhattan"}
    own = names[arguments.get("p", 2), arguments.get("power", 1)]
    return simplug.distances.build(own, normalize=normalize), False


@pytest.mark.skipif(not REFERENCE.exists(), reason="the reference values are not beside this checkout")
def test_matrices_equal_those_of_pytorch_metric_learning():
    known = json.loads(REFERENCE.read_text())
    assert len(known["distances"]) == 16
    for row in known["distances"]:
        distance, is_similarity = in_our_terms(row["name"], row["args"])
        embeddings = np.array(known["inputs"][row["input"]]["embeddings"])
        matrix = distance.numpy(embeddings, embeddings)
        # Their diagonal of a Euclidean distance is the square root of a rounding.
        np.testing.assert_allclose(1 - matrix if is_similarity else matrix, row["matrix"], atol=3e-8)
