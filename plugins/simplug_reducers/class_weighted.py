"""The mean with a weight for each class."""

from __future__ import annotations

import attrs

from simplug.api import InvalidInputError, Reducer, Term, option
from simplug.api.numerics import Tensor
from simplug_reducers.mean import ratio


@attrs.frozen
class ClassWeighted(Reducer):
    r"""The mean over all losses, each multiplied by the weight of its anchor's class.

    .. math:: \frac{\sum_i c_{y_i} w_i v_i}{\sum_i w_i}

    where :math:`c_y` is the weight of class y. The divisor is that of the plain mean, so that weights of 2 double the
    loss. Where the elements are classes, each has its own weight; a loss of the whole batch has none.
    """

    weights: tuple[float, ...] = option(
        ge=0, doc="the weights of the classes 0, 1, 2 and so on; a label beyond them, or below 0, has weight 1"
    )

    def reduce(self, term: Term, labels: Tensor | None = None) -> Tensor:
        """Return the mean of the losses times the weights of their classes.

        Raises:
            InvalidInputError: The labels are not known, or are rows of labels.
        """
        from keras import ops

        scale = ops.cast(self._scale(term, labels), term.values.dtype)
        return ratio(ops.sum(term.values * term.weights * scale), ops.sum(term.weights))

    def _scale(self, term: Term, labels: Tensor | None) -> Tensor:
        """Return the weight of each element's class, in a shape that fits the elements."""
        from keras import ops

        rank = len(term.values.shape)
        if rank == 0:
            return ops.ones(())
        if term.by_class:
            labels = ops.arange(ops.shape(term.values)[0])
        if labels is None:
            raise InvalidInputError("ClassWeighted weighs by labels, and there are none: the pairs were given instead")
        if len(labels.shape) != 1:
            raise InvalidInputError(
                f"ClassWeighted weighs by one label an example, (n,), not by labels of shape {tuple(labels.shape)}"
            )
        count = len(self.weights)
        known = ops.logical_and(labels >= 0, labels < count)
        scale = ops.take(ops.convert_to_tensor([*self.weights, 1.0]), ops.where(known, labels, count))
        return ops.expand_dims(scale, 1) if rank == 2 else scale
