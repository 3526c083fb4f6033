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
    "lp": lambda q, r: cdist(q, r, "minkowski", p=2),
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


@pytest.mark.parametrize("name", ["cosine", "euclidean", "lp", "squared_euclidean", "manhattan", "snr"])
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


VECTORS = np.array([[1.0, 2.0, -2.0], [0.5, 0.0, 1.0], [-1.0, 3.0, 0.25], [2.0, -1.0, 0.5]])

# LpDistance(p=3) of PyTorch Metric Learning 2.9.0 on VECTORS, in float64: the first entries above the diagonal, row by
# row; without normalisation, and with it and power 2.
PEER = [3.274955810059687, 2.731975786638538, 3.520290308356736, 3.134504397285924, 1.6509636244473134]
PEER_NORMALIZED = [3.2033147198036036, 1.0106490471299034, 2.179990118776637, 1.6785868329091636, 0.706939694102735]


def test_the_lp_distance_equals_that_of_pytorch_metric_learning():
    above = np.triu_indices(4, 1)
    matrix = simplug.distances.build("lp", p=3.0).numpy(VECTORS, VECTORS)
    np.testing.assert_allclose(matrix[above][:5], PEER, rtol=1e-12)
    # Its normalisation is by the norm of order p; here, normalised vectors have Euclidean norm 1 under every distance.
    unit = VECTORS / np.linalg.norm(VECTORS, ord=3, axis=1, keepdims=True)
    matrix = simplug.distances.build("lp", p=3.0, power=2.0).numpy(unit, unit)
    np.testing.assert_allclose(matrix[above][:5], PEER_NORMALIZED, rtol=1e-12)


@pytest.mark.parametrize(
    ("settings", "name"),
    [({"p": 1.0}, "manhattan"), ({"p": 2.0}, "euclidean"), ({"p": 2.0, "power": 2.0}, "squared_euclidean")],
)
def test_the_lp_distance_contains_those_with_names(settings, name):
    rng = np.random.default_rng(5)
    rows, others = rng.normal(size=(4, 6)), rng.normal(size=(5, 6))
    lp, named = simplug.distances.build("lp", **settings), simplug.distances.build(name)
    np.testing.assert_allclose(lp.numpy(rows, others), named.numpy(rows, others), rtol=1e-12)


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
