"""What tests of callbacks share: reading what TensorBoard would read."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture(scope="session")
def events() -> Callable[[Path], list[tuple[int, str, str, Any]]]:
    """Read step, tag, plugin and tensor of all that was written to a folder: ``events(folder)``."""
    import tensorflow as tf

    def read(folder: Path) -> list[tuple[int, str, str, Any]]:
        found = []
        for file in sorted(folder.glob("events.out.tfevents.*")):
            for record in tf.data.TFRecordDataset(str(file)):
                event = tf.compat.v1.Event.FromString(record.numpy())
                for value in event.summary.value:
                    plugin = value.metadata.plugin_data.plugin_name
                    found.append((event.step, value.tag, plugin, tf.make_ndarray(value.tensor)))
        return found

    return read
