"""The checksum of TFRecord files: CRC-32C (Castagnoli), masked.

The checksum is linear over bits, so that of a stretch is the exclusive or of what each byte adds, by its distance from
the end; stretches of one length are looked up in one table and put together by another.
"""

from __future__ import annotations

import functools

import numpy as np

_POLYNOMIAL = 0x82F63B78
_ALL = 0xFFFFFFFF
_MASK = 0xA282EAD8
_STRETCH = 512
_FEW = 16
"""So few bytes are gone through one by one."""


def masked_crc32c(data: bytes) -> int:
    """Return the masked checksum of some bytes, as TFRecord files hold it."""
    crc = crc32c(data)
    return ((crc >> 15 | crc << 17) + _MASK) & _ALL


def crc32c(data: bytes) -> int:
    """Return the checksum of some bytes."""
    if len(data) <= _FEW:
        return _bytewise(data)
    additions, distances, shifts = _tables()
    places = np.frombuffer(data, dtype=np.uint8).astype(np.intp)
    places[:4] ^= 0xFF  # The same as beginning with all ones.
    if len(data) <= _STRETCH:
        places += distances[-len(data) :]
        return int(np.bitwise_xor.reduce(additions[places])) ^ _ALL
    padding = -len(data) % _STRETCH  # Zeros before the first byte add nothing to a checksum that begins with zero.
    padded = np.concatenate([np.zeros(padding, dtype=np.intp), places])
    stretches = padded.reshape(-1, _STRETCH) + distances
    crc = 0
    for value in np.bitwise_xor.reduce(additions[stretches], axis=1).tolist():
        crc = (
            shifts[0][crc & 255] ^ shifts[1][crc >> 8 & 255] ^ shifts[2][crc >> 16 & 255] ^ shifts[3][crc >> 24] ^ value
        )
    return crc ^ _ALL


def _bytewise(data: bytes) -> int:
    table = _byte_table()
    crc = _ALL
    for byte in data:
        crc = table[(crc ^ byte) & 255] ^ crc >> 8
    return crc ^ _ALL


@functools.cache
def _byte_table() -> list[int]:
    """Return what a last byte adds."""
    table = []
    for byte in range(256):
        crc = byte
        for _ in range(8):
            crc = crc >> 1 ^ (_POLYNOMIAL if crc & 1 else 0)
        table.append(crc)
    return table


@functools.cache
def _tables() -> tuple[np.ndarray, np.ndarray, list[list[int]]]:
    """Return what each byte adds at each distance from the end, flat, and where each distance begins in it.

    The third is what a stretch of zeros makes of a checksum: a table for each byte of it, from the lowest.
    """
    byte_table = np.array(_byte_table(), dtype=np.uint32)
    additions = np.empty((_STRETCH, 256), dtype=np.uint32)
    additions[0] = byte_table
    for distance in range(1, _STRETCH):
        additions[distance] = _after_zero(additions[distance - 1], byte_table)
    shifts = []
    for place in range(4):
        crc = np.arange(256, dtype=np.uint32) << np.uint32(8 * place)
        for _ in range(_STRETCH):
            crc = _after_zero(crc, byte_table)
        shifts.append(crc.tolist())
    return additions.reshape(-1), np.arange(_STRETCH - 1, -1, -1) * 256, shifts


def _after_zero(crc: np.ndarray, byte_table: np.ndarray) -> np.ndarray:
    after: np.ndarray = byte_table[crc & 255] ^ crc >> np.uint32(8)
    return after
