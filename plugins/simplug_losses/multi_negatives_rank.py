"""The multiple negatives ranking loss."""

from __future__ import annotations

import attrs

from simplug.api import Batch, Distance, PairLoss, Pairs, Term, component, option
from simplug.api.numerics import Tensor
from simplug_losses.nt_xent import cross_entropy


@attrs.frozen(kw_only=True)
class MultiNegativesRank(PairLoss):
    r"""Asks a query to rank its own answer above the answers to all other queries of the batch.

    With the similarity :math:`s = 1 - d` (the inner product, under the default distance) and the scale :math:`\gamma`,
    for each query :math:`q` and its answer :math:`a`

    .. math::
        -\log \frac{e^{\gamma s_{qa}}}{e^{\gamma s_{qa}} + \sum_n e^{\gamma s_{qn}}}

    where :math:`n` runs over the references with other labels. The usual call gives queries as embeddings, answers as
    references, and the number of the pair as the label of both; a label may have several answers, and then none of
    them stands in another's denominator. One value a positive pair; the default reducer averages over them.

    Henderson et al., "Efficient Natural Language Response Suggestion for Smart Reply", arXiv 2017.
    """

    distance: Distance = component("distance", default="inner_product", doc="how far two embeddings are apart")
    scale: float = option(20.0, gt=0, doc="what similarities are multiplied by, the inverse of a temperature")

    def terms(self, distances: Tensor, pairs: Pairs, batch: Batch) -> dict[str, Term]:
        """Return one value a positive pair."""
        return {"positive": Term(cross_entropy(self.scale * (1 - distances), pairs), pairs.positive)}
