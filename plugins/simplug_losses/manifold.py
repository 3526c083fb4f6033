"""The manifold similarity loss."""

from __future__ import annotations

import attrs
import numpy as np

from simplug.api import Batch, ClassLoss, State, Term, Weight, option
from simplug.api.numerics import Tensor, unit_rows
from simplug_losses.class_softmax import at_labels, embeddings_and_vectors, own_rows, products


@attrs.frozen(kw_only=True)
class Manifold(ClassLoss):
    r"""Compares embeddings with learned proxies by random walks over the batch and the proxies, not by straight lines.

    The n embeddings and K proxies of a batch are the nodes of a graph with the weights
    :math:`S_{ij} = e^{2 [\cos(i, j)]_+}` (0 from a node to itself). With :math:`\bar S = D^{-1/2} S D^{-1/2}`, D the
    sums of its rows, a random walk that goes on with probability :math:`\alpha` converges to the similarities

    .. math:: F = (1 - \alpha) (I - \alpha \bar S)^{-1}

    Each embedding i is compared with its own proxy y in two ways, by the similarity itself and by the cosine of the
    two nodes' similarities to all nodes (their contexts):

    .. math::
        \ell(f) = \log\Bigl(1 + \sum_{j \ne y,\ f_{ij} - f_{iy} + m \ge 0} e^{f_{ij} - f_{iy} + m}\Bigr)
        \qquad L_i = \ell(F) + \lambda_C\, \ell(\cos(F_{i:}, F_{j:}))

    where j are the proxies. One value an anchor for each of the two terms, reduced by their mean and added.

    In the paper a proxy stands for several classes, thrown together at random, and an ensemble of models with different
    draws is trained. So `num_proxies` classes-of-classes are drawn by `seed`, as equal in size as can be; by default
    every class has a proxy of its own. The inverse costs time cubic, and memory quadratic, in n + K.

    Aziere, Todorovic, "Ensemble Deep Manifold Similarity Learning Using Hard Proxies", CVPR 2019.
    """

    num_proxies: int | None = option(None, ge=1, doc="how many proxies the classes share; none: each class has its own")
    seed: int = option(0, ge=0, doc="which draw of the classes that share a proxy")
    alpha: float = option(0.8, gt=0, lt=1, doc="how likely the random walk is to go on, at each step")
    margin: float = option(5e-4, doc="by how much the similarity to the own proxy must be larger than to others")
    context_weight: float = option(1.0, ge=0, doc="the weight of the contexts' term, lambda_C in the paper")

    def __attrs_post_init__(self) -> None:
        """Refuse proxies that no class would have.

        Raises:
            ValueError: There are more proxies than classes.
        """
        if self.num_proxies is not None and self.num_proxies > self.num_classes:
            raise ValueError(f"num_proxies must be <= num_classes ({self.num_classes}), not {self.num_proxies}")

    def state(self, dim: int) -> dict[str, Weight]:
        """Return the proxies, (num_proxies, dim), drawn from a normal distribution."""
        (weight,) = super().state(dim).values()
        return {"weight": attrs.evolve(weight, shape=(self.num_proxies or self.num_classes, dim))}

    def proxy_of_class(self) -> np.ndarray:
        """Return the proxy of each class, (num_classes,) int32."""
        if self.num_proxies is None:
            return np.arange(self.num_classes, dtype=np.int32)
        order = np.random.default_rng(self.seed).permutation(self.num_classes)
        return (order % self.num_proxies).astype(np.int32)

    def terms(self, batch: Batch) -> dict[str, Term]:
        """Return two terms of one value an anchor."""
        from keras import ops

        proxies = own_rows(ops.convert_to_tensor(self.proxy_of_class()), batch.labels)
        similarities = self._similarities(batch.embeddings, batch.state)
        count = ops.shape(batch.embeddings)[0]
        to_proxies = similarities[:, count:]
        # A row that is the similarities of a node to all is its context; the matrix is symmetric.
        contexts = unit_rows(similarities)
        context = products(contexts[:count], contexts[count:])
        intrinsic = self._violations(to_proxies[:count], proxies)
        contextual = self.context_weight * self._violations(context, proxies)
        ones = ops.ones_like(intrinsic)
        return {"intrinsic": Term(intrinsic, ones), "context": Term(contextual, ones)}

    def logits(self, embeddings: Tensor, state: State) -> Tensor:
        """Return the (n, num_classes) similarities to the classes' proxies, which depend on the whole batch."""
        from keras import ops

        count = ops.shape(embeddings)[0]
        to_proxies = self._similarities(embeddings, state)[:count, count:]
        return ops.take(to_proxies, ops.convert_to_tensor(self.proxy_of_class()), axis=1)

    def _similarities(self, embeddings: Tensor, state: State) -> Tensor:
        """Return F, (n + K, n + K), the embeddings before the proxies."""
        from keras import ops

        nodes = unit_rows(ops.concatenate(embeddings_and_vectors(embeddings, state), axis=0))
        itself = ops.eye(ops.shape(nodes)[0], dtype=nodes.dtype)
        weights = ops.exp(2 * ops.relu(products(nodes, nodes))) * (1 - itself)
        # Every node but a lonely one has an edge of at least 1, so a sum is never 0.
        degrees = ops.rsqrt(ops.sum(weights, axis=1))
        steps = weights * ops.expand_dims(degrees, 1) * ops.expand_dims(degrees, 0)
        return (1 - self.alpha) * ops.inv(itself - self.alpha * steps)

    def _violations(self, similarities: Tensor, proxies: Tensor) -> Tensor:
        """Return the loss of each anchor from its (n, K) similarities to all proxies."""
        from keras import ops

        is_own = at_labels(ops.ones_like(similarities[:, 0]), proxies, similarities)
        own = ops.sum(similarities * is_own, axis=1, keepdims=True)
        excess = similarities - own + self.margin
        violated = ops.cast(excess >= 0, excess.dtype) * (1 - is_own)
        return ops.log1p(ops.sum(violated * ops.exp(excess), axis=1))
