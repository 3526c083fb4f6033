"""A memory of past embeddings around a pair loss."""

from __future__ import annotations

import attrs
import numpy as np

from simplug.api import Batch, Distance, InvalidInputError, Loss, PairLoss, Pairs, Weight, component, option
from simplug.api.numerics import Tensor, backend_dtype
from simplug.api.state import prefixed, within


@attrs.frozen(kw_only=True)
class CrossBatchMemory(Loss):
    """Compares a batch with the embeddings of past batches as well, so that a small batch meets many pairs.

    A queue holds the last `memory_size` embeddings and their labels. In training a batch is put in, in the place of the
    oldest, and then compared with all that is there: with itself, an anchor with its own copy left out, and with what
    came before it. Nothing that is remembered has a gradient, nor has the batch's own copy: only anchors learn. The
    miner of the loss inside chooses among all these pairs. When a batch is judged, not trained on, the queue is neither
    changed nor looked at, and the value is the plain one of the batch. Of a batch larger than the memory the newest
    rows are kept; it is still compared with the whole of itself.

    References that are given, such as the keys of a slowly moving copy of the network, are compared with as they are
    and are what is remembered instead of the anchors.

    Until `warmup_steps` steps are done, while embeddings still move fast, nothing is remembered, and the value is the
    plain one of the batch. A loss inside that keeps something itself keeps it under ``loss.``.

    Wang, Zhang, Huang, Scott, "Cross-Batch Memory for Embedding Learning", CVPR 2020; for keys: He, Fan, Wu, Xie,
    Girshick, "Momentum Contrast for Unsupervised Visual Representation Learning", CVPR 2020.

    Raises:
        ValueError: The loss inside is no loss over pairs that are compared by distance, or `label_columns` does not
            fit its labels.
    """

    loss: PairLoss = component("loss", default="multi_similarity", doc="the pair loss that compares with the memory")
    memory_size: int = option(1024, ge=1, doc="how many embeddings are remembered")
    warmup_steps: int = option(0, ge=0, doc="how many steps of training pass before anything is remembered")
    label_columns: int | None = option(
        None, ge=1, doc="the columns of a row of labels, where the label_comparison of the loss takes rows"
    )

    def __attrs_post_init__(self) -> None:
        """Refuse a loss that a memory is of no use to."""
        if not isinstance(self.loss, PairLoss):
            raise InvalidInputError(
                f"loss must be a loss over pairs, and {type(self.loss).__name__} is none: it cannot be told which of "
                "the remembered embeddings to compare with"
            )
        takes_rows = self.loss.label_rank == 2
        if takes_rows and self.label_columns is None:
            raise InvalidInputError(
                f"label_columns is needed: {type(self.loss).__name__} compares rows of labels "
                f"({self.loss.label_comparison}), and the memory must know how many columns they have"
            )
        if not takes_rows and self.label_columns is not None:
            raise InvalidInputError(
                f"label_columns is for rows of labels, and {type(self.loss).__name__} compares single labels: leave "
                "it out, or set the label_comparison of the loss"
            )

    @property
    def distance(self) -> Distance:
        """The distance of the loss inside."""
        return self.loss.distance

    @property
    def label_rank(self) -> int:
        """As for the loss inside."""
        return self.loss.label_rank

    @property
    def label_limit(self) -> int | None:
        """As for the loss inside."""
        return self.loss.label_limit

    def state(self, dim: int) -> dict[str, Weight]:
        """Return the queue and what the loss inside keeps.

        ``embeddings`` (memory_size, dim) float32 and ``labels`` (memory_size,) or (memory_size, label_columns) are a
        ring; ``position`` is where the next row goes, ``filled`` how many rows mean something, ``steps`` how many of
        the warm-up steps are done. All whole numbers are int64, or the widest that the backend has.
        """
        whole = backend_dtype(_whole_number(0))
        columns = () if self.label_columns is None else (self.label_columns,)
        return {
            "embeddings": Weight((self.memory_size, dim), "zeros", trainable=False),
            "labels": Weight((self.memory_size, *columns), "zeros", trainable=False, dtype=whole),
            "position": Weight((), "zeros", trainable=False, dtype=whole),
            "filled": Weight((), "zeros", trainable=False, dtype=whole),
            "steps": Weight((), "zeros", trainable=False, dtype=whole),
            **prefixed(self.loss.state(dim), "loss"),
        }

    def next_state(self, batch: Batch) -> dict[str, Tensor]:
        """Return the queue with the batch in it, and what the loss inside makes of the batch and the queue."""
        moved = self._remembering(batch)
        if not within(batch.state, "loss"):
            return moved
        inside = self._against_memory(attrs.evolve(batch, state={**batch.state, **moved}))
        return {**moved, **prefixed(self.loss.next_state(inside), "loss")}

    def value(self, batch: Batch) -> Tensor:
        """Return the loss of a checked batch; in training, of one that is in the queue already."""
        from keras import ops

        alone = attrs.evolve(batch, state=within(batch.state, "loss"))
        if not batch.training:
            return self.loss.value(alone)
        if self.warmup_steps == 0:
            return self.loss.value(self._against_memory(batch))
        return ops.cond(
            batch.state["filled"] > 0,
            lambda: self.loss.value(self._against_memory(batch)),
            lambda: self.loss.value(alone),
        )

    def _remembering(self, batch: Batch) -> dict[str, Tensor]:
        """Return the queue after a batch."""
        from keras import ops

        state = batch.state
        position, filled, steps = (_whole_number(state[name]) for name in ("position", "filled", "steps"))
        rows = ops.stop_gradient(ops.cast(batch.references[-self.memory_size :], "float32"))
        labels = _whole_number(batch.ref_labels)[-self.memory_size :]
        count, kept = (_whole_number(ops.shape(part)[0]) for part in (batch.references, rows))
        slots = ops.mod(position + count - kept + _whole_number(ops.arange(ops.shape(rows)[0])), self.memory_size)
        slots = ops.expand_dims(slots, 1)
        # While it warms up the ring stands still: what is written beyond what is filled means nothing.
        advance = count * ops.cast(steps >= self.warmup_steps, count.dtype)
        return {
            "embeddings": ops.scatter_update(ops.cast(state["embeddings"], "float32"), slots, rows),
            "labels": ops.scatter_update(_whole_number(state["labels"]), slots, labels),
            "position": ops.mod(position + advance, self.memory_size),
            "filled": ops.minimum(filled + advance, self.memory_size),
            "steps": ops.minimum(steps + 1, self.warmup_steps),
        }

    def _against_memory(self, batch: Batch) -> Batch:
        """Return the batch with references that are those of the batch and, after them, the whole queue."""
        from keras import ops

        state, dtype = batch.state, batch.embeddings.dtype
        fresh = ops.stop_gradient(batch.references) if batch.own else batch.references
        labels, ref_labels = _whole_number(batch.labels), _whole_number(batch.ref_labels)
        # The newest rows of the queue are the batch itself, which stands before the queue already.
        slots = _whole_number(np.arange(self.memory_size))
        age = ops.mod(_whole_number(state["position"]) - 1 - slots, self.memory_size)
        count = _whole_number(ops.shape(fresh)[0])
        past = ops.logical_and(age >= count, age < _whole_number(state["filled"]))
        # A slot that is not looked at has a label like no other, for losses that see classes and not only pairs.
        looked_at = past if self.label_columns is None else ops.expand_dims(past, 1)
        kept_labels = ops.where(looked_at, _whole_number(state["labels"]), _NO_LABEL)
        against = attrs.evolve(
            batch,
            references=ops.concatenate([fresh, ops.cast(state["embeddings"], dtype)], axis=0),
            labels=labels,
            ref_labels=ops.concatenate([ref_labels, kept_labels], axis=0),
            own=False,
            state=within(state, "loss"),
        )
        usable = ops.expand_dims(ops.concatenate([ops.ones_like(fresh[:, 0]), ops.cast(past, dtype)], axis=0), 0)
        if batch.own:
            rows, columns = (ops.arange(ops.shape(part)[0]) for part in (fresh, against.references))
            usable = usable - ops.cast(ops.equal(ops.expand_dims(rows, 1), ops.expand_dims(columns, 0)), dtype)
        pairs = self.loss.relation(against)
        return attrs.evolve(against, pairs=Pairs(pairs.positive * usable, pairs.negative * usable))


_NO_LABEL = -(2**31)


def _whole_number(values: Tensor) -> Tensor:
    """Return whole numbers in the widest dtype that the backend has for them; 64 bits, except on JAX by default."""
    from keras import ops

    # A NumPy array takes the backend's own dtype; to ask JAX for 64 bits by name would be answered with a warning.
    widest = ops.convert_to_tensor(np.zeros((), np.int64)).dtype
    return ops.cast(values, widest)
