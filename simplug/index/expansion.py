"""Expansion: queries and records moved towards their nearest records, which finds what they alone do not."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from simplug.index import judging, validation
from simplug.index.index import Index
from simplug.index.neighbors import Neighbors
from simplug.index.others import others
from simplug.index.state import State
from simplug.kernel.errors import InvalidInputError

_NUMBERS = 1 << 22
"""How many components of neighbours are in memory at once."""


def query_expansion(index: Index, queries: Any, k: int = 10, *, neighbors: int = 5, alpha: float = 3.0) -> Neighbors:
    r"""Look up queries that are averaged with their nearest records.

    .. math:: q' = \frac{q + \sum_i w_i x_i}{1 + \sum_i w_i}, \quad w_i = \max(\cos(q, x_i), 0)^\alpha

    over the nearest `neighbors` records :math:`x_i`. With :math:`\alpha = 0` this is their plain mean; a larger one
    trusts near records more. Vectors are averaged as the distance prepares them, so under ``cosine`` their lengths
    mean nothing. It costs a second lookup. It helps where the first neighbours are mostly right.

    Chum, Philbin, Sivic, Isard, Zisserman, "Total Recall: Automatic Query Expansion with a Generative Feature Model for
    Object Retrieval", ICCV 2007; the weights are those of Radenović, Tolias, Chum, "Fine-tuning CNN Image Retrieval
    with No Human Annotation", IEEE TPAMI 2019.

    Args:
        index: Where to look.
        queries: (q, d) finite numbers.
        k: How many neighbours each query gets.
        neighbors: How many records a query is averaged with; fewer where the index holds fewer.
        alpha: The power of the weights, at least 0.

    Returns:
        Arrays of shape (q, k); distances are those to the expanded queries.

    Raises:
        InvalidInputError: An argument is unusable, or the index is closed.
    """
    k = validation.neighbors_wanted(k)
    neighbors, alpha = _settings(neighbors, alpha)
    vectors = validation.embeddings(queries, index.dim, index.distance, "queries")
    parts = []
    with index._reading() as state:
        for block in _blocks(len(vectors), neighbors, index.dim):
            prepared = index.distance.prepare(vectors[block])
            rows, _ = state.search(prepared, neighbors)
            expanded = index.distance.prepare(_averaged(state, prepared, rows, alpha))
            parts.append(judging.neighbors(state, expanded, k))
    return Neighbors(*(np.concatenate(column) for column in zip(*parts, strict=True)))


def database_augmentation(index: Index, *, neighbors: int = 5, alpha: float = 3.0) -> Index:
    r"""Return a new index in memory, in which each record is averaged with its nearest others.

    Each embedding becomes what :func:`query_expansion` makes of a query, with its nearest `neighbors` other records.
    It costs a lookup of every record, once; lookups afterwards cost what they did. Ids and labels are the same, so
    ``index.data_of(hits.ids)`` has the payloads, which are not copied. Where records have changed, do it again.

    Turcot and Lowe, "Better matching with fewer features: The selection of useful features in large database
    recognition problems", ICCV Workshops 2009; Arandjelović and Zisserman, "Three things everyone should know to
    improve object retrieval", CVPR 2012.

    Args:
        index: The records; they are not changed.
        neighbors: How many others a record is averaged with; fewer where the index holds fewer.
        alpha: The power of the weights, at least 0.

    Returns:
        An index with the same distance and search.

    Raises:
        InvalidInputError: An argument is unusable, or the index is closed.
        ArtifactError: A record is damaged.
    """
    neighbors, alpha = _settings(neighbors, alpha)
    augmented = Index.create(None, dim=index.dim, distance=index.distance, search=index.search)
    with index._reading() as state:
        rows, ids, labels = state.directory.records()
        for block in _blocks(len(rows), neighbors, index.dim):
            prepared = index.distance.prepare(state.embeddings(rows[block]))
            found, _ = state.search(prepared, neighbors + 1)
            embeddings = _averaged(state, prepared, others(found, rows[block]), alpha)
            augmented.add(embeddings, labels=labels[block], ids=ids[block])
    return augmented


def _averaged(state: State, vectors: np.ndarray, rows: np.ndarray, alpha: float) -> np.ndarray:
    """Return (q, d) float32 means of prepared vectors and their neighbours, of which (q, n) rows are told, or -1."""
    distance = state.recipe.distance
    filled = rows >= 0
    distinct, places = np.unique(rows[filled], return_inverse=True)
    near = np.zeros((*rows.shape, vectors.shape[1]))
    near[filled] = distance.prepare(state.embeddings(distinct))[places]
    own = vectors.astype(np.float64)
    lengths = np.linalg.norm(near, axis=2) * np.linalg.norm(own, axis=1)[:, None]
    cosines = np.einsum("qd,qnd->qn", own, near) / np.where(lengths > 0, lengths, 1)
    weights = np.where(filled, np.maximum(cosines, 0) ** alpha, 0)
    sums = own + np.einsum("qn,qnd->qd", weights, near)
    means: np.ndarray = (sums / (1 + weights.sum(axis=1, keepdims=True))).astype(np.float32)
    # Vectors may cancel out; then there is nothing better than the vector itself.
    undefined, _ = distance.invalid_rows(means)
    means[undefined] = vectors[undefined]
    return means


def _blocks(count: int, neighbors: int, dim: int) -> list[slice]:
    """Return parts of so many vectors, at least one."""
    size = max(1, _NUMBERS // (neighbors * dim))
    return [slice(start, start + size) for start in range(0, max(count, 1), size)]


def _settings(neighbors: Any, alpha: Any) -> tuple[int, float]:
    neighbors = validation.neighbors_wanted(neighbors, "neighbors")
    if isinstance(alpha, bool) or not isinstance(alpha, int | float) or not 0 <= alpha < math.inf:
        raise InvalidInputError(f"alpha must be a finite number of at least 0, not {alpha!r}")
    return neighbors, float(alpha)
