"""Data sets that Keras downloads."""

from __future__ import annotations

import numpy as np

from simplug.api import DataError, Split


def downloaded(module: str, who: str) -> dict[str, Split]:
    """Return the splits of a data set of Keras, which downloads it once.

    Args:
        module: The name of its module in ``keras.datasets``.
        who: The data set, such as ``dataset mnist``.

    Raises:
        DataError: The download failed.
    """
    import keras

    try:
        pairs = getattr(keras.datasets, module).load_data()
    except Exception as error:  # Keras raises a plain Exception when a download fails.
        raise DataError(
            f"{who}: the download failed: {error}\nwith the files at hand, set path to their folder"
        ) from error
    return {name: _split(*pair) for name, pair in zip(("train", "test"), pairs, strict=True)}


def _split(images: np.ndarray, labels: np.ndarray) -> Split:
    """Return a split of images with or without a channel axis and of labels (n,) or (n, 1)."""
    return Split(images if images.ndim == 4 else images[..., None], labels.reshape(-1))
