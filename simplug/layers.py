"""Keras layers of encoders: pooling, embeddings, and functions that make an encoder of a trunk or freeze its layers.

Importing this module imports Keras and registers the layers with it: do so before a saved model that holds one of
them is loaded with ``keras.saving.load_model``. :func:`simplug.load` needs no such care.
"""

from simplug.api.layers import (
    EmbeddingHead,
    GeneralizedMeanPooling1D,
    GeneralizedMeanPooling2D,
    Trunk,
    encoder,
    freeze,
    multi_head_encoder,
)

__all__ = [
    "EmbeddingHead",
    "GeneralizedMeanPooling1D",
    "GeneralizedMeanPooling2D",
    "Trunk",
    "encoder",
    "freeze",
    "multi_head_encoder",
]
