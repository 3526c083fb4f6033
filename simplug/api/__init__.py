"""The contracts: what a plugin author subclasses, one file a kind.

Everything that a plugin needs is imported from here::

    from simplug.api import Loss, component, option
"""

from simplug.api.augmenter import Augmenter
from simplug.api.backbone import Backbone
from simplug.api.batch import Batch
from simplug.api.class_loss import ClassLoss
from simplug.api.dataset import Data, Dataset, Split
from simplug.api.distance import Distance
from simplug.api.examples import Columns, Examples, Inputs, Shape
from simplug.api.loss import Loss
from simplug.api.matcher import Matcher
from simplug.api.metric import (
    ClassificationMetric,
    ClusteringMetric,
    Metric,
    OpenSetMetric,
    ProbeMetric,
    RetrievalMetric,
    TrainingMetric,
    VerificationMetric,
)
from simplug.api.miner import Miner
from simplug.api.pair_counts import PairCounts, PairSummary
from simplug.api.pair_loss import PairLoss
from simplug.api.pairs import Pairs, Term
from simplug.api.reducer import Reducer
from simplug.api.regularizer import Regularizer
from simplug.api.sampler import Batches, ListeningBatches, PlannedBatches, Sampler
from simplug.api.scanning import Block, scan, sums_of_squares
from simplug.api.search import Engine, Search
from simplug.api.state import State, Weight
from simplug.api.store import Records, Rows, Store, no_rows
from simplug.api.view_loss import ViewLoss
from simplug.api.view_network import Predictor, Projector, ViewNetwork
from simplug.kernel.component import Component, component, components, option
from simplug.kernel.disk import sync
from simplug.kernel.errors import ArtifactError, DataError, InvalidInputError, SimplugError, SimplugWarning
from simplug.kernel.hooks import hookimpl

__all__ = [
    "ArtifactError",
    "Augmenter",
    "Backbone",
    "Batch",
    "Batches",
    "Block",
    "ClassLoss",
    "ClassificationMetric",
    "ClusteringMetric",
    "Columns",
    "Component",
    "Data",
    "DataError",
    "Dataset",
    "Distance",
    "Engine",
    "Examples",
    "Inputs",
    "InvalidInputError",
    "ListeningBatches",
    "Loss",
    "Matcher",
    "Metric",
    "Miner",
    "OpenSetMetric",
    "PairCounts",
    "PairLoss",
    "PairSummary",
    "Pairs",
    "PlannedBatches",
    "Predictor",
    "ProbeMetric",
    "Projector",
    "Records",
    "Reducer",
    "Regularizer",
    "RetrievalMetric",
    "Rows",
    "Sampler",
    "Search",
    "Shape",
    "SimplugError",
    "SimplugWarning",
    "Split",
    "State",
    "Store",
    "Term",
    "TrainingMetric",
    "VerificationMetric",
    "ViewLoss",
    "ViewNetwork",
    "Weight",
    "component",
    "components",
    "hookimpl",
    "no_rows",
    "option",
    "scan",
    "sums_of_squares",
    "sync",
]
