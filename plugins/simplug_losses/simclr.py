"""The SimCLR loss: NT-Xent over two views."""

from __future__ import annotations

import attrs

from simplug.api import Batch, Projector, ViewLoss, ViewNetwork, option
from simplug.api.numerics import Tensor, unit_rows


@attrs.frozen(kw_only=True)
class SimClr(ViewLoss):
    r"""Picks each view's other view out of all other views of the batch (NT-Xent).

    With the cosine :math:`s` and all 2n views of n examples, each view i with the other view j of its example costs

    .. math::
        \ell_{ij} = -\log \frac{e^{s_{ij} / T}}{\sum_{k \ne i} e^{s_{ik} / T}}

    where T is the `temperature`; the loss is the mean over the 2n views, as in the paper. (TensorFlow Similarity adds
    the costs of an example's two views: its mean is twice this one.) The paper tunes the temperature: 0.1 for ImageNet,
    0.5 for CIFAR-10. A batch of one example costs 0. Time and memory grow with the square of the batch.

    Chen, Kornblith, Norouzi, Hinton, "A Simple Framework for Contrastive Learning of Visual Representations",
    ICML 2020.
    """

    temperature: float = option(0.1, gt=0, doc="what similarities are divided by; the lower, the more near views count")

    @property
    def view_network(self) -> ViewNetwork:
        """The paper's projector: one hidden layer, projections of length 128."""
        return ViewNetwork(projector=Projector(layers=2, width=256, dim=128))

    def between(self, first: Tensor, second: Tensor, batch: Batch) -> Tensor:
        """Return the mean cost of a view."""
        from keras import ops

        views = unit_rows(ops.concatenate([first, second], axis=0)) / self.temperature**0.5
        logits = ops.matmul(views, ops.transpose(views))
        rows = ops.arange(ops.shape(logits)[0])
        itself = ops.cast(ops.equal(ops.expand_dims(rows, 1), ops.expand_dims(rows, 0)), logits.dtype)
        # No two logits of a row are farther apart than twice the inverse temperature.
        logits = logits - itself * (4 / self.temperature + 100)
        top = ops.stop_gradient(ops.max(logits, axis=1, keepdims=True))
        others = ops.log(ops.sum(ops.exp(logits - top), axis=1)) + ops.squeeze(top, axis=1)
        count = ops.shape(first)[0]
        return ops.mean(others) - ops.mean(ops.sum(views[:count] * views[count:], axis=1))
