"""simplug: metric learning for Keras 3, built from plugins.

Importing this package reads no plugin and imports neither TensorFlow nor NumPy.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from simplug.kernel.plugins import plugins
from simplug.kernel.registry import REGISTRIES, refresh, registry_of

if TYPE_CHECKING:
    from simplug.experiment.loading import load as load
    from simplug.index.index import Index as Index
    from simplug.kernel.artifacts import save as save
    from simplug.learn.model import SimilarityModel as SimilarityModel

losses = REGISTRIES["loss"]
distances = REGISTRIES["distance"]
miners = REGISTRIES["miner"]
reducers = REGISTRIES["reducer"]
regularizers = REGISTRIES["regularizer"]
samplers = REGISTRIES["sampler"]
augmenters = REGISTRIES["augmenter"]
datasets = REGISTRIES["dataset"]
backbones = REGISTRIES["backbone"]
searches = REGISTRIES["search"]
stores = REGISTRIES["store"]
matchers = REGISTRIES["matcher"]
metrics = REGISTRIES["metric"]

_LAZY = {
    "Index": "simplug.index.index",
    "SimilarityModel": "simplug.learn.model",
    "load": "simplug.experiment.loading",
    "save": "simplug.kernel.artifacts",
}
"""Names that cost an import of NumPy or Keras, loaded when they are first used."""

__all__ = [
    "Index",
    "SimilarityModel",
    "augmenters",
    "backbones",
    "datasets",
    "distances",
    "load",
    "losses",
    "matchers",
    "metrics",
    "miners",
    "plugins",
    "reducers",
    "refresh",
    "registry_of",
    "regularizers",
    "samplers",
    "save",
    "searches",
    "stores",
]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from simplug.kernel.entries import own_version

        return own_version()
    if name in _LAZY:
        from importlib import import_module

        value = getattr(import_module(_LAZY[name]), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module 'simplug' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
