"""Two views of each example in, any pair loss inside."""

from __future__ import annotations

import attrs

from simplug.api import (
    Batch,
    Distance,
    InvalidInputError,
    Loss,
    Projector,
    ViewNetwork,
    Weight,
    component,
    option,
)
from simplug.api.loss import Compared
from simplug.api.numerics import Tensor
from simplug.api.state import prefixed, within
from simplug.api.view_loss import views_of


@attrs.frozen(kw_only=True)
class SelfSupervised(Loss):
    """Teaches a pair loss from two views of each example: the views of one are alike, those of two differ.

    The views are embeddings and references, row by row; or, without references, the two halves of one batch. The
    labels of the batch are not looked at. With `symmetric`, all views are anchors and are compared with all others;
    without, the first views are anchors and the second views their references: a model then embeds the references with
    a slowly moving copy of itself, takes each view as the anchor once, and averages the two. With
    ``cross_batch_memory`` inside, which remembers references, this is momentum contrast (MoCo). What the loss inside
    keeps is kept under ``loss.``, and then ``seen`` counts the examples, so that a loss that remembers some never takes
    one of them for another view of a new one. The loss inside may be any over pairs of single labels, `multiple` of
    such losses included.

    He, Fan, Wu, Xie, Girshick, "Momentum Contrast for Unsupervised Visual Representation Learning", CVPR 2020.

    Raises:
        ValueError: The loss inside does not compare pairs, takes rows of labels or has a fixed number of classes.
    """

    loss: Loss = component("loss", default="nt_xent", doc="the pair loss that compares the views")
    symmetric: bool = option(True, doc="whether second views are anchors, too, and views are compared with all others")

    def __attrs_post_init__(self) -> None:
        """Refuse a loss that cannot do with made-up labels."""
        name = type(self.loss).__name__
        if self.loss.compares != "pairs":
            raise InvalidInputError(f"loss must compare pairs, and {name} compares {self.loss.compares}")
        if self.loss.label_rank != 1 or self.loss.label_limit is not None:
            raise InvalidInputError(
                f"loss must take any single labels, here the numbers of the examples; {name} does not"
            )

    @property
    def compares(self) -> Compared:
        """Two views of each example."""
        return "views"

    @property
    def view_network(self) -> ViewNetwork:
        """SimCLR's; or MoCo's, without batch normalisation, through which an example could tell its own key."""
        projector = Projector(layers=2, width=256, dim=128, batch_norm=self.symmetric)
        if self.symmetric:
            return ViewNetwork(projector=projector)
        return ViewNetwork(projector=projector, momentum=0.99, direction_weight=0.5)

    @property
    def distance(self) -> Distance | None:
        """The distance of the loss inside, if it has one."""
        return getattr(self.loss, "distance", None)

    def state(self, dim: int) -> dict[str, Weight]:
        """Return what the loss inside keeps and, if it keeps anything, how many examples were seen."""
        inside = prefixed(self.loss.state(dim), "loss")
        return inside and {"seen": Weight((), "zeros", trainable=False, dtype="int32"), **inside}

    def next_state(self, batch: Batch) -> dict[str, Tensor]:
        """Return how what the loss inside keeps moves."""
        if "seen" not in batch.state:
            return {}
        first, _ = views_of(batch)
        moved = {"seen": _after(first, batch)}
        inside = self._paired(attrs.evolve(batch, state={**batch.state, **moved}))
        return {**moved, **prefixed(self.loss.next_state(inside), "loss")}

    def value(self, batch: Batch) -> Tensor:
        """Return the loss of a checked batch."""
        return self.loss.value(self._paired(batch))

    def _paired(self, batch: Batch) -> Batch:
        """Return the batch of the loss inside, labelled with the numbers of the examples."""
        from keras import ops

        first, second = views_of(batch)
        count = ops.shape(first)[0]
        numbers = ops.arange(count)
        if "seen" in batch.state:
            numbers = ops.cast(numbers, "int32") + (batch.state["seen"] - ops.cast(count, "int32"))
        inside = attrs.evolve(batch, pairs=None, state=within(batch.state, "loss"))
        if not self.symmetric:
            return attrs.evolve(
                inside, embeddings=first, references=second, labels=numbers, ref_labels=numbers, own=False
            )
        both = ops.concatenate([first, second], axis=0) if not batch.own else batch.embeddings
        labels = ops.concatenate([numbers, numbers], axis=0)
        return attrs.evolve(inside, embeddings=both, references=both, labels=labels, ref_labels=labels, own=True)


def _after(first: Tensor, batch: Batch) -> Tensor:
    """Return how many examples were seen once these are; it starts anew long before 32 bits are full."""
    from keras import ops

    return ops.mod(batch.state["seen"] + ops.cast(ops.shape(first)[0], "int32"), 2**30)
