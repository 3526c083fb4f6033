"""The miner of negatives at all distances alike."""

from __future__ import annotations

import attrs

from simplug.api import Miner, Pairs, option
from simplug.api.numerics import Tensor
from simplug_miners.draws import draws
from simplug_miners.masks import kept
from simplug_miners.selection import smallest

_BITS = 23
"""The bits of a draw: as many as a float32 fraction holds."""


@attrs.frozen
class DistanceWeighted(Miner):
    r"""Keeps all positives, and draws as many negatives of each anchor, so that near and far ones are met alike.

    Between points spread evenly on the unit sphere in :math:`D` dimensions most distances are about
    :math:`\sqrt 2`; a random negative teaches little. Negatives are drawn with probability proportional to one over
    the density of their distance, with distances below a cutoff taken as the cutoff:

    .. math::
        P(n) \propto q(\max(d_{an}, \lambda))^{-1}, \qquad q(d) \propto d^{D-2} \Bigl(1 - \tfrac14 d^2\Bigr)^{(D-3)/2}

    It takes the distance as Euclidean and the embeddings as normalised: name
    ``{ name = "euclidean", normalize = true }`` as the distance of the loss. Negatives of an anchor are drawn without
    replacement, as many as it has positives, none at or beyond the second cutoff; the paper draws one for each positive
    pair, with replacement. Under a loss over triplets every kept positive then meets every drawn negative.

    There is no random state: the draw is made from the seed and the bits of each distance. It is the same for the same
    batch in any order, another for another batch, and equal distances draw alike.

    Wu et al., "Sampling Matters in Deep Embedding Learning", ICCV 2017.
    """

    embedding_dim: int = option(ge=2, doc="the dimension of the embeddings, which the density depends on")
    cutoff: float = option(0.5, gt=0, lt=2, doc="nearer negatives are weighted as if they were at this distance")
    nonzero_loss_cutoff: float = option(1.4, gt=0, le=2, doc="negatives at this distance or beyond are not drawn")
    seed: int = option(0, doc="another seed draws other negatives")

    def __call__(self, distances: Tensor, pairs: Pairs, among: Tensor | None = None) -> Pairs:
        """Return all positives and the drawn negatives."""
        from keras import ops

        is_positive = pairs.positive > 0
        candidates = (pairs.negative > 0) & (distances < self.nonzero_loss_cutoff)
        uniform = (ops.cast(draws(distances, self.seed, _BITS), distances.dtype) + 0.5) / 2**_BITS
        # The smallest of exponential times, each divided by its weight, are a draw by weight without replacement
        # (Efraimidis and Spirakis, 2006).
        times = ops.log(-ops.log(uniform)) + self._log_density(distances)
        count = ops.sum(ops.cast(is_positive, distances.dtype), axis=1, keepdims=True)
        return kept(pairs, is_positive, smallest(times, candidates, count))

    def _log_density(self, distances: Tensor) -> Tensor:
        from keras import ops

        held = ops.clip(distances, self.cutoff, 2.0)
        # At the distance 2 the density of all but the lowest dimensions is 0; one over it stays finite.
        rest = ops.maximum(1 - ops.square(held) / 4, 1e-7)
        return (self.embedding_dim - 2) * ops.log(held) + (self.embedding_dim - 3) / 2 * ops.log(rest)
