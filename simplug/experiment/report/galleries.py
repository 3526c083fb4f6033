"""Queries worth looking at, with their neighbours."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import attrs
import numpy as np

from simplug.experiment.report import numbers
from simplug.experiment.report.confusion import confused_pairs
from simplug.experiment.report.findings import Findings
from simplug.experiment.report.html import Html, element, join, picture
from simplug.experiment.report.pictures import is_image, thumbnail
from simplug.experiment.scores import UNKNOWN

_ROWS = 8


@attrs.frozen
class Gallery:
    """Queries of one sort.

    Attributes:
        title: What they are called.
        hint: How they were chosen.
        queries: Their rows in the test split.
    """

    title: str
    hint: str
    queries: tuple[int, ...]


def choose(findings: Findings) -> list[Gallery]:
    """Choose the best, the worst, the most confused and the rejected queries; a sort without queries is left out."""
    evaluation, labels = findings.evaluation, findings.selection.test.labels
    # A stable order: of equal distances, the first query of the test split comes first.
    order = np.argsort(evaluation.distances, kind="stable")
    accepted = evaluation.matched != UNKNOWN
    best = order[(findings.right & accepted)[order]]
    worst = order[(~findings.right & accepted)[order]]
    rejected = order[::-1][(~findings.right & ~accepted)[order[::-1]]]
    galleries = [
        Gallery("Worst", "Matched wrongly although very near: the surest mistakes.", _first(worst)),
        Gallery(
            "Most confused",
            "Of the pairs of classes that are confused most often, the nearest mistake each.",
            tuple(_confused(findings, set(_first(worst)))),
        ),
        Gallery("Called unknown", "Of known classes, but beyond the cut point: the farthest.", _first(rejected)),
        Gallery("Best", "Matched rightly and nearest, one of each class first.", _first(_by_turns(best, labels))),
    ]
    return [gallery for gallery in galleries if gallery.queries]


def galleries(findings: Findings) -> Html:
    """Return the galleries; examples that are no pictures are shown by their labels."""
    legend = element(
        "p",
        "The query with its true and its matched label, then its nearest neighbours with label and distance: ",
        element("span", "✓ same class", class_="key right"),
        " ",
        element("span", "✗ another class", class_="key wrong"),
        class_="hint",
    )
    chosen = choose(findings)
    parts = [legend]
    if not any(gallery.title == "Worst" for gallery in chosen):
        parts.append(element("p", "No query was matched with a wrong label.", class_="hint"))
    for gallery in chosen:
        rows = [_row(findings, query) for query in gallery.queries]
        heading = element("h3", gallery.title, " ", element("small", gallery.hint))
        parts.append(join([heading, element("div", *rows, class_="rows")]))
    return join(parts)


def _first(queries: Iterable[int]) -> tuple[int, ...]:
    return tuple(int(query) for query, _ in zip(queries, range(_ROWS), strict=False))


def _by_turns(queries: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Return queries with the first of each class first, then the second of each, and so on."""
    turns = np.zeros(len(queries), dtype=np.int64)
    for label in np.unique(labels[queries]):
        same = labels[queries] == label
        turns[same] = np.arange(same.sum())
    return queries[np.argsort(turns, kind="stable")]


def _confused(findings: Findings, shown: set[int]) -> list[int]:
    """Return the nearest mistake of each pair of classes, most confused first, but those that are shown already."""
    evaluation, classes = findings.evaluation, findings.selection.classes
    labels = findings.selection.test.labels
    found: list[int] = []
    for row, column in confused_pairs(findings):
        if len(found) == _ROWS:
            break
        queries = np.flatnonzero((labels == classes[row]) & (evaluation.matched == classes[column]))
        queries = queries[np.argsort(evaluation.distances[queries], kind="stable")]
        found += [int(query) for query in queries if int(query) not in shown][:1]
    return found


def _row(findings: Findings, query: int) -> Html:
    test, neighbors = findings.selection.test, findings.evaluation.neighbors
    label, matched = int(test.labels[query]), int(findings.evaluation.matched[query])
    true, verdict = findings.name_of(label), findings.name_of(matched)
    filled = neighbors.ids[query] >= 0
    tiles = [
        _tile(
            test.example(query),
            true,
            element("span", true, " → ", element("b", verdict)),
            f"query of class {true}, matched with {verdict}",
            "query",
        )
    ]
    found = zip(
        findings.index.get(neighbors.ids[query][filled]).data,
        neighbors.labels[query][filled].tolist(),
        neighbors.distances[query][filled].tolist(),
        strict=True,
    )
    for rank, (payload, other, distance) in enumerate(found, start=1):
        kind = "right" if other == label else "wrong"
        name = findings.name_of(other) if other >= 0 else "no label"
        caption = element("span", element("b", name), " ", numbers.score(distance))
        about = f"neighbour {rank}: class {name}, distance {numbers.score(distance)}, "
        about += "the query's class" if kind == "right" else "another class"
        tiles.append(_tile(payload, name, caption, about, kind))
    return element("div", *tiles, class_="row")


def _tile(example: Any, name: str, caption: Html, description: str, kind: str) -> Html:
    if is_image(example):
        shown = picture(thumbnail(example), description)
    else:
        shown = element("span", name, class_="example", role="img", aria_label=description)
    return element("figure", element("div", shown), element("figcaption", caption), class_=kind, title=description)
