"""Plain classifiers that learn from frozen embeddings: the share of queries that they classify rightly."""

from __future__ import annotations

import attrs
import numpy as np

from simplug.api import Block, Distance, ProbeMetric, option, scan

_ITERATIONS = 1000
"""How many steps the solver may take; on standardised embeddings it needs far fewer."""


@attrs.frozen
class LinearProbe(ProbeMetric):
    r"""The share of queries that a linear classifier, trained on the gallery's embeddings, classifies rightly.

    .. math:: \hat{y} = \arg\max_c \bigl( w_c^\top z + b_c \bigr), \qquad z_j = \frac{x_j - \mu_j}{\sigma_j}

    Embeddings are standardised with the mean and the standard deviation of each dimension over the gallery; one that
    does not vary becomes 0. The classifier is multinomial logistic regression, as scikit-learn fits it with L-BFGS:

    .. math:: \min_{w, b} \; \frac{1}{2} \sum_c \lVert w_c \rVert^2 - C \sum_i \log p(y_i \mid z_i)

    With many classes it takes long: a step of the solver has as many multiplications as there are examples, times
    dimensions, times classes. Alain and Bengio, "Understanding intermediate layers using linear classifier probes",
    ICLR 2017 Workshop, arXiv:1610.01644. It tells whether the classes are in the embeddings, not whether a distance
    finds them: read it beside ``knn_probe``.
    """

    c: float = option(1.0, gt=0, doc="How closely the classifier follows the gallery: the C of scikit-learn.")

    def score(
        self,
        gallery: np.ndarray,
        gallery_labels: np.ndarray,
        queries: np.ndarray,
        labels: np.ndarray,
        distance: Distance,
    ) -> np.ndarray:
        """Return (q,) scores, 1 where the classifier is right and 0 where it is not."""
        import warnings

        from sklearn.exceptions import ConvergenceWarning
        from sklearn.linear_model import LogisticRegression
        from sklearn.preprocessing import StandardScaler

        if not len(queries):
            return np.zeros(0)
        scale = StandardScaler().fit(gallery.astype(np.float64))
        classifier = LogisticRegression(C=self.c, max_iter=_ITERATIONS)
        with warnings.catch_warnings():
            # A classifier that is not quite at its best is what these embeddings allow in a thousand steps.
            warnings.simplefilter("ignore", ConvergenceWarning)
            classifier.fit(scale.transform(gallery.astype(np.float64)), gallery_labels)
        right: np.ndarray = classifier.predict(scale.transform(queries.astype(np.float64))) == labels
        return right.astype(np.float64)


@attrs.frozen
class KnnProbe(ProbeMetric):
    r"""The share of queries whose class has the most votes among the k nearest examples of the gallery.

    .. math:: \hat{y} = \arg\max_c \sum_{i \in N_k(x)} [y_i = c]

    Neighbours are exact, by the distance of the index; at equal distances the earlier example comes first. Among
    classes with as many votes, the one with the nearest voter wins. Where the gallery holds fewer than k examples, all
    of them vote. With k = 1 it is ``precision@1``. Wu et al., "Unsupervised Feature Learning via Non-Parametric
    Instance Discrimination", CVPR 2018, arXiv:1805.01978, judge embeddings that were learned without labels by such a
    vote.
    """

    k: int = option(5, ge=1, doc="How many neighbours vote.")

    def score(
        self,
        gallery: np.ndarray,
        gallery_labels: np.ndarray,
        queries: np.ndarray,
        labels: np.ndarray,
        distance: Distance,
    ) -> np.ndarray:
        """Return (q,) scores, 1 where the vote is right and 0 where it is not."""
        block = Block(np.arange(len(gallery)), distance.prepare(gallery))
        rows, _ = scan(distance, distance.prepare(queries), [block], min(self.k, len(gallery)))
        right: np.ndarray = _elected(gallery_labels[rows]) == labels
        return right.astype(np.float64)


def _elected(labels: np.ndarray) -> np.ndarray:
    """Return the label with the most votes in each row of (q, k) labels, the first of those with as many."""
    votes = np.zeros(labels.shape, dtype=np.int64)
    for place in range(labels.shape[1]):
        votes += labels == labels[:, place, np.newaxis]
    return np.take_along_axis(labels, votes.argmax(axis=1)[:, np.newaxis], axis=1)[:, 0]
