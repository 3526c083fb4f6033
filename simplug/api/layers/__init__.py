"""The Keras layers of encoders: normalisation, pooling, the embedding, and how a trunk becomes an encoder.

This part of the contracts imports Keras, and :mod:`simplug.api` does not import it: a component imports it inside its
methods. For users it is the public module :mod:`simplug.layers`. Its layers are registered with Keras under the
package ``simplug``, so that a saved model that holds one can be loaded once this module is imported.
"""

from simplug.api.layers.embedding import EmbeddingHead
from simplug.api.layers.encoder import encoder, multi_head_encoder
from simplug.api.layers.freezing import freeze
from simplug.api.layers.normalization import ImageBatchNormalization
from simplug.api.layers.pooling import GeneralizedMeanPooling1D, GeneralizedMeanPooling2D
from simplug.api.layers.trunk import Trunk

__all__ = [
    "EmbeddingHead",
    "GeneralizedMeanPooling1D",
    "GeneralizedMeanPooling2D",
    "ImageBatchNormalization",
    "Trunk",
    "encoder",
    "freeze",
    "multi_head_encoder",
]
