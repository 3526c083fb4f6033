"""The contract of losses: labels and embeddings to a scalar."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar, Literal

from simplug.api.batch import Batch, values_of
from simplug.api.numerics import Tensor
from simplug.api.pairs import Pairs
from simplug.api.state import State, Weight
from simplug.api.view_network import ViewNetwork
from simplug.kernel.component import Component
from simplug.kernel.errors import InvalidInputError

Compared = Literal["pairs", "classes", "views"]
"""What a batch must bring.

``pairs``: labels that make pairs, with references or without. ``classes``: labels from 0 up, compared with learned
vectors of the classes, no references. ``views``: two views of each example, as embeddings and references row by row, or
as the two halves of one batch; its labels are not looked at.
"""


class Loss(Component, ABC):
    """Labels and embeddings to a scalar to be minimised, in Keras ops with static shapes.

    A loss is a recipe and holds no variables. One that keeps something from step to step (class vectors, a queue)
    declares it in :meth:`state`, gets it in :attr:`Batch.state`, and says in :meth:`next_state` how it changes what
    the optimizer does not train. Whoever runs it holds the tensors: :class:`simplug.SimilarityModel`, or the Keras
    layer ``simplug.Head``.
    """

    kind: ClassVar[str] = "loss"

    @property
    def compares(self) -> Compared:
        """What a batch must bring; here, pairs."""
        return "pairs"

    @property
    def view_network(self) -> ViewNetwork:
        """What a model has behind its encoder for this loss, if it compares views; here, a projector alone."""
        return ViewNetwork()

    @property
    def takes_references(self) -> bool:
        """Whether the batch can be compared with references of the caller's; here, it can."""
        return True

    @property
    def label_rank(self) -> int:
        """1 for one label an example, 2 for a row of labels an example."""
        return 1

    @property
    def label_limit(self) -> int | None:
        """Labels go from 0 to one less than this; None when they may be any integers."""
        return None

    def state(self, dim: int) -> dict[str, Weight]:
        """Return what the loss keeps from step to step, for embeddings of dimension `dim`; here, nothing."""
        return {}

    def next_state(self, batch: Batch) -> dict[str, Tensor]:
        """Return new values of what the loss keeps and the optimizer does not train; here, nothing.

        It is asked in training only, before :meth:`value`, which then sees the new values.
        """
        return {}

    @abstractmethod
    def value(self, batch: Batch) -> Tensor:
        """Return the loss of a checked batch."""

    def __call__(
        self,
        labels: Tensor,
        embeddings: Tensor,
        ref_labels: Tensor | None = None,
        ref_embeddings: Tensor | None = None,
        *,
        state: State | None = None,
        training: bool = True,
    ) -> Tensor:
        """Return the loss of a batch.

        Args:
            labels: (n,) or (n, 1) integer labels.
            embeddings: (n, d) floating-point embeddings; half precision is computed in float32.
            ref_labels: (m,) or (m, 1) labels of the references; None means that the batch is its own reference.
            ref_embeddings: (m, d) embeddings of the references.
            state: What the loss keeps, as :meth:`state` declares it; see
                :func:`simplug.api.state.initial_state`. It is used as it is: :meth:`next_state` is not applied.
            training: False when a batch is only being judged.

        Returns:
            A scalar; 0, with gradient 0, for a batch without a valid pair.

        Raises:
            InvalidInputError: Ranks or lengths do not fit, labels are not integers, references were given to a loss
                that compares with classes, or the state is missing.
        """
        return self.value(self.batch(labels, embeddings, ref_labels, ref_embeddings, state=state, training=training))

    def batch(
        self,
        labels: Tensor | None,
        embeddings: Tensor,
        ref_labels: Tensor | None = None,
        ref_embeddings: Tensor | None = None,
        *,
        pairs: Pairs | None = None,
        state: State | None = None,
        training: bool = True,
    ) -> Batch:
        """Return what the loss was given as a batch that it can take; arguments as for :meth:`Batch.of`.

        Raises:
            InvalidInputError: It cannot take it; the message names the loss.
        """
        try:
            made = Batch.of(
                labels,
                embeddings,
                ref_labels,
                ref_embeddings,
                pairs=pairs,
                state=state,
                training=training,
                label_rank=self.label_rank,
            )
        except InvalidInputError as error:
            raise InvalidInputError(f"{type(self).__name__}: {error}") from None
        return self.accepted(made)

    def accepted(self, batch: Batch) -> Batch:
        """Return the batch if it brings what this loss needs.

        Raises:
            InvalidInputError: It does not; the message names the loss.
        """
        name = type(self).__name__
        if not (self.takes_references or batch.own):
            raise InvalidInputError(f"{name} compares embeddings with what it keeps itself and takes no references")
        if self.compares != "views" and batch.labels is None and batch.pairs is None:
            raise InvalidInputError(f"{name} needs labels")
        declared = self.state(batch.embeddings.shape[1])
        self._check_labels(batch)
        missing = [part for part in declared if part not in batch.state]
        if missing:
            raise InvalidInputError(
                f"{name} keeps {', '.join(missing)} from step to step and needs a place for it: name it in "
                f"SimilarityModel.compile(loss=…), use the Keras layer simplug.Head, or pass state="
            )
        return batch

    def _check_labels(self, batch: Batch) -> None:
        """Refuse labels beyond the classes, where their values are known: not while a graph is traced."""
        limit = self.label_limit
        values = None if limit is None or batch.labels is None else values_of(batch.labels)
        if limit is None or values is None or values.size == 0:
            return
        for extreme in (values.min(), values.max()):
            if not 0 <= extreme < limit:
                raise InvalidInputError(
                    f"{type(self).__name__}.num_classes is {limit}, so labels go from 0 to {limit - 1}; "
                    f"one is {extreme}"
                )
