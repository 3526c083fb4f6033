"""A weighted sum of losses."""

from __future__ import annotations

import attrs

from simplug.api import Batch, Distance, InvalidInputError, Loss, ViewNetwork, Weight, components, option
from simplug.api.loss import Compared
from simplug.api.numerics import Tensor
from simplug.api.state import prefixed, within


@attrs.frozen(kw_only=True)
class Multiple(Loss):
    r"""Adds several losses of the same batch, each with a weight.

    .. math:: \sum_i w_i \, L_i

    Losses over pairs and losses with class vectors may be mixed; losses between views only with their like. All take
    labels of one form. Each has its own distance, miner, reducer and regularizer. What the i-th loss keeps from step to
    step, counted from 0, is kept under ``i.``, such as ``1.weight``.

    Raises:
        ValueError: There is no loss, their number is not that of the weights, or they cannot be fed with one batch.
    """

    losses: tuple[Loss, ...] = components("loss", default=attrs.NOTHING, doc="the losses, at least one")
    weights: tuple[float, ...] = option((), ge=0, doc="how much each counts, in the same order; without: 1 each")

    def __attrs_post_init__(self) -> None:
        """Refuse losses that do not go together."""
        if not self.losses:
            raise InvalidInputError("losses must name at least one loss")
        if self.weights and len(self.weights) != len(self.losses):
            raise InvalidInputError(
                f"weights must be one for each of the {len(self.losses)} losses, not {self.weights}"
            )
        views = [type(loss).__name__ for loss in self.losses if loss.compares == "views"]
        if views and len(views) != len(self.losses):
            others = [type(loss).__name__ for loss in self.losses if loss.compares != "views"]
            raise InvalidInputError(
                f"losses must all compare two views, or none: {', '.join(views)} and {', '.join(others)} take "
                "different batches; a pair loss compares two views inside self_supervised"
            )
        if len({loss.view_network.roles for loss in self.losses if loss.compares == "views"}) > 1:
            raise InvalidInputError(
                f"losses must be shown the same network: {', '.join(views)} differ in predictor, momentum or how much "
                "each direction counts"
            )
        ranks = {type(loss).__name__: loss.label_rank for loss in self.losses}
        if len(set(ranks.values())) > 1:
            forms = ", ".join(f"{name} {'rows of labels' if rank == 2 else 'single'}" for name, rank in ranks.items())
            raise InvalidInputError(f"losses must take labels of one form: {forms}")

    @property
    def compares(self) -> Compared:
        """Views if all losses do; classes if one does; else pairs."""
        found = {loss.compares for loss in self.losses}
        return next(iter(found)) if len(found) == 1 else "classes"

    @property
    def view_network(self) -> ViewNetwork:
        """That of the first loss, if they compare views."""
        return self.losses[0].view_network

    @property
    def takes_references(self) -> bool:
        """Whether every loss does."""
        return all(loss.takes_references for loss in self.losses)

    @property
    def distance(self) -> Distance | None:
        """The distance of the first loss that has one."""
        return next((found for loss in self.losses if (found := getattr(loss, "distance", None)) is not None), None)

    @property
    def label_rank(self) -> int:
        """As for every loss."""
        return self.losses[0].label_rank

    @property
    def label_limit(self) -> int | None:
        """The smallest of the losses'."""
        return min((loss.label_limit for loss in self.losses if loss.label_limit is not None), default=None)

    def state(self, dim: int) -> dict[str, Weight]:
        """Return what all losses keep."""
        return {name: weight for i, loss in self._numbered() for name, weight in prefixed(loss.state(dim), i).items()}

    def next_state(self, batch: Batch) -> dict[str, Tensor]:
        """Return how what the losses keep moves."""
        moved: dict[str, Tensor] = {}
        for i, loss in self._numbered():
            moved |= prefixed(loss.next_state(_part(batch, i)), i)
        return moved

    def value(self, batch: Batch) -> Tensor:
        """Return the weighted sum over the losses of a checked batch."""
        weights = self.weights or (1.0,) * len(self.losses)
        first, *rest = (
            weight * loss.value(_part(batch, i)) for (i, loss), weight in zip(self._numbered(), weights, strict=True)
        )
        for value in rest:
            first = first + value
        return first

    def _numbered(self) -> list[tuple[str, Loss]]:
        return [(str(i), loss) for i, loss in enumerate(self.losses)]


def _part(batch: Batch, i: str) -> Batch:
    return attrs.evolve(batch, state=within(batch.state, i))
