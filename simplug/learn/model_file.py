"""A Keras model from its file."""

from __future__ import annotations

from pathlib import Path

import keras

import simplug.learn.model  # noqa: F401 - registers what a saved model may hold
from simplug.kernel.errors import ArtifactError, SimplugError


def load_model_file(path: Path) -> keras.Model:
    """Read a ``.keras`` file; the file names no code, and components are found among what is installed.

    Raises:
        ArtifactError: The file is missing, or Keras cannot read it.
    """
    if not path.is_file():
        raise ArtifactError(f"{path}: there is no such file")
    try:
        return keras.saving.load_model(path, safe_mode=True)
    except SimplugError:
        raise
    except Exception as cause:
        raise ArtifactError(f"{path} cannot be read as a Keras model: {str(cause).splitlines()[0]}") from cause
