"""simplug: metric learning for Keras 3, built from plugins.

Importing this package imports nothing else: each public name is loaded when it is first used, and so no command and no
script pays for what it does not need. No name costs TensorFlow but `SimilarityModel`, `Head`, `FedBatches` and what
`load` reads.
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
    from simplug.learn.balanced_stream import BalancedStream as BalancedStream
    from simplug.learn.batch_stream import batch_stream as batch_stream
    from simplug.learn.feeding import FedBatches as FedBatches
    from simplug.learn.head import Head as Head
    from simplug.learn.model import SimilarityModel as SimilarityModel

    __version__: str
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
else:
    from simplug.kernel.lazy import lazy_names

    def _registry(plural: str) -> Any:
        from simplug.kernel.registry import REGISTRIES

        return next(registry for registry in REGISTRIES.values() if registry.kind.plural == plural)

    def _version(_: str) -> str:
        from simplug.kernel.entries import own_version

        return own_version()

    __all__, __getattr__, __dir__ = lazy_names(
        __name__,
        {
            "simplug": ["callbacks", "evaluation", "heads", "layers", "plots", "reranking"],
            "simplug.experiment.loading": ["load"],
            "simplug.index.index": ["Index"],
            "simplug.kernel.artifacts": ["save"],
            "simplug.kernel.plugins": ["plugins"],
            "simplug.kernel.registry": ["refresh", "registry_of"],
            "simplug.learn.balanced_stream": ["BalancedStream"],
            "simplug.learn.batch_stream": ["batch_stream"],
            "simplug.learn.feeding": ["FedBatches"],
            "simplug.learn.head": ["Head"],
            "simplug.learn.model": ["SimilarityModel"],
        },
        made={
            "__version__": _version,
            "augmenters": _registry,
            "backbones": _registry,
            "datasets": _registry,
            "distances": _registry,
            "losses": _registry,
            "matchers": _registry,
            "metrics": _registry,
            "miners": _registry,
            "reducers": _registry,
            "regularizers": _registry,
            "samplers": _registry,
            "searches": _registry,
            "stores": _registry,
        },
    )
