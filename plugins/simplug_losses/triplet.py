"""The triplet loss over all triplets of a batch."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, ClassVar, Literal

import attrs

from simplug.api import Batch, Distance, PairLoss, Pairs, Reducer, Term, component, option
from simplug.api.numerics import Tensor
from simplug_losses.all_triplets import AllTriplets


@attrs.frozen(kw_only=True)
class Triplet(PairLoss):
    r"""Asks every positive to be nearer to its anchor than every negative, by a margin.

    .. math:: [d_{ap} - d_{an} + m]_+ \quad\text{for all positives } p \text{ and negatives } n \text{ of each anchor}

    With `soft` each triplet costs :math:`\log(1 + e^{d_{ap} - d_{an} + m})` instead. With `swap` the smaller one of
    :math:`d_{an}` and :math:`d_{pn}` stands for :math:`d_{an}`. The option `triplets` keeps those that are easy
    (:math:`m < d_{an} - d_{ap}`), semi-hard (:math:`0 < d_{an} - d_{ap} \le m`) or hard
    (:math:`d_{an} - d_{ap} \le 0`), as the distances are before a swap; an easy triplet costs something only with
    `soft`. A miner of triplets and this option restrict each other.

    Every triplet of the batch counts, in (n, m) memory. An anchor is one element for the reducer and stands for all
    its triplets, so that the means over triplets are exact; with `swap` the whole batch is one element. The default
    reducer averages over the triplets that cost something; the default distance is Euclidean, between normalised
    embeddings.

    Weinberger, Blitzer, Saul, "Distance Metric Learning for Large Margin Nearest Neighbor Classification", NIPS 2006;
    Schroff, Kalenichenko, Philbin, "FaceNet: A Unified Embedding for Face Recognition and Clustering", CVPR 2015; the
    swap: Balntas et al., "Learning local feature descriptors with triplets and shallow convolutional neural
    networks", BMVC 2016.
    """

    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "cub": {"margin": 0.096},
        "cars": {"margin": 0.119},
        "sop": {"margin": 0.045},
    }

    distance: Distance = component(
        "distance", default={"name": "euclidean", "normalize": True}, doc="how far two embeddings are apart"
    )
    reducer: Reducer = component("reducer", default="mean_nonzero", doc="how the values become one number")
    margin: float = option(0.2, ge=0, doc="by how much a negative must be farther, in units of the distance")
    soft: bool = option(False, doc="a smooth cost, which no triplet is rid of, instead of the hinge")
    swap: bool = option(False, doc="measure a negative from the anchor or the positive, whichever is nearer to it")
    triplets: Literal["all", "easy", "semi_hard", "hard"] = option(
        "all", choices=("all", "easy", "semi_hard", "hard"), doc="which triplets count"
    )

    def terms(self, distances: Tensor, pairs: Pairs, batch: Batch) -> dict[str, Term]:
        """Return the mean over the triplets of each anchor; over those of the batch with `swap`."""
        from keras import ops

        among = None
        if self.swap:
            among = distances if batch.own else self.distance(batch.references, batch.references)
        sums = AllTriplets(distances, pairs, self.margin, self.soft, self._band(pairs.band), among).sums()
        present = sums.count > 0
        values = sums.total / ops.where(present, sums.count, ops.ones_like(sums.count))
        return {"triplets": Term(values, sums.count, active=sums.active)}

    def _band(self, mined: tuple[float, float] | None) -> tuple[float, float] | None:
        """Return the band that lies in both the option's and the miner's."""
        margin = self.margin
        own = {"easy": (margin, math.inf), "semi_hard": (0.0, margin), "hard": (-math.inf, 0.0)}.get(self.triplets)
        if own is None or mined is None:
            return own or mined
        return max(own[0], mined[0]), min(own[1], mined[1])
