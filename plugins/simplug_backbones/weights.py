"""Weights and models from the user's own files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from simplug.api import ArtifactError

if TYPE_CHECKING:
    import keras

_ENDINGS = (".weights.h5", ".h5", ".keras")


def load_weights(network: keras.Model, path: str, backbone: str) -> None:
    """Fill a network, built without its classifier, from a file of weights.

    Args:
        network: What is filled.
        path: A ``.weights.h5``, ``.h5`` or ``.keras`` file of the same network.
        backbone: Whose weights they are, for messages.

    Raises:
        ArtifactError: There is no such file, or it does not hold the weights of this network; the network is then of
            no use.
    """
    file = require_file(path, backbone, _ENDINGS)
    try:
        network.load_weights(file)
    except Exception as cause:
        raise ArtifactError(
            f"backbone {backbone}: the weights in {file} do not fit {network.name} without its classifier: "
            f"{_first_line(cause)}"
        ) from cause


def load_model(path: str, backbone: str) -> keras.Model:
    """Read a functional or sequential model from a ``.keras`` file, in Keras's safe mode and without its optimizer.

    A similarity model comes as the plain model of its layers.

    Raises:
        ArtifactError: There is no such file, Keras cannot read it, or it is another kind of model.
    """
    file = require_file(path, backbone, (".keras",))
    import keras

    import simplug.api.layers  # noqa: F401 - registers the layers that the file may hold

    # Of a similarity model, its layers are wanted and not its index and loss.
    plain = {"simplug>SimilarityModel": keras.Model}
    try:
        model = keras.saving.load_model(file, custom_objects=plain, compile=False, safe_mode=True)
    except Exception as cause:
        raise ArtifactError(
            f"backbone {backbone}: {file} cannot be read as a Keras model: {_first_line(cause)}"
        ) from cause
    if not getattr(model, "inputs", None):
        raise ArtifactError(
            f"backbone {backbone}: {file} holds a {type(model).__name__}; a functional or sequential model is needed"
        )
    return model


def require_file(path: str, backbone: str, endings: tuple[str, ...]) -> Path:
    """Return the file at `path`.

    Raises:
        ArtifactError: There is none, or its name has none of the endings.
    """
    file = Path(path).expanduser()
    if not file.is_file():
        raise ArtifactError(f"backbone {backbone}: there is no file {file}")
    if not file.name.endswith(endings):
        raise ArtifactError(f"backbone {backbone}: {file} must end in {' or '.join(endings)}")
    return file


def _first_line(cause: Exception) -> str:
    return next(iter(str(cause).strip().splitlines()), type(cause).__name__)
