"""Sums over the differences of all pairs, block by block: no array over (query, reference, dimension) is built."""

from __future__ import annotations

from collections.abc import Callable

from simplug.api.numerics import Tensor, with_gradient

_BLOCK = 2**17
"""How many differences are held at once, if a query has no more: few enough to stay in a processor's cache."""


def minkowski(queries: Tensor, references: Tensor, p: float) -> Tensor:
    r"""Return ``(sum_k |q_k - r_k|^p)^(1/p)`` for all pairs, with a gradient that is worked out block by block, too.

    Where a difference is 0, its slope is taken as 0.

    Args:
        queries: (n, d), float32 or float64.
        references: (m, d); the very tensor `queries` when the vectors are compared with themselves.
        p: Above 0.

    Returns:
        (n, m); memory is that of a few such matrices.
    """
    from keras import ops

    # A gradient through the loop over blocks would keep every block, which is the array that blocks avoid.
    rows = ops.stop_gradient(queries)
    if references is queries:
        distances = _distances(rows, rows, p)
        # A vector is on both sides, so its pull is that of its row and of its column.
        return with_gradient(
            distances, queries, lambda slope: _pull(rows, rows, distances, slope + ops.transpose(slope), p)
        )
    columns = ops.stop_gradient(references)
    distances = _distances(rows, columns, p)

    def pulls(slope: Tensor) -> Tensor:
        of_rows = _pull(rows, columns, distances, slope, p)
        of_columns = _pull(columns, rows, ops.transpose(distances), ops.transpose(slope), p)
        return ops.concatenate([of_rows, of_columns], axis=0)

    return with_gradient(distances, ops.concatenate([queries, references], axis=0), pulls)


def _distances(rows: Tensor, columns: Tensor, p: float) -> Tensor:
    from keras import ops

    def of_block(block: Tensor) -> Tensor:
        sizes = ops.abs(ops.expand_dims(block, 1) - ops.expand_dims(columns, 0))
        if p == 1:
            return ops.sum(sizes, axis=2)
        # Powers of parts of the largest difference neither overflow nor vanish.
        top = ops.max(sizes, axis=2, keepdims=True, initial=0)
        top = top + ops.cast(ops.equal(top, 0), top.dtype)
        return ops.squeeze(top, axis=2) * ops.sum((sizes / top) ** p, axis=2) ** (1 / p)

    return _by_blocks(lambda blocks: of_block(blocks[0]), columns, rows)


def _pull(rows: Tensor, columns: Tensor, distances: Tensor, slope: Tensor, p: float) -> Tensor:
    """Return the gradient of ``sum(slope * distances)`` by `rows`, (n, d)."""
    from keras import ops

    def of_block(blocks: tuple[Tensor, ...]) -> Tensor:
        block, far, weight = blocks
        differences = ops.expand_dims(block, 1) - ops.expand_dims(columns, 0)
        slopes = ops.sign(differences)
        if p != 1:
            far = far + ops.cast(ops.equal(far, 0), far.dtype)
            parts = ops.abs(differences) / ops.expand_dims(far, 2)
            # A part of 0 has no power below 0; its sign is 0 in any case.
            parts = parts + ops.cast(ops.equal(parts, 0), parts.dtype)
            slopes = slopes * parts ** (p - 1)
        return ops.squeeze(ops.matmul(ops.expand_dims(weight, 1), slopes), axis=1)

    return _by_blocks(of_block, columns, rows, distances, slope)


def _by_blocks(of_block: Callable[[tuple[Tensor, ...]], Tensor], columns: Tensor, *rows: Tensor) -> Tensor:
    """Return what `of_block` makes of blocks of rows, put together again; each row meets all of `columns`."""
    from keras import ops

    count = ops.shape(rows[0])[0]
    differences = ops.shape(columns)[0] * ops.shape(columns)[1]
    # Plain integer arithmetic: these numbers are tensors where the batch is unknown, and Python's own elsewhere.
    steps = count // (1 + _BLOCK // (1 + differences)) + 1
    size = count // steps + 1
    blocks = tuple(
        ops.reshape(ops.pad(part, [[0, steps * size - count], [0, 0]]), (steps, size, ops.shape(part)[1]))
        for part in rows
    )
    made = ops.map(of_block, blocks)
    return ops.reshape(made, (steps * size, ops.shape(made)[2]))[:count]
