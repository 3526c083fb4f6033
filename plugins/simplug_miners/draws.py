"""Random numbers that a distance brings with it: drawing without a random state."""

from __future__ import annotations

from simplug.api.numerics import Tensor


def draws(distances: Tensor, seed: int, bits: int = 24) -> Tensor:
    """Return an int32 number for each distance, evenly spread over the numbers of so many bits.

    The bits of the distance, as float32, and the seed are hashed. So a draw can be repeated, does not depend on where
    a pair stands in the batch, and changes with the embeddings from step to step; equal distances draw the same.

    Args:
        distances: Of any shape and floating dtype.
        seed: Any integer; another seed gives other numbers.
        bits: At most 31.
    """
    from keras import ops

    mixed = ops.view(ops.cast(distances, "float32"), "int32")
    mixed = ops.bitwise_xor(mixed, _as_int32(seed * 0x9E3779B1))
    # Appleby's finalizer of MurmurHash3, which lets each bit of the input change half of the bits of the output.
    for shift, factor in ((16, 0x85EBCA6B), (13, 0xC2B2AE35)):
        mixed = ops.bitwise_xor(mixed, _shifted(mixed, shift)) * _as_int32(factor)
    return _shifted(ops.bitwise_xor(mixed, _shifted(mixed, 16)), 32 - bits)


def _shifted(values: Tensor, shift: int) -> Tensor:
    """Shift int32 numbers to the right as if they had no sign."""
    from keras import ops

    return ops.bitwise_and(ops.bitwise_right_shift(values, shift), (1 << (32 - shift)) - 1)


def _as_int32(value: int) -> int:
    """Return the signed number with the same lowest 32 bits."""
    return (value + 2**31) % 2**32 - 2**31
