"""Keras layers of encoders: pooling, embeddings, and functions that make an encoder of a trunk or freeze its layers.

Importing this module imports Keras and registers the layers with it: do so before a saved model that holds one of
them is loaded with ``keras.saving.load_model``. :func:`simplug.load` needs no such care.
"""

from simplug.api.layers import *  # noqa: F403  # the contracts list these names, and this module is their public place
