"""Who was taken for whom, and how each class does."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from simplug.experiment.report import numbers
from simplug.experiment.report.charts import chart
from simplug.experiment.report.findings import Findings
from simplug.experiment.report.html import Html, element, join, table
from simplug.plots.confusion import confusion_matrix

_PAIRS = 12
_BESIDE = 20
"""Of more classes, the matrix needs the whole width."""

_SHOWN = 25

_FIRST = ("matching_accuracy", "unknown")


def matrix(findings: Findings) -> Html:
    """Return the confusion matrix, and the pairs of classes that were confused most often."""
    counts, labels = findings.evaluation.confusion, findings.selection.classes
    names = [findings.name_of(int(label)) for label in labels]
    drawn = chart(
        confusion_matrix(counts, names),
        "confusion matrix: true labels in rows, matched labels in columns, the last column being unknown",
        "Each row is a true label; the shade is the share of its queries that were matched with the column's label.",
    )
    rows = []
    for row, column in confused_pairs(findings)[:_PAIRS]:
        share = counts[row, column] / counts[row].sum()
        rows.append([names[row], names[column], numbers.count(counts[row, column]), f"{100 * share:.1f} %"])
    if not rows:
        beside = element("p", "No query was matched with a wrong label.", class_="hint")
    else:
        head = ["true label", "matched with", "queries", "of its class"]
        beside = join([element("h3", "Most often confused"), table(head, rows, class_="names")])
    place = "charts wide" if len(names) > _BESIDE else "charts"
    return element("div", drawn, element("div", beside), class_=place)


def confused_pairs(findings: Findings) -> list[tuple[int, int]]:
    """Return the (row, column) places of wrong labels in the confusion matrix, most frequent first."""
    counts = findings.evaluation.confusion[:, :-1].copy()
    np.fill_diagonal(counts, 0)
    order = np.argsort(-counts, axis=None, kind="stable")
    places = zip(*np.unravel_index(order, counts.shape), strict=True)
    return [(int(row), int(column)) for row, column in places if counts[row, column]]


def classes(findings: Findings) -> Html:
    """Return the table of classes, worst first, which sorts by any of its columns."""
    per_class = findings.evaluation.per_class
    told = dict.fromkeys(label for scores in per_class.values() for label in scores)
    # What the table is sorted by stands first, where it is seen on a narrow screen, too.
    labels = [label for label in _FIRST if label in told]
    labels += [label for label in told if label not in {*labels, "queries"}]
    order = sorted(per_class, key=lambda label: _badness(per_class[label], labels))
    rows = [_row(findings, label, labels) for label in order]
    kind = ["kind"] if findings.has_kinds else []
    first = numbers.words(labels[0])
    head = [
        _heading(name, "ascending" if name == first else None)
        for name in ["class", *kind, "queries", *map(numbers.words, labels)]
    ]
    kinds = ["sortable", *(["names"] if kind else []), *(["short"] if len(rows) > _SHOWN else [])]
    parts = [table(head, rows, class_=" ".join(kinds), id="table-of-classes")]
    if len(rows) > _SHOWN:
        words = f"Show all {len(rows):,} classes"
        parts.append(element("button", words, type="button", class_="more", aria_controls="table-of-classes"))
    return join(parts)


def _badness(scores: Mapping[str, float], labels: Sequence[str]) -> tuple[float, ...]:
    """Return what classes are ordered by: their scores from left to right; what is not known comes last."""
    values = [scores.get(label, math.inf) for label in labels if label != "unknown"]
    return tuple(value if math.isfinite(value) else math.inf for value in values)


def _heading(name: str, sort: str | None) -> Html:
    return element("th", element("button", name, type="button"), scope="col", aria_sort=sort)


def _row(findings: Findings, label: int, labels: Sequence[str]) -> list[Html]:
    scores = findings.evaluation.per_class[label]
    cells = [element("td", findings.name_of(label))]
    if findings.has_kinds:
        cells.append(element("td", findings.kind_of(label)))
    cells.append(element("td", numbers.count(scores["queries"]), data_value=scores["queries"]))
    for name in labels:
        value = scores.get(name)
        known = value is not None and math.isfinite(value)
        cells.append(element("td", numbers.score(value), data_value=value if known else ""))
    return cells
