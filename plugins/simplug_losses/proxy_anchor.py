"""The proxy anchor loss."""

from __future__ import annotations

import attrs

from simplug.api import Batch, ClassLoss, State, Term, Weight, option
from simplug.api.numerics import Tensor
from simplug_losses.class_softmax import directions, own_products, own_rows, products


@attrs.frozen(kw_only=True)
class ProxyAnchor(ClassLoss):
    r"""Takes a learned proxy of each class as the anchor, and the examples of the batch as its positives and negatives.

    .. math::
        \frac{1}{|P^+|} \sum_{p \in P^+} \log\Bigl(1 + \sum_{x \in X_p^+} e^{-\alpha (s(x, p) - m)}\Bigr)
        + \frac{1}{|P|} \sum_{p \in P} \log\Bigl(1 + \sum_{x \in X_p^-} e^{\alpha (s(x, p) + m)}\Bigr)

    where s is the cosine, P are all proxies, :math:`P^+` those whose class is in the batch, and :math:`X_p^+` and
    :math:`X_p^-` the examples of p's class and of the others. The elements of both sums are classes, not anchors; each
    is reduced by its mean, and then they are added.

    Kim, Kim, Cho, Kwak, "Proxy Anchor Loss for Deep Metric Learning", CVPR 2020.
    """

    margin: float = option(0.1, doc="how far cosines must lie beyond 0, on their side, to cost little")
    alpha: float = option(32.0, gt=0, doc="how sharply hard examples are weighted")

    def state(self, dim: int) -> dict[str, Weight]:
        """Return the proxies, (num_classes, dim), drawn from a normal distribution of variance 2 / num_classes."""
        # That is the initialization by He et al. with the proxies as outputs; the loss sees their directions only.
        config = {"scale": 2.0, "mode": "fan_in", "distribution": "untruncated_normal"}
        return {"weight": Weight((self.num_classes, dim), {"class_name": "VarianceScaling", "config": config})}

    def terms(self, batch: Batch) -> dict[str, Term]:
        """Return one value a class that is in the batch, and one a class."""
        from keras import ops

        anchors, vectors = directions(batch.embeddings, batch.state, self.alpha)
        labels = ops.cast(batch.labels, "int32")
        is_own = ops.one_hot(labels, self.num_classes, axis=0, dtype=anchors.dtype)
        pull, count = self._pull(own_products(anchors, vectors, labels), labels, is_own)
        push = self._push(products(vectors, anchors), is_own)
        return {
            "positive": Term(pull, ops.cast(count > 0, pull.dtype), by_class=True),
            "negative": Term(push, ops.ones_like(push), by_class=True),
        }

    def logits(self, embeddings: Tensor, state: State) -> Tensor:
        """Return the (n, num_classes) cosines."""
        return products(*directions(embeddings, state))

    def _pull(self, own: Tensor, labels: Tensor, is_own: Tensor) -> tuple[Tensor, Tensor]:
        """Return each class's value from its own examples, and how many it has, given their scaled cosines."""
        from keras import ops

        excess = self.alpha * self.margin - own
        top = ops.segment_max(ops.stop_gradient(excess), labels, self.num_classes)
        top = ops.maximum(top, 0)
        parts = ops.exp(excess - own_rows(top, labels))
        sums = ops.matmul(is_own, ops.stack([parts, ops.ones_like(parts)], axis=1))
        return ops.log(ops.exp(-top) + sums[:, 0]) + top, sums[:, 1]

    def _push(self, scaled: Tensor, is_own: Tensor) -> Tensor:
        """Return each class's value from the examples of the others, given the (num_classes, n) scaled cosines."""
        from keras import ops

        scaled = scaled + _LEFT_OUT * is_own
        # The margin is in every term of the sum: it is taken out, and the 1 is divided by it.
        margin = self.alpha * self.margin
        top = ops.stop_gradient(ops.maximum(ops.max(scaled, axis=1, keepdims=True), -margin))
        total = ops.sum(ops.exp(scaled - top), axis=1)
        top = ops.squeeze(top, axis=1)
        return ops.log(ops.exp(-margin - top) + total) + (top + margin)


_LEFT_OUT = -1e9
"""What is added to a scaled cosine whose exponential is to be 0."""
