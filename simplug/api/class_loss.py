"""Losses that compare embeddings with learned vectors of the classes."""

from __future__ import annotations

from abc import abstractmethod

import attrs

from simplug.api.batch import Batch
from simplug.api.loss import Compared, Loss
from simplug.api.numerics import Tensor
from simplug.api.pairs import Term
from simplug.api.reducer import Reducer
from simplug.api.regularizer import Regularizer, penalized
from simplug.api.state import State, Weight
from simplug.kernel.component import component, option


@attrs.frozen(kw_only=True)
class ClassLoss(Loss):
    """A loss with weights: each class has a learned vector, or several, that its embeddings are drawn to.

    Labels are whole numbers from 0 to ``num_classes - 1``. The vectors are one tensor ``weight`` of shape
    (num_classes x vectors per class, d), row by row in the order of the classes. A subclass defines :meth:`terms` and
    :meth:`logits`.
    """

    num_classes: int = option(ge=1, doc="how many classes there are; labels go from 0 to one less")
    reducer: Reducer = component("reducer", default="mean", doc="how the values become one number")
    regularizer: Regularizer | None = component("regularizer", default=None, doc="a penalty on the embeddings")
    regularizer_weight: float = option(1.0, ge=0, doc="the weight of that penalty")
    weight_regularizer: Regularizer | None = component(
        "regularizer", default=None, doc="a penalty on the class vectors"
    )
    weight_regularizer_weight: float = option(1.0, ge=0, doc="the weight of that penalty")

    @property
    def compares(self) -> Compared:
        """Labels and learned vectors of the classes."""
        return "classes"

    @property
    def takes_references(self) -> bool:
        """The class vectors are all that a batch is compared with."""
        return False

    @property
    def label_limit(self) -> int | None:
        """The number of classes."""
        return self.num_classes

    @abstractmethod
    def terms(self, batch: Batch) -> dict[str, Term]:
        """Return the parts of the loss before reduction; the class vectors are ``batch.state["weight"]``."""

    @abstractmethod
    def logits(self, embeddings: Tensor, state: State) -> Tensor:
        """Return how well each embedding fits each class, as the loss sees it but without margin.

        The largest of a row is the class that the loss would predict.

        Args:
            embeddings: (n, d), of any floating dtype; half precision is computed in float32.
            state: What the loss keeps, as :meth:`state` declares it.

        Returns:
            (n, num_classes), float32 or float64.
        """

    def state(self, dim: int) -> dict[str, Weight]:
        """Return the class vectors, (num_classes, dim), drawn from a normal distribution."""
        return {"weight": Weight((self.num_classes, dim), _NORMAL)}

    def value(self, batch: Batch) -> Tensor:
        """Return the loss of a checked batch."""
        value = self.reducer(self.terms(batch), batch.labels)
        value = penalized(value, self.regularizer, self.regularizer_weight, batch.embeddings)
        vectors = batch.state["weight"]
        return penalized(value, self.weight_regularizer, self.weight_regularizer_weight, vectors)


_NORMAL = {"class_name": "RandomNormal", "config": {"mean": 0.0, "stddev": 1.0}}
