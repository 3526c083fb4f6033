"""Findings of a run that never was: embeddings around the middles of classes, in a real index, without Keras."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pytest

import simplug
from simplug.api import Split
from simplug.api.pair_counts import PairCounts
from simplug.evaluation.matches import confusion
from simplug.experiment.report import Findings
from simplug.experiment.scores import SHOWN_NEIGHBORS, UNKNOWN, Evaluation
from simplug.experiment.selection import Selection

CONFIG = {
    "dataset": {"name": "npz", "path": "shapes.npz"},
    "backbone": {"name": "small_cnn", "embedding_dim": 8},
    "loss": {"name": "multi_similarity", "distance": {"name": "cosine"}},
    "train": {"epochs": 3, "seed": 7},
    "evaluate": {"metrics": [{"name": "precision_at_k", "k": 1}, {"name": "map_at_r"}]},
    "made_with": {"versions": {"simplug": "0.1.0", "numpy": "2.0.0"}, "providers": {}},
}

MakeFindings = Callable[..., Findings]


def examples(labels: np.ndarray, rng: np.random.Generator, *, images: bool) -> np.ndarray:
    """Return pictures of squares whose place and shade tell the class, or vectors."""
    if not images:
        return rng.normal(size=(len(labels), 5)).astype(np.float32)
    pictures = rng.integers(0, 60, size=(len(labels), 16, 16, 1), dtype=np.uint8)
    for picture, label in zip(pictures, labels.tolist(), strict=True):
        row, column = label % 3 * 5, label // 3 % 3 * 5
        picture[row : row + 6, column : column + 6] = 120 + label * 13 % 130
    return pictures


def count_pairs(embeddings: np.ndarray, labels: np.ndarray) -> PairCounts:
    unit = embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True)
    first, second = np.triu_indices(len(labels), 1)
    distances = 1 - np.einsum("ij,ij->i", unit[first], unit[second])
    same = labels[first] == labels[second]
    thresholds = np.unique(distances)
    positives, negatives = (
        np.searchsorted(np.sort(distances[mask]), thresholds, side="right") for mask in (same, ~same)
    )
    return PairCounts(thresholds, positives, negatives)


@pytest.fixture(scope="module")
def make_findings() -> Iterator[MakeFindings]:
    """Return a function that makes findings; it may be called several times."""
    opened = []

    def make(
        *,
        classes: int = 6,
        unseen: int = 2,
        unknown: int = 0,
        queries: int = 20,
        images: bool = True,
        noise: float = 0.45,
        names: dict[int, str] | None = None,
    ) -> Findings:
        rng = np.random.default_rng(11)
        middles = rng.normal(size=(classes, 8))
        every = np.arange(classes)
        known, seen = every[: classes - unknown], every[: classes - unknown - unseen]

        def split(labels: np.ndarray) -> tuple[Split, np.ndarray]:
            embeddings = middles[labels] + noise * rng.normal(size=(len(labels), 8))
            return Split(examples(labels, rng, images=images), labels), embeddings.astype(np.float32)

        gallery, gallery_embeddings = split(np.repeat(known, 4))
        calibration, calibration_embeddings = split(np.repeat(every, 4))
        test, embeddings = split(np.repeat(every, queries))
        index = simplug.Index.create(None, dim=8, distance="cosine", search="exact", store="memory")
        opened.append(index)
        index.add(gallery_embeddings, labels=gallery.labels, data=list(gallery.inputs))
        found = index.calibrate(
            calibration_embeddings, calibration.labels, metric="f1", targets={"strict": {"precision": 0.9}}
        )
        class_names = {label: (names or {}).get(label, f"class {label}") for label in every.tolist()}
        selection = Selection(
            training=gallery[np.isin(gallery.labels, seen)],
            gallery=gallery,
            calibration=calibration,
            test=test,
            seen=seen,
            known=known,
            classes=every,
            class_names=class_names,
        )
        matched = index.match(embeddings, cutpoint="optimal", no_match_label=UNKNOWN)
        neighbors = index.lookup(embeddings, k=SHOWN_NEIGHBORS)

        def scores(mask: np.ndarray) -> dict[str, float]:
            right = neighbors.labels[mask] == test.labels[mask, None]
            return {
                "queries": int(mask.sum()),
                "precision@1": float(right[:, 0].mean()),
                "map@r": float(right.mean()),
                "matching_accuracy": float(np.mean(matched[mask] == test.labels[mask])),
                "unknown": float(np.mean(matched[mask] == UNKNOWN)),
            }

        groups = {name: scores(mask) for name, mask in selection.groups.items()}
        evaluation = Evaluation(
            groups=groups,
            intervals={
                name: {label: (max(0.0, value - 0.03), min(1.0, value + 0.03)) for label, value in told.items()}
                for name, told in groups.items()
            },
            per_class={label: scores(test.labels == label) for label in every.tolist()},
            pairs=count_pairs(embeddings[:300], test.labels[:300]),
            embeddings=embeddings,
            distances=neighbors.distances[:, 0].astype(np.float64),
            confusion=confusion(test.labels, matched, every, unknown=UNKNOWN),
            matched=matched,
            neighbors=neighbors,
        )
        history = [{"epoch": i, "loss": 1 / i, "learning_rate": 0.01, "seconds": 2.0} for i in (1, 2, 3)]
        return Findings(CONFIG, selection, history, found, evaluation, index)

    yield make
    for index in opened:
        index.close()
