"""What ``losses.py`` compares: the same loss, by the names and arguments of both sides.

Arguments that could differ are written out on both sides. A margin of a cosine distance is 1 minus the other side's
margin of a similarity. ``"num_classes"`` and ``"embedding_size"`` as values stand for the sizes of the benchmark.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

CLASSES, DIM = 1000, 128
MEMORY_ROWS = 4096
"""How many embeddings a memory across batches holds."""


@dataclass(frozen=True)
class Case:
    """One comparison; a dataclass, as the peer's environment has no attrs.

    Attributes:
        name: What the table calls it.
        ours: The table of simplug's loss.
        peer: The class in PyTorch Metric Learning and its arguments.
        departs: Why the two values differ, where they do.
        views: The loss compares two views and takes no labels.
        grouped: The peer needs the batch sorted by class.
        keeps_state: The steps follow each other: what a step leaves is what the next one finds.
    """

    name: str
    ours: Mapping[str, Any]
    peer: Mapping[str, Any]
    departs: str = ""
    views: bool = False
    grouped: bool = False
    keeps_state: bool = False


_COSINE = {"name": "CosineSimilarity"}


def _same(name: str, peer: str, **both: Any) -> Case:
    """A loss whose arguments have the same names on both sides."""
    return Case(name, {"name": name, **both}, {"name": peer, **both})


def _head(name: str, peer: str, ours: Mapping[str, Any], theirs: Mapping[str, Any] | None = None) -> Case:
    """A loss with class vectors; `theirs` where the other side has other names for the arguments."""
    sizes = {"num_classes": "num_classes", "embedding_size": "embedding_size"}
    if theirs is None:
        theirs = ours
    return Case(name, {"name": name, "num_classes": CLASSES, **ours}, {"name": peer, **sizes, **theirs})


def _mined(miner: Mapping[str, Any], peer_miner: Mapping[str, Any], loss: Case, departs: str = "") -> Case:
    """A loss with a miner."""
    kind = f" ({miner['triplets']})" if "triplets" in miner else ""
    name = f"{miner['name']}{kind} miner, {loss.name}"
    return Case(name, {**loss.ours, "miner": miner}, {**loss.peer, "miner": peer_miner}, departs=departs)


def _triplet_miner(kind: str) -> Case:
    return _mined(
        {"name": "triplet_margin", "margin": 0.2, "triplets": kind},
        {"name": "TripletMarginMiner", "margin": 0.2, "type_of_triplets": kind.replace("_", "")},
        _TRIPLET,
    )


_CONTRASTIVE = _same("contrastive", "ContrastiveLoss", pos_margin=0.0, neg_margin=1.0)
_MARGIN = _same("margin", "MarginLoss", margin=0.2, beta=1.2, nu=0.0)
_MULTI_SIMILARITY = _same("multi_similarity", "MultiSimilarityLoss", alpha=2.0, beta=50.0, base=0.5)
_NT_XENT = _same("nt_xent", "NTXentLoss", temperature=0.07)
_TRIPLET = _same("triplet", "TripletMarginLoss", margin=0.05)

_PAIRS = (
    Case(
        "angular",
        {"name": "angular", "alpha": 40.0},
        {"name": "AngularLoss", "alpha": 40},
        departs="the peer does not normalise the negatives",
    ),
    Case(
        "circle",
        {"name": "circle", "margin": 0.4, "gamma": 80.0},
        {"name": "CircleLoss", "m": 0.4, "gamma": 80},
    ),
    _CONTRASTIVE,
    Case(
        "contrastive, cosine",
        {"name": "contrastive", "pos_margin": 0.0, "neg_margin": 1.0, "distance": "cosine"},
        {"name": "ContrastiveLoss", "pos_margin": 1, "neg_margin": 0, "distance": _COSINE},
    ),
    Case("dynamic_soft_margin", {"name": "dynamic_soft_margin"}, {"name": "DynamicSoftMarginLoss"}),
    _same("fast_ap", "FastAPLoss", num_bins=10),
    _same("generalized_lifted_structure", "GeneralizedLiftedStructureLoss", pos_margin=0.0, neg_margin=1.0),
    Case("histogram", {"name": "histogram", "num_bins": 100}, {"name": "HistogramLoss", "n_bins": 100}),
    Case(
        "instance",
        {"name": "instance", "gamma": 64.0},
        {"name": "InstanceLoss", "gamma": 64},
        departs="the peer's target is the rank of the class",
    ),
    _same("intra_pair_variance", "IntraPairVarianceLoss", pos_eps=0.01, neg_eps=0.01),
    _same("lifted_structure", "LiftedStructureLoss", pos_margin=0.0, neg_margin=1.0),
    _MARGIN,
    Case(
        "margin, learned beta",
        {"name": "margin", "margin": 0.2, "beta": 1.2, "nu": 0.1, "learn_beta": True},
        {"name": "MarginLoss", "margin": 0.2, "beta": 1.2, "nu": 0.1, "learn_beta": True},
    ),
    _MULTI_SIMILARITY,
    _same("n_pairs", "NPairsLoss"),
    _same("nca", "NCALoss", softmax_scale=1.0),
    _NT_XENT,
    Case(
        "pnp",
        {"name": "pnp", "variant": "Dq", "alpha": 8.0},
        {"name": "PNPLoss", "variant": "Dq", "alpha": 8, "anneal": 0.01},
    ),
    Case(
        "ranked_list",
        {
            "name": "ranked_list",
            "alpha": 1.2,
            "margin": 0.4,
            "imbalance": 0.5,
            "pos_temperature": 0.0,
            "neg_temperature": 10.0,
        },
        {"name": "RankedListLoss", "alpha": 1.2, "margin": 0.4, "imbalance": 0.5, "Tp": 0, "Tn": 10},
    ),
    _same("signal_to_noise", "SignalToNoiseRatioContrastiveLoss", pos_margin=0.0, neg_margin=1.0),
    replace(_same("smooth_ap", "SmoothAPLoss", temperature=0.01), grouped=True),
    _same("sup_con", "SupConLoss", temperature=0.1),
    _same("threshold_consistent_margin", "ThresholdConsistentMarginLoss", margin_plus=0.9, margin_minus=0.5),
    _TRIPLET,
    Case(
        "triplet, cosine",
        {**_TRIPLET.ours, "distance": "cosine"},
        {**_TRIPLET.peer, "distance": _COSINE},
    ),
    Case("triplet, soft", {**_TRIPLET.ours, "soft": True}, {**_TRIPLET.peer, "smooth_loss": True}),
    Case("triplet, swap", {**_TRIPLET.ours, "swap": True}, {**_TRIPLET.peer, "swap": True}),
    _same("tuplet_margin", "TupletMarginLoss", margin=5.73, scale=64.0),
)

_MINED = (
    _triplet_miner("all"),
    _triplet_miner("semi_hard"),
    _triplet_miner("hard"),
    _triplet_miner("easy"),
    _mined({"name": "batch_hard"}, {"name": "BatchHardMiner"}, _TRIPLET),
    _mined({"name": "batch_easy_hard"}, {"name": "BatchEasyHardMiner"}, _TRIPLET),
    _mined(
        {"name": "multi_similarity", "epsilon": 0.1},
        {"name": "MultiSimilarityMiner", "epsilon": 0.1},
        _MULTI_SIMILARITY,
    ),
    _mined(
        {"name": "pair_margin", "pos_margin": 0.2, "neg_margin": 1.2},
        {"name": "PairMarginMiner", "pos_margin": 0.2, "neg_margin": 1.2},
        _CONTRASTIVE,
    ),
    _mined(
        {"name": "hdc", "hard_ratio": 0.5},
        {"name": "HDCMiner", "filter_percentage": 0.5},
        _CONTRASTIVE,
        departs="the peer cuts ties as they come",
    ),
    _mined(
        {"name": "distance_weighted", "embedding_dim": DIM},
        {"name": "DistanceWeightedMiner"},
        _MARGIN,
        departs="random",
    ),
    _mined({"name": "uniform_histogram"}, {"name": "UniformHistogramMiner"}, _CONTRASTIVE, departs="random"),
)

_HEADS = (
    _head("arcface", "ArcFaceLoss", {"margin": 28.6, "scale": 64.0}),
    _head("cosface", "CosFaceLoss", {"margin": 0.35, "scale": 64.0}),
    _head("large_margin_softmax", "LargeMarginSoftmaxLoss", {"margin": 4, "scale": 1.0}),
    Case(
        "manifold",
        {"name": "manifold", "num_classes": CLASSES, "alpha": 0.8, "margin": 5e-4, "context_weight": 1.0},
        {
            "name": "ManifoldLoss",
            "l": "embedding_size",
            "K": "num_classes",
            "alpha": 0.8,
            "margin": 5e-4,
            "lambdaC": 1.0,
        },
    ),
    _head("normalized_softmax", "NormalizedSoftmaxLoss", {"temperature": 0.05}),
    Case(
        "p2s_grad",
        {"name": "p2s_grad", "num_classes": CLASSES},
        {"name": "P2SGradLoss", "num_classes": "num_classes", "descriptors_dim": "embedding_size"},
    ),
    _head("proxy_anchor", "ProxyAnchorLoss", {"margin": 0.1, "alpha": 32.0}),
    _head("proxy_nca", "ProxyNCALoss", {"scale": 1.0}, {"softmax_scale": 1}),
    _head(
        "soft_triple",
        "SoftTripleLoss",
        {"centers_per_class": 10, "scale": 20.0, "gamma": 0.1, "margin": 0.01},
        {"centers_per_class": 10, "la": 20, "gamma": 0.1, "margin": 0.01},
    ),
    _head("sphereface", "SphereFaceLoss", {"margin": 4, "scale": 1.0}),
    _head("sub_center_arcface", "SubCenterArcFaceLoss", {"margin": 28.6, "scale": 64.0, "sub_centers": 3}),
)

_OTHERS = (
    Case(
        "vicreg",
        {"name": "vicreg"},
        {"name": "VICRegLoss"},
        views=True,
    ),
    Case(
        "self_supervised, nt_xent",
        {"name": "self_supervised", "loss": _NT_XENT.ours},
        {"name": "SelfSupervisedLoss", "loss": _NT_XENT.peer},
        views=True,
    ),
    Case(
        "multiple, contrastive and triplet",
        {"name": "multiple", "losses": [_CONTRASTIVE.ours, _TRIPLET.ours]},
        {"name": "MultipleLosses", "losses": [_CONTRASTIVE.peer, _TRIPLET.peer]},
    ),
    Case(
        "cross_batch_memory, contrastive",
        {"name": "cross_batch_memory", "loss": _CONTRASTIVE.ours, "memory_size": MEMORY_ROWS},
        {
            "name": "CrossBatchMemory",
            "loss": _CONTRASTIVE.peer,
            "embedding_size": "embedding_size",
            "memory_size": MEMORY_ROWS,
        },
        keeps_state=True,
    ),
)

CASES = (*_PAIRS, *_MINED, *_HEADS, *_OTHERS)
