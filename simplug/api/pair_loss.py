"""Losses over the pairs or triplets of a batch, composed of a distance, a miner, a reducer and a regularizer."""

from __future__ import annotations

from abc import abstractmethod

import attrs

from simplug.api.batch import Batch
from simplug.api.distance import Distance
from simplug.api.loss import Loss
from simplug.api.miner import Miner
from simplug.api.numerics import Tensor
from simplug.api.pairs import COMPARISONS, Comparison, Pairs, Term
from simplug.api.reducer import Reducer
from simplug.api.regularizer import Regularizer, penalized
from simplug.api.state import State
from simplug.kernel.component import component, option


@attrs.frozen(kw_only=True)
class PairLoss(Loss):
    """A loss over pairs or triplets.

    A subclass defines :meth:`terms`; everything else is shared: the relation between labels, the distance matrix
    (computed once for the miner and the loss), mining without gradient, reduction and regularization.
    """

    distance: Distance = component("distance", default="cosine", doc="how far two embeddings are apart")
    miner: Miner | None = component("miner", default=None, doc="which pairs are learned from; none: all of them")
    reducer: Reducer = component("reducer", default="mean", doc="how the values become one number")
    regularizer: Regularizer | None = component("regularizer", default=None, doc="a penalty on the embeddings")
    regularizer_weight: float = option(1.0, ge=0, doc="the weight of that penalty")
    label_comparison: Comparison = option(
        "equal",
        choices=COMPARISONS,
        doc="when labels are alike: equal; or, for rows of labels, shared, jaccard (rows of 0 and 1), hierarchy",
    )

    @property
    def label_rank(self) -> int:
        """1 for labels that are compared whole, 2 for rows of labels."""
        return 1 if self.label_comparison == "equal" else 2

    @abstractmethod
    def terms(self, distances: Tensor, pairs: Pairs, batch: Batch) -> dict[str, Term]:
        """Return the parts of the loss before reduction.

        Args:
            distances: (n, m) distances between anchors and references, float32 or float64.
            pairs: The pairs to learn from, mined; weights of shape (n, m) and the dtype of `distances`.
            batch: What they were made from, for a loss that looks at labels, vectors or a state.
        """

    def value(self, batch: Batch) -> Tensor:
        """Return the loss of a checked batch."""
        distances, pairs = self.mined(batch)
        value = self.reducer(self.terms(distances, pairs, batch), batch.labels)
        return penalized(value, self.regularizer, self.regularizer_weight, batch.embeddings)

    def mined(self, batch: Batch) -> tuple[Tensor, Pairs]:
        """Return the distances of a batch, with gradient, and the pairs that its miner chooses by them, without."""
        from keras import ops

        distances = self.distance(batch.embeddings, batch.references)
        pairs = self.relation(batch)
        if self.miner is not None:
            among = None
            if self.miner.needs_among and not batch.own:
                among = ops.stop_gradient(self.distance(batch.references, batch.references))
            pairs = self.miner(ops.stop_gradient(distances), pairs, among)
        return distances, pairs

    def relation(self, batch: Batch) -> Pairs:
        """Return the pairs of a batch before mining: those it was given, or those that its labels make."""
        if batch.pairs is not None:
            return batch.pairs
        ref_labels = None if batch.own else batch.ref_labels
        return Pairs.from_labels(batch.labels, ref_labels, batch.embeddings.dtype, self.label_comparison)

    def of_pairs(
        self,
        pairs: Pairs,
        embeddings: Tensor,
        ref_embeddings: Tensor | None = None,
        *,
        state: State | None = None,
    ) -> Tensor:
        """Return the loss for pairs that are given as weights, instead of made from labels.

        Args:
            pairs: Weights of shape (n, m); no pair is positive and negative at once.
            embeddings: (n, d) anchors.
            ref_embeddings: (m, d) references; None means the anchors themselves.
            state: As in :meth:`Loss.__call__`.

        Raises:
            InvalidInputError: The embeddings are not of rank 2, or the state is missing.
        """
        return self.value(self.batch(None, embeddings, None, ref_embeddings, pairs=pairs, state=state))
