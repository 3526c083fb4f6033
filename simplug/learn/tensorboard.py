"""Pictures and a projection for TensorBoard: neighbours while a model is trained, the embeddings when it is."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np

from simplug.api import Examples, InvalidInputError
from simplug.api.examples import take
from simplug.kernel.artifacts import write_file
from simplug.learn.event_file import EventFile, png
from simplug.learn.labelled import DistanceLike, Labelled, distance_of, own_index, similarity_model
from simplug.learn.pictures import as_pictures, rows_of_neighbors, sheet

LARGEST_SHEET = 8192
"""The side in pixels of the largest sheet of pictures that TensorBoard's projector takes."""


class NeighborPictures(keras.callbacks.Callback):  # type: ignore[misc]
    """Writes a picture of queries and their nearest neighbours to TensorBoard at the end of an epoch.

    Each row is a query, then its neighbours, nearest first: framed in green where they are of its class, in red where
    they are not. The neighbours are found exactly, in an index in memory; the model's own is not touched.

    Args:
        queries: (q, ...) inputs of the model.
        query_labels: (q,) integer labels, from 0 up.
        gallery: (n, ...) inputs of the model; no query among them.
        gallery_labels: (n,) integer labels, from 0 up.
        log_dir: The folder for TensorBoard.
        query_pictures: (q, height, width), with 1 or 3 channels after it: uint8, or floats between 0 and 1. None takes
            the queries.
        gallery_pictures: The same of the gallery, of the same height and width. None takes the gallery.
        k: How many neighbours are shown.
        rows: At most so many queries are shown: one of each class, then a second one, until there are enough.
        every: Every so many epochs a picture is written, and at the last one of ``fit``.
        distance: ``"auto"`` takes that of the model.

    Raises:
        InvalidInputError: Examples, labels and pictures do not fit, or a number is out of range.
    """

    def __init__(
        self,
        queries: Any,
        query_labels: Any,
        gallery: Any,
        gallery_labels: Any,
        *,
        log_dir: str | os.PathLike[str],
        query_pictures: Any = None,
        gallery_pictures: Any = None,
        k: int = 5,
        rows: int = 10,
        every: int = 1,
        distance: DistanceLike = "auto",
    ) -> None:
        super().__init__()
        for name, value in (("k", k), ("rows", rows), ("every", every)):
            if value < 1:
                raise InvalidInputError(f"{name} is {value!r}; it is a whole number from 1 up")
        asked = Labelled.of(queries, query_labels, "queries")
        self._gallery = Labelled.of(gallery, gallery_labels, "gallery")
        chosen = _one_of_each_class(asked.labels)[:rows]
        self._queries = Labelled(take(asked.inputs, chosen), asked.labels[chosen])
        self._query_pictures = _pictures(query_pictures, asked, "query_pictures")[chosen]
        self._gallery_pictures = _pictures(gallery_pictures, self._gallery, "gallery_pictures")
        if self._query_pictures.shape[1:] != self._gallery_pictures.shape[1:]:
            raise InvalidInputError(
                f"the pictures of queries are {self._query_pictures.shape[1:3]} pixels high and wide, those of the "
                f"gallery {self._gallery_pictures.shape[1:3]}; they are shown side by side"
            )
        self._k, self._every, self._distance = k, every, distance
        self._events = EventFile(log_dir)

    def set_model(self, model: Any) -> None:
        """Take the model that is trained; Keras calls it."""
        super().set_model(similarity_model(model, self))

    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Write the picture, when it is time."""
        if (epoch + 1) % self._every and epoch + 1 != self.params.get("epochs"):
            return
        with own_index(self.model, self._gallery, distance_of(self.model, self._distance)) as index:
            found = index.lookup(self.model.embed(self._queries.inputs), k=self._k)
        # Ids of a new index count its records from 0 in the order in which they were added.
        picture = rows_of_neighbors(
            self._query_pictures,
            self._gallery_pictures[np.maximum(found.ids, 0)],
            found.labels == self._queries.labels[:, np.newaxis],
            found.filled,
        )
        self._events.add_picture("neighbors", picture, epoch + 1)

    def on_train_end(self, logs: Mapping[str, Any] | None = None) -> None:
        """Finish TensorBoard's file."""
        self._events.close()


