"""The contract of losses: labels and embeddings to a scalar."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

import attrs

from simplug.api.distance import Distance
from simplug.api.miner import Miner
from simplug.api.numerics import Tensor, as_float
from simplug.api.pairs import Pairs, Term
from simplug.api.reducer import Reducer
from simplug.api.regularizer import Regularizer
from simplug.kernel.component import Component, component, option
from simplug.kernel.errors import InvalidInputError


class Loss(Component, ABC):
    """Labels and embeddings to a scalar to be minimised, in Keras ops with static shapes."""

    kind: ClassVar[str] = "loss"

    @abstractmethod
    def __call__(
        self,
        labels: Tensor,
        embeddings: Tensor,
        ref_labels: Tensor | None = None,
        ref_embeddings: Tensor | None = None,
    ) -> Tensor:
        """Return the loss of a batch.

        Args:
            labels: (n,) or (n, 1) integer labels.
            embeddings: (n, d) floating-point embeddings; half precision is computed in float32.
            ref_labels: (m,) or (m, 1) labels of the references; None means that the batch is its own reference.
            ref_embeddings: (m, d) embeddings of the references.

        Returns:
            A scalar; 0, with gradient 0, for a batch without a valid pair.

        Raises:
            InvalidInputError: Ranks or lengths do not fit, or labels are not integers.
        """


@attrs.frozen(kw_only=True)
class PairLoss(Loss):
    """A loss over pairs or triplets, composed of a distance, a miner, a reducer and a regularizer.

    A subclass defines :meth:`terms`; everything else is shared: the relation between labels, the distance matrix
    (computed once for the miner and the loss), mining without gradient, reduction and regularization.
    """

    distance: Distance = component("distance", default="cosine", doc="how far two embeddings are apart")
    miner: Miner | None = component("miner", default=None, doc="which pairs are learned from; none: all of them")
    reducer: Reducer = component("reducer", default="mean", doc="how the values become one number")
    regularizer: Regularizer | None = component("regularizer", default=None, doc="a penalty on the embeddings")
    regularizer_weight: float = option(1.0, ge=0, doc="the weight of that penalty")

    @abstractmethod
    def terms(self, distances: Tensor, pairs: Pairs) -> dict[str, Term]:
        """Return the parts of the loss before reduction.

        Args:
            distances: (n, m) distances between anchors and references, float32 or float64.
            pairs: The pairs to learn from; weights of shape (n, m) and the dtype of `distances`.
        """

    def __call__(
        self,
        labels: Tensor,
        embeddings: Tensor,
        ref_labels: Tensor | None = None,
        ref_embeddings: Tensor | None = None,
    ) -> Tensor:
        """Return the loss of a batch; see :meth:`Loss.__call__`."""
        if (ref_labels is None) != (ref_embeddings is None):
            raise InvalidInputError("ref_labels and ref_embeddings go together; one of them is missing")
        labels = checked_labels(labels, embeddings)
        if ref_labels is not None:
            ref_labels = checked_labels(ref_labels, ref_embeddings)
        embeddings = as_float(embeddings)
        pairs = Pairs.from_labels(labels, ref_labels, embeddings.dtype)
        return self.of_pairs(pairs, embeddings, ref_embeddings)

    def of_pairs(self, pairs: Pairs, embeddings: Tensor, ref_embeddings: Tensor | None = None) -> Tensor:
        """Return the loss for pairs that are given as weights, instead of made from labels.

        Args:
            pairs: Weights of shape (n, m).
            embeddings: (n, d) anchors.
            ref_embeddings: (m, d) references; None means the anchors themselves.
        """
        from keras import ops

        embeddings = as_float(embeddings)
        references = embeddings if ref_embeddings is None else as_float(ref_embeddings)
        distances = self.distance(embeddings, references)
        if self.miner is not None:
            pairs = self.miner(ops.stop_gradient(distances), pairs)
        value = self.reducer(self.terms(distances, pairs))
        if self.regularizer is not None:
            value = value + self.regularizer_weight * self.regularizer(embeddings)
        return value


def checked_labels(labels: Tensor, embeddings: Tensor) -> Tensor:
    """Return labels as (n,), after checking what can be known of their shape and dtype.

    Raises:
        InvalidInputError: The embeddings are not of rank 2, the labels not integers of shape (n,) or (n, 1), or
            their lengths differ.
    """
    from keras import backend, ops

    labels, embeddings = ops.convert_to_tensor(labels), ops.convert_to_tensor(embeddings)
    if len(embeddings.shape) != 2:
        raise InvalidInputError(f"embeddings must have shape (n, d), not {tuple(embeddings.shape)}")
    if not backend.is_int_dtype(backend.standardize_dtype(labels.dtype)):
        raise InvalidInputError(f"labels must be integers, not {backend.standardize_dtype(labels.dtype)}")
    if len(labels.shape) not in (1, 2) or (len(labels.shape) == 2 and labels.shape[1] not in (1, None)):
        raise InvalidInputError(f"labels must have shape (n,) or (n, 1), not {tuple(labels.shape)}")
    count, expected = labels.shape[0], embeddings.shape[0]
    if isinstance(count, int) and isinstance(expected, int) and count != expected:
        raise InvalidInputError(f"{count} labels for {expected} embeddings")
    return ops.reshape(labels, (-1,))
