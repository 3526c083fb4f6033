"""Scalars and pictures in TensorBoard's files, written without the tensorboard package."""

from __future__ import annotations

import io
import os
from collections.abc import Mapping
from typing import Any

import numpy as np

_PLUGINS = {"scalars": "DATA_CLASS_SCALAR", "images": "DATA_CLASS_BLOB_SEQUENCE"}
"""What TensorBoard calls that which shows a value, and the kind of data it reads."""


class EventFile:
    """An event file in a folder, made when the first value is written.

    TensorFlow's own ``tf.summary.scalar`` and ``tf.summary.image`` need the tensorboard package to write; it is not
    needed here, and only reads what was written.

    Args:
        folder: The folder, which TensorBoard lists as one run.
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self._folder = os.fspath(folder)
        self._writer: Any = None

    def add_scalars(self, values: Mapping[str, float], step: int) -> None:
        """Write numbers, each under its name."""
        for tag, value in values.items():
            self._write("scalars", tag, np.float32(value), step)

    def add_picture(self, tag: str, pixels: np.ndarray, step: int) -> None:
        """Write a picture, uint8 of shape (height, width, 3)."""
        height, width = pixels.shape[:2]
        # The width and the height of the pictures as text, then each picture.
        self._write("images", tag, np.array([b"%d" % width, b"%d" % height, png(pixels)], dtype=object), step)

    def close(self) -> None:
        """Finish the file; a value written later begins another one."""
        if self._writer is not None:
            self._writer.close()
        self._writer = None

    def _write(self, plugin: str, tag: str, value: Any, step: int) -> None:
        import tensorflow as tf

        proto = tf.compat.v1.SummaryMetadata
        metadata = proto(plugin_data=proto.PluginData(plugin_name=plugin), data_class=_PLUGINS[plugin])
        if self._writer is None:
            self._writer = tf.summary.create_file_writer(self._folder)
        with self._writer.as_default():
            tf.summary.write(tag, tf.convert_to_tensor(value), step=step, metadata=metadata)
        self._writer.flush()


def png(pixels: np.ndarray) -> bytes:
    """Return a picture, uint8 of shape (height, width, 3), as a PNG file."""
    from PIL import Image

    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, format="PNG")
    return stream.getvalue()
