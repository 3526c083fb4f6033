"""The contrastive loss."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import attrs

from simplug.api import Batch, Distance, PairLoss, Pairs, Reducer, Term, component, option
from simplug.api.numerics import Tensor


@attrs.frozen(kw_only=True)
class Contrastive(PairLoss):
    r"""Pulls positive pairs within one margin and pushes negative pairs beyond another.

    .. math::
        [d_{ap} - m_{pos}]_+ \qquad\text{and}\qquad [m_{neg} - d_{an}]_+

    The two kinds of pairs are reduced apart and then added. Margins are distances under every distance: a similarity
    of 0.8 is the cosine distance 0.2. The paper has half the square of each value, with `squared`; without it this is
    the form in general use. The default distance is Euclidean, of normalised embeddings; the default reducer averages
    over the pairs with a value above 0.

    Hadsell, Chopra, LeCun, "Dimensionality Reduction by Learning an Invariant Mapping", CVPR 2006.
    """

    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "cub": {"pos_margin": -0.20, "neg_margin": 0.38},
        "cars": {"pos_margin": 0.27, "neg_margin": 0.54},
        "sop": {"pos_margin": 0.29, "neg_margin": 0.51},
    }

    distance: Distance = component(
        "distance", default={"name": "euclidean", "normalize": True}, doc="how far two embeddings are apart"
    )
    reducer: Reducer = component("reducer", default="mean_nonzero", doc="how the values become one number")
    pos_margin: float = option(0.0, doc="positive pairs nearer than this cost nothing, in units of the distance")
    neg_margin: float = option(1.0, doc="negative pairs farther than this cost nothing, in units of the distance")
    squared: bool = option(False, doc="take half the square of each value, as the paper does")

    def terms(self, distances: Tensor, pairs: Pairs, batch: Batch) -> dict[str, Term]:
        """Return one value a positive pair, and one a negative pair."""
        from keras import ops

        pull, push = ops.relu(distances - self.pos_margin), ops.relu(self.neg_margin - distances)
        if self.squared:
            pull, push = ops.square(pull) / 2, ops.square(push) / 2
        return {"positive": Term(pull, pairs.positive), "negative": Term(push, pairs.negative)}
