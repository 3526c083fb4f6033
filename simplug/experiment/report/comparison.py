"""The page that shows runs side by side."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from simplug.experiment.report import numbers
from simplug.experiment.report.charts import chart
from simplug.experiment.report.html import Html, element, join, table
from simplug.experiment.report.page import fill
from simplug.plots.overlay import loss_curves, roc_curves

if TYPE_CHECKING:
    from simplug.experiment.compare import Comparison, Row


def write_comparison(comparison: Comparison) -> str:
    """Return the comparison as an HTML page that needs no other file and no network."""
    names = [run.name for run in comparison.runs]
    sections = [("Scores", _scores(comparison)), ("Curves", _curves(comparison)), ("Settings", _settings(comparison))]
    return fill(
        title=f"{len(names)} runs compared",
        subtitle=" · ".join(names),
        sections=sections,
        footer=element("p", "The folders: ", ", ".join(str(run.path) for run in comparison.runs)),
    )


def _scores(comparison: Comparison) -> Html:
    parts = []
    for group in dict.fromkeys(row.group for row in comparison.rows):
        rows = [_cells(comparison, row) for row in comparison.rows if row.group == group]
        head = ["score", *(run.name for run in comparison.runs)]
        parts.append(element("div", element("h3", f"{group} classes"), table(head, rows)))
    hint = "★ marks the best of a row, where one value is better than another."
    if any(any(run.intervals.values()) for run in comparison.runs):
        hint += " Below a score: its 95 % bootstrap interval over the queries."
    return join([element("p", hint, class_="hint"), element("div", *parts, class_="charts three")])


def _cells(comparison: Comparison, row: Row) -> list[Html]:
    cells = [element("td", numbers.words(row.label))]
    for place, (run, value) in enumerate(zip(comparison.runs, row.values, strict=True)):
        told = numbers.count(value) if row.label == "queries" and value is not None else numbers.score(value)
        bounds = numbers.interval(run.intervals.get(row.group, {}).get(row.label))
        shown = element("b", f"★ {told}") if place in row.best else told
        cells.append(element("td", shown, element("small", bounds) if bounds else ""))
    return cells


def _curves(comparison: Comparison) -> Html:
    charts = [
        chart(loss_curves({run.name: run.history for run in comparison.runs}), "training loss of each run by epoch")
    ]
    rates = {
        run.name: None if run.roc is None else (np.array(run.roc["far"]), np.array(run.roc["tar"]))
        for run in comparison.runs
    }
    if any(run.roc is not None for run in comparison.runs):
        charts.append(chart(roc_curves(rates), "ROC curve of each run, with a logarithmic axis"))
    return element("div", *charts, class_="charts")


def _settings(comparison: Comparison) -> Html:
    if not comparison.differences:
        return element("p", "The runs have the same config, and were made with the same versions.", class_="hint")
    head = ["setting", *(run.name for run in comparison.runs)]
    return table(head, [[path, *values] for path, values in comparison.differences.items()])