class Projection(keras.callbacks.Callback):  # type: ignore[misc]
    """Writes the embeddings of examples for TensorBoard's projector when the training ends.

    Args:
        examples: (n, ...) inputs of the model.
        labels: (n,) integer labels, from 0 up.
        log_dir: The folder for TensorBoard.
        pictures: (n, height, width), with 1 or 3 channels after it: uint8, or floats between 0 and 1; they are shown
            instead of points. None shows points.
        class_names: The name of each label; a label without one is shown as it is.

    Raises:
        InvalidInputError: Examples, labels and pictures do not fit.
    """

    def __init__(
        self,
        examples: Any,
        labels: Any,
        *,
        log_dir: str | os.PathLike[str],
        pictures: Any = None,
        class_names: Mapping[int, str] | None = None,
    ) -> None:
        super().__init__()
        self._examples = Labelled.of(examples, labels, "examples")
        self._pictures = None if pictures is None else _pictures(pictures, self._examples, "pictures")
        self._names = dict(class_names or {})
        self._folder = Path(log_dir)

    def set_model(self, model: Any) -> None:
        """Take the model that is trained; Keras calls it."""
        super().set_model(similarity_model(model, self))

    def on_train_end(self, logs: Mapping[str, Any] | None = None) -> None:
        """Write the files."""
        names = [self._names.get(label, str(label)) for label in self._examples.labels.tolist()]
        write_projection(self._folder, self.model.embed(self._examples.inputs), names, self._pictures)


def write_projection(
    folder: str | os.PathLike[str], embeddings: np.ndarray, names: list[str], pictures: np.ndarray | None = None
) -> None:
    """Write embeddings as TensorBoard's projector reads them.

    Args:
        folder: The folder for TensorBoard; it is made.
        embeddings: (n, d) numbers.
        names: What each is called.
        pictures: (n, height, width, 3) uint8, to be shown instead of points.
    """
    place = Path(folder)
    place.mkdir(parents=True, exist_ok=True)
    config = ['tensor_name: "embeddings"', 'tensor_path: "embeddings.tsv"', 'metadata_path: "metadata.tsv"']
    rows = ("\t".join(f"{value:.7g}" for value in row) for row in np.asarray(embeddings, dtype=np.float64).tolist())
    write_file(place / "embeddings.tsv", "".join(f"{row}\n" for row in rows).encode())
    # A single column has no heading. A tab or a line break would be another column or another row.
    write_file(place / "metadata.tsv", "".join(f"{' '.join(name.split())}\n" for name in names).encode())
    if pictures is not None:
        pixels, height, width = sheet(pictures, LARGEST_SHEET)
        write_file(place / "sprite.png", png(pixels))
        config.append(f'sprite {{ image_path: "sprite.png" single_image_dim: {width} single_image_dim: {height} }}')
    lines = "".join(f"  {line}\n" for line in config)
    write_file(place / "projector_config.pbtxt", f"embeddings {{\n{lines}}}\n".encode())


def _pictures(given: Any, examples: Labelled, name: str) -> np.ndarray:
    shown = examples.inputs if given is None else given
    pictures = as_pictures(shown.read(np.arange(len(shown))) if isinstance(shown, Examples) else shown, name)
    if len(pictures) != len(examples.labels):
        raise InvalidInputError(f"{name} are {len(pictures)}, and there are {len(examples.labels)} examples")
    return pictures


def _one_of_each_class(labels: np.ndarray) -> np.ndarray:
    """Return positions: the first of each class, then the second of each, and so on."""
    order = np.argsort(labels, kind="stable")
    starts = np.unique(labels[order], return_index=True)[1]
    turn = np.empty(len(labels), dtype=np.int64)
    turn[order] = np.arange(len(labels)) - np.repeat(starts, np.diff(np.append(starts, len(labels))))
    return np.lexsort((labels, turn))
