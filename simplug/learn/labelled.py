"""What callbacks watch: labelled examples, embedded by the model as it is, in an index of their own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs
import numpy as np

from simplug.api import Distance, Examples, InvalidInputError
from simplug.evaluation.checking import labels_of
from simplug.index.index import Index
from simplug.kernel.registry import REGISTRIES
from simplug.learn.model import SimilarityModel

DistanceLike = str | Mapping[str, Any] | Distance


@attrs.frozen(eq=False)
class Labelled:
    """Examples with their labels.

    Attributes:
        inputs: (n, ...) inputs of the model, at least one, or :class:`simplug.api.Examples` of one input.
        labels: (n,) int64.
    """

    inputs: np.ndarray | Examples
    labels: np.ndarray

    @classmethod
    def of(cls, inputs: Any, labels: Any, name: str) -> Labelled:
        """Check examples and labels that a user gives.

        Raises:
            InvalidInputError: There are none, their numbers differ, or the labels are no integers from 0 up.
        """
        examples = inputs if isinstance(inputs, Examples) else np.asarray(inputs)
        classes = labels_of(f"labels of the {name}", labels)
        if isinstance(examples, Examples):
            if not len(examples):
                raise InvalidInputError(f"{name} are none; there is at least one")
        elif examples.ndim < 2 or not len(examples):
            raise InvalidInputError(f"{name} have shape {examples.shape}; they are inputs of the model, at least one")
        if len(examples) != len(classes):
            raise InvalidInputError(f"there are {len(examples)} {name} and {len(classes)} labels of them")
        if classes.min() < 0:
            raise InvalidInputError(f"labels of the {name} hold {classes.min()}; every one is known, and from 0 up")
        return cls(examples, classes)


def similarity_model(model: Any, callback: object) -> SimilarityModel:
    """Return the model that a callback follows.

    Raises:
        InvalidInputError: It is no similarity model.
    """
    if not isinstance(model, SimilarityModel):
        raise InvalidInputError(
            f"{type(callback).__name__} follows a SimilarityModel, not {type(model).__name__}; "
            "SimilarityModel(model.inputs, model.outputs) makes one of a functional model"
        )
    return model


def distance_of(model: SimilarityModel, distance: DistanceLike) -> Distance:
    """Return the distance that a callback was given, or with ``"auto"`` that of the model."""
    return model.distance if distance == "auto" else REGISTRIES["distance"].build(distance)


def own_index(model: SimilarityModel, gallery: Labelled, distance: Distance) -> Index:
    """Return an exact index in memory with the embeddings of a gallery; the model's own is not touched."""
    index = Index.create(None, dim=model.embedding_dim, distance=distance, search="exact", store="memory")
    index.add(model.embed(gallery.inputs), labels=gallery.labels)
    return index
