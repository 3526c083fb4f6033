"""The embeddings of the test split on a plane, with every point's picture, label and match at hand."""

from __future__ import annotations

import json
from collections.abc import Mapping

import numpy as np

from simplug.experiment.report import numbers
from simplug.experiment.report.findings import Findings
from simplug.experiment.report.html import Html, element, join
from simplug.experiment.report.pictures import is_image, sheet
from simplug.kernel.errors import InvalidInputError
from simplug.plots.plane import Projected, project, umap_is_installed
from simplug.plots.style import SERIES, shape_of

_POINTS = 1000
"""At most so many points are drawn."""

_NAMED = 30
"""Up to so many classes, each is named in the middle of its points."""

_WIDTH, _MARGIN = 720, 28

_SHAPES = (
    "M-4.4,0a4.4,4.4 0 1,0 8.8,0a4.4,4.4 0 1,0 -8.8,0z",
    "M-3.9,-3.9h7.8v7.8h-7.8z",
    "M0,-5l4.8,8.6h-9.6z",
    "M0,-5.4l5.4,5.4l-5.4,5.4l-5.4,-5.4z",
)
"""The outlines of points: circle, square, triangle, diamond."""


def projections(findings: Findings) -> Html:
    """Return a drawing for each method that is installed, and what is shown of a point that is pointed at."""
    embeddings, labels = findings.evaluation.embeddings, findings.selection.test.labels
    seed = int(findings.config.get("train", {}).get("seed", 0))
    if len(embeddings) < 5:
        return element("p", f"{len(embeddings)} queries are too few for a projection.", class_="hint")
    shown = sample(labels, _POINTS, seed)
    whole = project(embeddings)
    drawings = {"PCA": Projected(whole.points[shown], whole.axes)}
    parts = [_hint(findings, len(shown))]
    if umap_is_installed():
        try:
            # With all of very many embeddings it would take minutes; those that are not shown are not needed.
            drawings["UMAP"] = project(embeddings[shown], "umap", seed=seed)
        except InvalidInputError as cause:
            # A run that has come so far is not lost because an extra does not work here.
            parts.append(element("p", f"There is no drawing of UMAP: {cause}", class_="hint"))
    parts.append(_controls(drawings))
    for i, (method, plane) in enumerate(drawings.items()):
        parts.append(_drawing(findings, method, plane, shown, hidden=i > 0))
    return element("div", *parts, element("div", class_="tip", hidden=""), _data(findings, shown), class_="projection")


def sample(labels: np.ndarray, limit: int, seed: int) -> np.ndarray:
    """Return at most so many rows, ascending, taken from the classes by turns, so that small ones are there, too."""
    if len(labels) <= limit:
        return np.arange(len(labels))
    order = np.random.default_rng(seed).permutation(len(labels))
    turns = np.empty(len(labels), dtype=np.int64)
    for label in np.unique(labels):
        same = order[labels[order] == label]
        turns[same] = np.arange(len(same))
    chosen: np.ndarray = np.sort(order[np.argsort(turns[order], kind="stable")][:limit])
    return chosen


def _hint(findings: Findings, shown: int) -> Html:
    total = len(findings.evaluation.embeddings)
    words = [f"All {total:,} queries." if shown == total else f"{shown:,} of {total:,} queries, of each class as many."]
    if findings.has_kinds:
        words.append("Filled points are of classes trained on, hollow ones of the others.")
    words.append("Point at one, or touch it, to see it.")
    return element("p", " ".join(words), class_="hint")


def _controls(methods: Mapping[str, Projected]) -> Html:
    buttons = [
        element("button", name, type="button", aria_pressed="false" if i else "true", data_method=name)
        for i, name in enumerate(methods)
    ]
    chosen = buttons if len(buttons) > 1 else []
    only = element("label", Html('<input type="checkbox" class="mistakes">'), " mistakes only")
    return element("div", *chosen, only, class_="controls")


def _drawing(findings: Findings, method: str, plane: Projected, shown: np.ndarray, *, hidden: bool) -> Html:
    points, height = _fit(plane.points)
    labels = findings.selection.test.labels[shown]
    right = findings.right[shown]
    place_of = {int(label): place for place, label in enumerate(findings.selection.classes)}
    hollow = {label: findings.kind_of(label) != "seen" for label in place_of}
    identifier = f"marks-{method.lower()}"
    shapes = [Html(f'<path id="{identifier}-{i}" d="{outline}"/>') for i, outline in enumerate(_SHAPES)]
    marks = []
    for (x, y), label, is_right in zip(points, labels.tolist(), right.tolist(), strict=True):
        place = place_of[label]
        classes = f"k{place % len(SERIES)}{' hollow' if hollow[label] else ''}{'' if is_right else ' wrong'}"
        marks.append(Html(f'<use href="#{identifier}-{shape_of(place)}" x="{x:.1f}" y="{y:.1f}" class="{classes}"/>'))
    names = []
    if len(place_of) <= _NAMED:
        for label in np.unique(labels).tolist():
            x, y = np.median(points[labels == label], axis=0)
            names.append(element("text", numbers.short(findings.name_of(label)), x=f"{x:.1f}", y=f"{y:.1f}"))
    drawing = element(
        "svg",
        element("defs", *shapes),
        element("g", *marks, class_="marks"),
        element("g", *names, class_="names"),
        viewBox=f"0 0 {_WIDTH} {height}",
        role="img",
        aria_label=f"{method} of the embeddings of the test split",
    )
    across, up = plane.axes
    caption = element("figcaption", f"Across: {across}. Up: {up}.")
    return element("figure", drawing, caption, data_method=method, hidden="" if hidden else None)


def _fit(points: np.ndarray) -> tuple[np.ndarray, int]:
    """Return (n, 2) places in a drawing, with one scale for both directions, and its height."""
    low, high = points.min(axis=0), points.max(axis=0)
    extent = np.maximum(high - low, 1e-12)
    inner = _WIDTH - 2 * _MARGIN
    height = int(np.clip(inner * extent[1] / extent[0], 0.5 * inner, 0.85 * inner))
    scale = min(inner / extent[0], height / extent[1])
    middle = (points - (low + high) / 2) * scale
    placed = np.stack([_WIDTH / 2 + middle[:, 0], height / 2 + _MARGIN - middle[:, 1]], axis=1)
    return placed, height + 2 * _MARGIN


def _data(findings: Findings, shown: np.ndarray) -> Html:
    """Return what is told of each point, as JSON that cannot end its element, and the pictures as a style."""
    evaluation, test = findings.evaluation, findings.selection.test
    used = sorted({*test.labels[shown].tolist(), *evaluation.matched[shown].tolist()})
    place_of = {label: place for place, label in enumerate(used)}
    points = [
        [
            place_of[int(test.labels[row])],
            place_of[int(evaluation.matched[row])],
            f"{evaluation.distances[row]:.3f}" if np.isfinite(evaluation.distances[row]) else None,
            int(findings.right[row]),
        ]
        for row in shown
    ]
    about: dict[str, object] = {"names": [findings.name_of(label) for label in used], "points": points}
    parts = []
    examples = test[shown].read()
    if isinstance(examples, np.ndarray) and all(map(is_image, examples)):
        tiles = sheet(list(examples))
        about |= {"columns": tiles.columns, "rows": tiles.rows}
        parts.append(Html(f"<style>.tip i {{ background-image: url({tiles.url}); }}</style>"))
    written = json.dumps(about, separators=(",", ":")).replace("<", "\\u003c")
    parts.append(Html(f'<script type="application/json" class="points">{written}</script>'))
    return join(parts)
