"""What a loss looks at: anchors and references, checked, in single or double precision."""

from __future__ import annotations

import attrs
import numpy as np

from simplug.api.numerics import Tensor, as_float, backend_dtype
from simplug.api.pairs import Pairs
from simplug.api.state import State
from simplug.kernel.errors import InvalidInputError


@attrs.frozen(eq=False)
class Batch:
    """Anchors and the references that they are compared with.

    Attributes:
        embeddings: (n, d) anchors, float32 or float64.
        references: (m, d); the very tensor `embeddings` when `own`.
        labels: Integer labels of the anchors, (n,); (n, c) for a comparison that takes rows. None when only `pairs`
            are known.
        ref_labels: Those of the references; the very tensor `labels` when `own`.
        pairs: The relation, where it was given and is not to be made from labels.
        own: The anchors are their own references.
        state: What the loss keeps, by name; empty for most.
        training: False when a batch is only being judged.
    """

    embeddings: Tensor
    references: Tensor
    labels: Tensor | None = None
    ref_labels: Tensor | None = None
    pairs: Pairs | None = None
    own: bool = True
    state: State = attrs.field(factory=dict)
    training: bool = True

    @classmethod
    def of(
        cls,
        labels: Tensor | None,
        embeddings: Tensor,
        ref_labels: Tensor | None = None,
        ref_embeddings: Tensor | None = None,
        *,
        pairs: Pairs | None = None,
        state: State | None = None,
        training: bool = True,
        label_rank: int = 1,
    ) -> Batch:
        """Check what a loss was given and bring it into form.

        Args:
            labels: (n,) or (n, 1) integers; (n, c) with `label_rank` 2.
            embeddings: (n, d), of any floating dtype; half precision becomes float32.
            ref_labels: Labels of the references.
            ref_embeddings: (m, d); None means the anchors themselves.
            pairs: The relation, (n, m), instead of labels; its weights take the dtype of the embeddings.
            state: What the loss keeps.
            training: See the class.
            label_rank: 1 for one label an example, 2 for a row of labels.

        Raises:
            InvalidInputError: Ranks or lengths do not fit, labels are not integers, or one of the references' two
                parts is missing.
        """
        if labels is not None and (ref_labels is None) != (ref_embeddings is None):
            raise InvalidInputError("ref_labels and ref_embeddings go together; one of them is missing")
        own = ref_embeddings is None
        embeddings = _rows(embeddings)
        references = embeddings if own else _rows(ref_embeddings)
        if labels is not None:
            labels = _checked_labels(labels, embeddings, label_rank)
            ref_labels = labels if own else _checked_labels(ref_labels, references, label_rank)
        if pairs is not None:
            pairs = _pairs_in_precision_of(embeddings, pairs)
        held = {name: _in_precision_of(embeddings, value) for name, value in (state or {}).items()}
        return cls(embeddings, references, labels, ref_labels, pairs, own, held, training)


def values_of(tensor: Tensor) -> np.ndarray | None:
    """Return a tensor's values, or None while a graph is traced and they are not known."""
    from keras import ops

    try:
        return np.asarray(ops.convert_to_numpy(tensor))
    except Exception:  # each backend has errors of its own for a tensor without values
        return None


def _rows(embeddings: Tensor) -> Tensor:
    """Return embeddings as a tensor of float32 or float64, after checking what can be known of their shape."""
    from keras import ops

    embeddings = ops.convert_to_tensor(embeddings)
    shape = tuple(embeddings.shape)
    if len(shape) != 2:
        raise InvalidInputError(f"embeddings must have shape (n, d), not {shape}")
    return as_float(embeddings)


def _checked_labels(labels: Tensor, embeddings: Tensor, rank: int) -> Tensor:
    """Return labels as (n,), or (n, c) for `rank` 2, after checking what can be known of their shape and dtype.

    Raises:
        InvalidInputError: The labels are not integers of that shape ((n, 1) is as good as (n,)), or there are not as
            many as embeddings.
    """
    from keras import backend, ops

    labels = ops.convert_to_tensor(labels)
    dtype = backend.standardize_dtype(labels.dtype)
    if not backend.is_int_dtype(dtype):
        raise InvalidInputError(f"labels must be integers, not {dtype}")
    shape = tuple(labels.shape)
    if rank == 2 and len(shape) != 2:
        raise InvalidInputError(f"labels must have shape (n, c), one row of labels an example, not {shape}")
    if rank == 1 and (len(shape) not in (1, 2) or (len(shape) == 2 and shape[1] not in (1, None))):
        raise InvalidInputError(f"labels must have shape (n,) or (n, 1), not {shape}")
    count, expected = shape[0], embeddings.shape[0]
    if isinstance(count, int) and isinstance(expected, int) and count != expected:
        raise InvalidInputError(f"{count} labels for {expected} embeddings")
    if dtype not in ("int32", "int64"):
        # Not every operation takes the other widths, and a sum of small ones would wrap around.
        labels = ops.cast(labels, "int64" if dtype in ("uint32", "uint64") else "int32")
    return labels if rank == 2 else ops.reshape(labels, (-1,))


def _in_precision_of(embeddings: Tensor, value: Tensor) -> Tensor:
    """Return a tensor of the state in the floating dtype of the embeddings; whole numbers stay as they are."""
    from keras import backend, ops

    value = ops.convert_to_tensor(value)
    return ops.cast(value, embeddings.dtype) if backend.is_float_dtype(backend_dtype(value)) else value


def _pairs_in_precision_of(embeddings: Tensor, pairs: Pairs) -> Pairs:
    """Return pairs with weights in the floating dtype of the embeddings."""
    from keras import ops

    positive, negative = (ops.cast(weights, embeddings.dtype) for weights in (pairs.positive, pairs.negative))
    return attrs.evolve(pairs, positive=positive, negative=negative)
