"""Scores of clusters against labels, as scikit-learn defines them; the numbers of clusters and labels mean nothing."""

from __future__ import annotations

import attrs
import numpy as np

from simplug.api import ClusteringMetric


@attrs.frozen
class AdjustedMutualInformation(ClusteringMetric):
    r"""The mutual information of clusters and labels, corrected for chance; at most 1, about 0 for random clusters.

    .. math:: \mathrm{AMI} = \frac{I(U, V) - E[I(U, V)]}{\tfrac{1}{2}(H(U) + H(V)) - E[I(U, V)]}

    The expectation is over clusterings at random with the same sizes: Vinh, Epps and Bailey, "Information Theoretic
    Measures for Clusterings Comparison", JMLR 2010. It may be slightly below 0. Use this one where there are many
    small classes: NMI then is high for random clusters, too.
    """

    def score(self, labels: np.ndarray, clusters: np.ndarray) -> float:
        """Return the score of (n,) clusters."""
        from sklearn.metrics import adjusted_mutual_info_score

        return float(adjusted_mutual_info_score(labels, clusters))


@attrs.frozen
class AdjustedRandIndex(ClusteringMetric):
    r"""The share of pairs on which clusters and labels agree, corrected for chance; from -0.5 to 1, 0 for chance.

    .. math:: \mathrm{ARI} = \frac{\mathrm{RI} - E[\mathrm{RI}]}{1 - E[\mathrm{RI}]}

    Hubert and Arabie, "Comparing partitions", Journal of Classification 1985.
    """

    def score(self, labels: np.ndarray, clusters: np.ndarray) -> float:
        """Return the score of (n,) clusters."""
        from sklearn.metrics import adjusted_rand_score

        return float(adjusted_rand_score(labels, clusters))


@attrs.frozen
class NormalizedMutualInformation(ClusteringMetric):
    r"""The mutual information of clusters and labels over the mean of their entropies; from 0 to 1.

    .. math:: \mathrm{NMI} = \frac{2 I(U, V)}{H(U) + H(V)}

    Vinh, Epps and Bailey, "Information Theoretic Measures for Clusterings Comparison", JMLR 2010; it is the NMI of the
    metric learning literature. It is not corrected for chance and grows with the number of clusters.
    """

    def score(self, labels: np.ndarray, clusters: np.ndarray) -> float:
        """Return the score of (n,) clusters."""
        from sklearn.metrics import normalized_mutual_info_score

        return float(normalized_mutual_info_score(labels, clusters))
