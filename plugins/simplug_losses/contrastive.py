"""The contrastive loss."""

from __future__ import annotations

import attrs

from simplug.api import Batch, Distance, PairLoss, Pairs, Reducer, Term, component, option
from simplug.api.numerics import Tensor


@attrs.frozen(kw_only=True)
class Contrastive(PairLoss):
    r"""Pulls positive pairs within one margin and pushes negative pairs beyond another.

    .. math::
        [d_{ap} - m_{pos}]_+ \qquad\text{and}\qquad [m_{neg} - d_{an}]_+

    The two kinds of pairs are reduced apart and then added. Margins are distances under every distance: a similarity
    of 0.8 is the cosine distance 0.2. The paper squares each of the two values; this is the form without squares that
    is in general use.

    Hadsell, Chopra, LeCun, "Dimensionality Reduction by Learning an Invariant Mapping", CVPR 2006.
    """

    distance: Distance = component(
        "distance", default={"name": "euclidean", "normalize": True}, doc="how far two embeddings are apart"
    )
    reducer: Reducer = component("reducer", default="mean_nonzero", doc="how the values become one number")
    pos_margin: float = option(0.0, doc="positive pairs nearer than this cost nothing, in units of the distance")
    neg_margin: float = option(1.0, doc="negative pairs farther than this cost nothing, in units of the distance")

    def terms(self, distances: Tensor, pairs: Pairs, batch: Batch) -> dict[str, Term]:
        """Return one value a positive pair, and one a negative pair."""
        from keras import ops

        return {
            "positive": Term(ops.relu(distances - self.pos_margin), pairs.positive),
            "negative": Term(ops.relu(self.neg_margin - distances), pairs.negative),
        }
