"""Numbers that tell how the space of the embeddings looks while a model trains."""

from __future__ import annotations

from typing import ClassVar

import attrs
import numpy as np

from simplug.api import PairSummary, TrainingMetric

_ROWS = 8192
"""How many embeddings are looked at together."""


@attrs.frozen
class MeanPositiveDistance(TrainingMetric):
    """The mean distance of pairs of one class, smaller is better while negative ones stay; 0 without such a pair."""

    maximize: ClassVar[bool] = False

    def score(self, embeddings: np.ndarray, pairs: PairSummary) -> float:
        """Return the distance."""
        return pairs.positive.mean if pairs.positive.count else 0.0


@attrs.frozen
class MinPositiveDistance(TrainingMetric):
    """The smallest distance of a pair of one class; 0 where there is no such pair."""

    maximize: ClassVar[bool] = False

    def score(self, embeddings: np.ndarray, pairs: PairSummary) -> float:
        """Return the distance."""
        return pairs.positive.least if pairs.positive.count else 0.0


@attrs.frozen
class MaxPositiveDistance(TrainingMetric):
    """The largest distance of a pair of one class: how wide the widest class is; 0 where there is no such pair."""

    maximize: ClassVar[bool] = False

    def score(self, embeddings: np.ndarray, pairs: PairSummary) -> float:
        """Return the distance."""
        return pairs.positive.most if pairs.positive.count else 0.0


@attrs.frozen
class MeanNegativeDistance(TrainingMetric):
    """The mean distance of pairs of two classes, larger is better while positive ones stay; 0 without such a pair."""

    def score(self, embeddings: np.ndarray, pairs: PairSummary) -> float:
        """Return the distance."""
        return pairs.negative.mean if pairs.negative.count else 0.0


@attrs.frozen
class MinNegativeDistance(TrainingMetric):
    """The smallest distance of a pair of two classes: how near the nearest two come; 0 where there is no such pair."""

    def score(self, embeddings: np.ndarray, pairs: PairSummary) -> float:
        """Return the distance."""
        return pairs.negative.least if pairs.negative.count else 0.0


@attrs.frozen
class MaxNegativeDistance(TrainingMetric):
    """The largest distance of a pair of two classes; 0 where there is no such pair."""

    def score(self, embeddings: np.ndarray, pairs: PairSummary) -> float:
        """Return the distance."""
        return pairs.negative.most if pairs.negative.count else 0.0


@attrs.frozen
class EmbeddingSpread(TrainingMetric):
    r"""How far the directions of the embeddings are spread; from 0, all the same, to 1, evenly in every direction.

    .. math:: \sqrt{d} \cdot \frac{1}{d} \sum_{j=1}^{d} \mathrm{std}_i\, \frac{x_{ij}}{\lVert x_i \rVert}

    The standard deviation runs over the examples. Chen and He, "Exploring Simple Siamese Representation Learning",
    CVPR 2021, arXiv:2011.10566, watch it for collapse: it is 0 when every output is the same, and
    :math:`1 / \sqrt{d}` before the factor :math:`\sqrt{d}` for a normal distribution around 0. An embedding of zeros
    has no direction and counts as it is.
    """

    def score(self, embeddings: np.ndarray, pairs: PairSummary) -> float:
        """Return the spread."""
        dim = embeddings.shape[1]
        # Seen from the first one, equal directions are exactly 0.
        origin = _directions(embeddings[:1])
        sums, squares = np.zeros(dim), np.zeros(dim)
        for start in range(0, len(embeddings), _ROWS):
            seen = _directions(embeddings[start : start + _ROWS]) - origin
            sums += seen.sum(axis=0)
            squares += np.einsum("ij,ij->j", seen, seen)
        variances = squares / len(embeddings) - (sums / len(embeddings)) ** 2
        return float(np.sqrt(np.maximum(variances, 0)).sum() / np.sqrt(dim))


@attrs.frozen
class EffectiveRank(TrainingMetric):
    r"""How many dimensions the embeddings fill: from 1, all on a line, to their dimension; 0 where all are equal.

    .. math:: \exp \Bigl( -\sum_j p_j \log p_j \Bigr), \qquad p_j = \frac{\sigma_j}{\sum_l \sigma_l}

    :math:`\sigma` are the singular values of the embeddings less their mean. Roy and Vetterli, "The effective rank: A
    measure of effective dimensionality", EUSIPCO 2007; a model whose embeddings collapse to a few dimensions shows it
    here first. What is left of a full collapse is noise in every direction, so read it beside ``embedding_spread``.
    """

    def score(self, embeddings: np.ndarray, pairs: PairSummary) -> float:
        """Return the effective rank."""
        # Seen from the first one, equal embeddings are exactly 0.
        origin = embeddings[:1].astype(np.float64)
        mean = _mean(embeddings, origin)
        triangle = np.zeros((0, embeddings.shape[1]))
        for start in range(0, len(embeddings), _ROWS):
            centered = (embeddings[start : start + _ROWS] - origin) - mean
            triangle = np.asarray(np.linalg.qr(np.concatenate([triangle, centered]), mode="r"))
        values = np.linalg.svd(triangle, compute_uv=False)
        if not values.any():
            return 0.0
        shares = values[values > 0] / values.sum()
        return float(np.exp(-np.sum(shares * np.log(shares))))


def _directions(embeddings: np.ndarray) -> np.ndarray:
    """Return (n, d) embeddings divided by their norms, float64; zeros stay zeros."""
    wide = embeddings.astype(np.float64)
    norms = np.linalg.norm(wide, axis=1, keepdims=True)
    directions: np.ndarray = wide / np.where(norms == 0, 1.0, norms)
    return directions


def _mean(embeddings: np.ndarray, origin: np.ndarray) -> np.ndarray:
    """Return the (d,) mean of (n, d) embeddings, seen from an origin."""
    sums = np.zeros(embeddings.shape[1])
    for start in range(0, len(embeddings), _ROWS):
        sums += (embeddings[start : start + _ROWS] - origin).sum(axis=0)
    mean: np.ndarray = sums / len(embeddings)
    return mean
