"""Fewer centers for each class than it was given."""

from __future__ import annotations

import attrs
import numpy as np

from simplug.api import InvalidInputError, Regularizer, option
from simplug.api.numerics import Tensor, as_float, backend_dtype, unit_rows


@attrs.frozen
class SparseCenters(Regularizer):
    r"""Draws the centers of each class together, so that those it does not need become one.

    .. math::
        \frac{1}{C K (K - 1)} \sum_{c=1}^{C} \sum_{t=1}^{K} \sum_{s=t+1}^{K} \sqrt{2 - 2\, w_c^s \cdot w_c^t}

    for C classes of K centers :math:`w_c^k`, divided by their norms first; the root is their Euclidean distance, and
    its gradient at 0 is taken as 0. Meant for ``soft_triple``, as its ``weight_regularizer``: the vectors are the
    centers of the first class, then those of the second, and so on.

    Qian et al., "SoftTriple Loss: Deep Metric Learning Without Triplet Sampling", ICCV 2019.
    """

    num_classes: int = option(ge=1, doc="how many classes there are")
    centers_per_class: int = option(ge=2, doc="how many centers each class has")

    def __call__(self, vectors: Tensor) -> Tensor:
        """Return the penalty of (num_classes x centers_per_class, d) vectors as a scalar, from 0 to 1.

        Raises:
            InvalidInputError: There are more vectors, or fewer.
        """
        from keras import ops

        classes, centers = self.num_classes, self.centers_per_class
        units = unit_rows(as_float(vectors))
        if units.shape[0] not in (None, classes * centers):
            raise InvalidInputError(
                f"SparseCenters expects {classes} classes of {centers} centers, {classes * centers} vectors, "
                f"not {units.shape[0]}"
            )
        groups = ops.reshape(units, (classes, centers, units.shape[1]))
        squares = 2 - 2 * ops.matmul(groups, ops.transpose(groups, (0, 2, 1)))
        # Equal centers leave a rounding of either sign; it counts as 0, and so do a center and itself.
        least = _ROUNDINGS * float(np.finfo(backend_dtype(squares)).eps)
        apart = ops.cast(squares > least, squares.dtype) * ops.convert_to_tensor(
            1 - np.eye(centers, dtype=backend_dtype(squares))
        )
        distances = ops.sqrt(squares * apart + (1 - apart)) * apart
        # Each pair of centers is met twice.
        return ops.sum(distances) / (2 * classes * centers * (centers - 1))


_ROUNDINGS = 16
