"""What stands between an encoder and a loss that compares two views."""

from __future__ import annotations

import attrs

from simplug.kernel.component import option


@attrs.frozen(kw_only=True)
class Predictor:
    """Dense layers that predict the other view's projection; every layer but the last ends in a ReLU."""

    layers: int = option(2, ge=1, doc="how many dense layers")
    width: int = option(128, ge=1, doc="the units of every layer but the last")
    batch_norm: bool = option(True, doc="whether every layer but the last is batch-normalised")


@attrs.frozen(kw_only=True)
class Projector:
    """Dense layers from embeddings to what a loss compares; every layer but the last ends in a ReLU."""

    layers: int = option(2, ge=1, doc="how many dense layers")
    width: int = option(256, ge=1, doc="the units of every layer but the last")
    dim: int = option(128, ge=1, doc="the units of the last layer, the length of a projection")
    batch_norm: bool = option(True, doc="whether every layer but the last is batch-normalised")
    output_batch_norm: bool = option(False, doc="whether the last layer is batch-normalised, too")


@attrs.frozen(kw_only=True)
class ViewNetwork:
    r"""The network that a loss between views is trained with, behind the encoder.

    A symmetric loss is shown the projections of both views, once: :math:`L(z_1, z_2)`. One with a `direction_weight` w
    treats its views unlike: the first is what learns, the second what it is compared with. It is shown both ways,

    .. math:: w \, \bigl(L(p_1, z'_2) + L(p_2, z'_1)\bigr)

    where p is the predictor's output, or the projection itself without one, and z' the projection by the slowly moving
    copy, or by the network itself without one.

    Attributes:
        projector: The layers behind the encoder; None compares embeddings.
        predictor: The layers behind the projector on the side that learns; None for losses without one.
        momentum: The share of itself that the copy of encoder and projector keeps at each step, from 0 to below 1; None
            for losses that are shown no copy.
        direction_weight: How much each of the two directions counts; None for a symmetric loss.

    Raises:
        ValueError: There is a predictor or a momentum, but no `direction_weight`.
    """

    projector: Projector | None = attrs.field(factory=Projector)
    predictor: Predictor | None = None
    momentum: float | None = option(None, ge=0, lt=1, doc="the share of itself that the copy keeps at each step")
    direction_weight: float | None = option(None, gt=0, doc="how much each of the two directions counts")

    def __attrs_post_init__(self) -> None:
        if self.direction_weight is None and (self.predictor is not None or self.momentum is not None):
            raise ValueError("direction_weight is needed: a predictor or a momentum makes the two views unlike")

    @property
    def roles(self) -> tuple[bool, bool, float | None]:
        """What losses that are added up must agree in: predictor, copy, and how much a direction counts."""
        return self.predictor is not None, self.momentum is not None, self.direction_weight
