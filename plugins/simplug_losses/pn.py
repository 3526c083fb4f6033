"""The PN loss: one triplet an anchor, with the negative measured from both of its others."""

from __future__ import annotations

from typing import Literal

import attrs

from simplug.api import Batch, PairLoss, Pairs, Term, option
from simplug.api.numerics import Tensor
from simplug.api.positives import entries
from simplug_losses.one_triplet import one_triplet


@attrs.frozen(kw_only=True)
class PN(PairLoss):
    r"""Asks a positive to be nearer to its anchor than a negative is to either of the two.

    .. math::
        \log(1 + e^{x}) \quad\text{or, without soft,}\quad [x]_+, \qquad
        x = d_{ap} - \min(d_{an}, d_{pn}) + m

    Each anchor learns from one triplet. `positive_mining` takes its nearest (easy) or farthest (hard) positive;
    `negative_mining` its farthest (easy) or nearest (hard) negative, or (semi-hard) the nearest of the negatives that
    are farther than all its positives, and the farthest negative where there is none. Anchors that have no positive
    or no negative are left out. One value an anchor; the default distance is the cosine distance, and the default
    reducer the mean.

    The triplet and the smaller one of two distances are the paper's, which turns them into a cost by a softmax; the
    cost here is TensorFlow Similarity's.

    Balntas, Johns, Tang, Mikolajczyk, "PN-Net: Conjoined Triple Deep Network for Learning Local Image Descriptors",
    2016, arXiv 1601.05030.
    """

    margin: float = option(0.0, doc="by how much the negative must be farther, in units of the distance")
    soft: bool = option(True, doc="a smooth cost, which no triplet is rid of, instead of the hinge")
    positive_mining: Literal["easy", "hard"] = option(
        "hard", choices=("easy", "hard"), doc="which positive of an anchor it learns from"
    )
    negative_mining: Literal["easy", "semi_hard", "hard"] = option(
        "semi_hard", choices=("easy", "semi_hard", "hard"), doc="which negative of an anchor it learns from"
    )

    def terms(self, distances: Tensor, pairs: Pairs, batch: Batch) -> dict[str, Term]:
        """Return one value an anchor."""
        from keras import ops

        triplet = one_triplet(distances, pairs, self.positive_mining, self.negative_mining)
        among = distances if batch.own else self.distance(batch.references, batch.references)
        d_pn = entries(ops.take(among, ops.squeeze(triplet.positive, 1), axis=0), triplet.negative)
        d_n = ops.minimum(entries(distances, triplet.negative), d_pn)
        excess = ops.squeeze(entries(distances, triplet.positive) - d_n, 1) + self.margin
        return {"anchors": Term(ops.softplus(excess) if self.soft else ops.relu(excess), triplet.weight)}
