"""Writes zip files that are laid out as those of Omniglot."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import numpy as np
from PIL import Image


def drawing(seed: int, pixels: int = 105) -> np.ndarray:
    """Return (pixels, pixels) booleans, false where the ink is."""
    return np.random.default_rng(seed).random((pixels, pixels)) > 0.1


def png(ink: np.ndarray) -> bytes:
    """Return a drawing as a PNG file with one bit a pixel."""
    stream = io.BytesIO()
    Image.fromarray(ink).save(stream, format="PNG")
    return stream.getvalue()


def write_zip(path: Path, alphabets: dict[str, int], drawers: int = 20, **replaced: bytes) -> None:
    """Write a zip file with a number of characters of each alphabet; a drawing differs by all three of its numbers.

    The members stand in another order than their names. `replaced` gives the bytes of ``Alphabet_1_01``.
    """
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(f"{path.stem}/", b"")
        for alphabet, characters in reversed(alphabets.items()):
            for character in range(characters, 0, -1):
                for drawer in range(drawers, 0, -1):
                    content = png(drawing(seed_of(alphabet, character, drawer)))
                    content = replaced.get(f"{alphabet}_{character}_{drawer:02}", content)
                    member = f"{path.stem}/{alphabet}/character{character:02}/{900 + character:04}_{drawer:02}.png"
                    archive.writestr(member, content)


def seed_of(alphabet: str, character: int, drawer: int) -> int:
    """Return the seed of a drawing."""
    return sum(map(ord, alphabet)) * 10_000 + character * 100 + drawer
