"""The table of kinds: the only place where the name of an entry-point group is written."""

from __future__ import annotations

import attrs


@attrs.frozen
class Kind:
    """A kind of component: what it is called, and where its plugins are found.

    Attributes:
        name: The singular, used in configs, messages and commands.
        plural: The name of its registry in :mod:`simplug`, of its entry-point group and of its hook.
        contract: The class of :mod:`simplug.api` that a plugin author subclasses.
        summary: The contract in one line.
    """

    name: str
    plural: str
    contract: str
    summary: str

    @property
    def group(self) -> str:
        """The entry-point group in which distributions declare components of this kind."""
        return f"simplug.{self.plural}"

    @property
    def hook(self) -> str:
        """The hook that is asked for names only known at run time."""
        return f"simplug_register_{self.plural}"


_TABLE = (
    Kind("loss", "losses", "Loss", "labels and embeddings to a scalar"),
    Kind("distance", "distances", "Distance", "(n, d) and (m, d) to an (n, m) matrix, in Keras ops and in NumPy"),
    Kind("miner", "miners", "Miner", "a distance matrix and pairs to the pairs worth learning from"),
    Kind("reducer", "reducers", "Reducer", "per-element losses and their weights to a scalar"),
    Kind("regularizer", "regularizers", "Regularizer", "embeddings or class weights to a penalty"),
    Kind("sampler", "samplers", "Sampler", "a split of a data set to batches"),
    Kind("augmenter", "augmenters", "Augmenter", "a batch of inputs to its views"),
    Kind("dataset", "datasets", "Dataset", "named splits of examples and labels"),
    Kind("backbone", "backbones", "Backbone", "an input shape to a Keras encoder"),
    Kind("search", "searches", "Search", "vectors and int64 rows in, the k nearest out"),
    Kind("store", "stores", "Store", "an id to its record: label, embedding, payload"),
    Kind("matcher", "matchers", "Matcher", "neighbours to a predicted label and its distance"),
    Kind("metric", "metrics", "Metric", "scores retrieval or classification"),
)

KINDS: dict[str, Kind] = {kind.name: kind for kind in _TABLE}
"""Every kind by its name, in the order in which they are listed."""

HOOK_GROUP = "simplug.hooks"
"""The entry-point group of objects that carry hook implementations."""
