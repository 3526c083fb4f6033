"""simplug: metric learning for Keras 3, built from plugins.

Importing this package imports nothing else: each public name is loaded when it is first used, and so no command and no
script pays for what it does not need. No name costs TensorFlow but `SimilarityModel` and what `load` reads.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from simplug import api
    from simplug import callbacks as callbacks
    from simplug import evaluation as evaluation
    from simplug import heads as heads
    from simplug import layers as layers
    from simplug import plots as plots
    from simplug import reranking as reranking
    from simplug.experiment.loading import load as load
    from simplug.index.index import Index as Index
    from simplug.kernel.artifacts import save as save
    from simplug.kernel.plugins import plugins as plugins
    from simplug.kernel.registry import Registry
    from simplug.kernel.registry import refresh as refresh
    from simplug.kernel.registry import registry_of as registry_of
    from simplug.learn.head import Head as Head
    from simplug.learn.model import SimilarityModel as SimilarityModel

    losses: Registry[api.Loss]
    distances: Registry[api.Distance]
    miners: Registry[api.Miner]
    reducers: Registry[api.Reducer]
    regularizers: Registry[api.Regularizer]
    samplers: Registry[api.Sampler]
    augmenters: Registry[api.Augmenter]
    datasets: Registry[api.Dataset]
    backbones: Registry[api.Backbone]
    searches: Registry[api.Search]
    stores: Registry[api.Store]
    matchers: Registry[api.Matcher]
    metrics: Registry[api.Metric]

_MODULES = {
    "Head": "simplug.learn.head",
    "Index": "simplug.index.index",
    "SimilarityModel": "simplug.learn.model",
    "load": "simplug.experiment.loading",
    "plugins": "simplug.kernel.plugins",
    "refresh": "simplug.kernel.registry",
    "registry_of": "simplug.kernel.registry",
    "save": "simplug.kernel.artifacts",
}
"""Where each public name that is no registry comes from."""

_SUBMODULES = ("callbacks", "evaluation", "heads", "layers", "plots", "reranking")
"""The modules whose own names are public."""

__all__ = [
    "Head",
    "Index",
    "SimilarityModel",
    "augmenters",
    "backbones",
    "callbacks",
    "datasets",
    "distances",
    "evaluation",
    "heads",
    "layers",
    "load",
    "losses",
    "matchers",
    "metrics",
    "miners",
    "plots",
    "plugins",
    "reducers",
    "refresh",
    "registry_of",
    "regularizers",
    "reranking",
    "samplers",
    "save",
    "searches",
    "stores",
]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from simplug.kernel.entries import own_version

        return own_version()
    if name not in __all__:
        raise AttributeError(f"module 'simplug' has no attribute {name!r}")
    from importlib import import_module

    if name in _SUBMODULES:
        return import_module(f"simplug.{name}")
    if name in _MODULES:
        value = getattr(import_module(_MODULES[name]), name)
    else:
        from simplug.kernel.registry import REGISTRIES

        value = next(registry for registry in REGISTRIES.values() if registry.kind.plural == name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
