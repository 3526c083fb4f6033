"""The report of a run: one HTML file with its numbers, curves and pictures, readable without a network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

import attrs
import numpy as np

from simplug.evaluation.calibration import Calibration
from simplug.experiment.figures import (
    UNKNOWN_NAME,
    as_picture,
    calibration_curve,
    confusion_matrix,
    is_image,
    loss_curve,
    thumbnail,
)
from simplug.experiment.scores import UNKNOWN, Evaluation, score_table
from simplug.experiment.selection import Selection
from simplug.index.index import Index
from simplug.kernel.plugins import plugins
from simplug.kernel.toml import dumps

SHOWN_MISTAKES = 12
"""How many wrongly matched queries are pictured."""


@attrs.frozen(eq=False)
class Findings:
    """Everything that a report is written from.

    Attributes:
        config: The resolved config, as plain values.
        selection: The examples of the run.
        history: One row an epoch.
        calibration: The calibration of the index.
        evaluation: The scores on the test split.
        index: The gallery, open, with the gallery's inputs as payloads.
    """

    config: Mapping[str, Any]
    selection: Selection
    history: Sequence[Mapping[str, float]]
    calibration: Calibration
    evaluation: Evaluation
    index: Index


def write_report(findings: Findings, *, title: str) -> str:
    """Return the report as an HTML page."""
    sections = [
        ("Scores", _scores(findings)),
        ("Training", _figure(as_picture(loss_curve(findings.history)), "training loss by epoch")),
        ("Calibration", _calibration(findings.calibration)),
        ("Confusion", _confusion(findings)),
        *_pictures(findings),
        *[pair for offer in plugins.hook.simplug_report_sections(run=_for_plugins(findings)) for pair in offer],
        ("Config", f"<pre>{escape(dumps(findings.config))}</pre>"),
    ]
    header = [line for offer in plugins.hook.simplug_report_header() for line in offer]
    versions = findings.config["made_with"]["versions"]
    header.insert(0, ", ".join(f"{name} {version}" for name, version in versions.items()))
    body = "\n".join(f"<section><h2>{escape(name)}</h2>\n{content}</section>" for name, content in sections)
    lines = "<br>".join(map(escape, header))
    return _PAGE.format(title=escape(title), style=_STYLE, header=lines, body=body)


def _scores(findings: Findings) -> str:
    head, rows = score_table(findings.evaluation.groups)
    seen = ", ".join(findings.selection.class_names[int(label)] for label in findings.selection.seen)
    return (
        _table(head, [[f"{row[0]} classes", *row[1:]] for row in rows])
        + f"<p>Trained on the classes {escape(seen)}. The gallery holds {len(findings.index)} records of "
        f"{len(findings.selection.classes)} classes. Matching accuracy is the share of queries whose match, "
        "within the cut point, has the right label; a query beyond the cut point is called unknown.</p>"
    )


def _calibration(calibration: Calibration) -> str:
    names = list(next(iter(calibration.cut_points.values())).scores)
    rows = [
        [point.name, f"{point.distance:.4g}", *(f"{point.scores[name]:.3f}" for name in names)]
        for point in calibration.cut_points.values()
    ]
    return _figure(as_picture(calibration_curve(calibration)), "scores by distance") + _table(
        ["cut point", "distance", *names], rows
    )


def _confusion(findings: Findings) -> str:
    names = [findings.selection.class_names[int(label)] for label in findings.selection.classes]
    figure = confusion_matrix(findings.evaluation.confusion, names)
    return _figure(as_picture(figure), "true labels against matched labels")


def _pictures(findings: Findings) -> list[tuple[str, str]]:
    """One query of each class, and queries that were matched wrongly, each with its neighbours."""
    test, matched = findings.selection.test, findings.evaluation.matched
    if not is_image(test.inputs[0]):
        return []
    first = [int(np.flatnonzero(test.labels == label)[0]) for label in np.unique(test.labels)]
    wrong = np.flatnonzero(matched != test.labels)
    rng = np.random.default_rng(findings.config["train"]["seed"])
    wrong = np.sort(rng.permutation(wrong)[:SHOWN_MISTAKES])
    sections = [("A query of each class, and its nearest neighbours", _rows_of_pictures(findings, first))]
    if len(wrong):
        sections.append(("Queries matched wrongly or called unknown", _rows_of_pictures(findings, wrong.tolist())))
    return sections


def _rows_of_pictures(findings: Findings, queries: Sequence[int]) -> str:
    names = findings.selection.class_names
    test, neighbors = findings.selection.test, findings.evaluation.neighbors
    rows = []
    for query in queries:
        label, matched = int(test.labels[query]), int(findings.evaluation.matched[query])
        verdict = UNKNOWN_NAME if matched == UNKNOWN else names[matched]
        cells = [_picture(test.inputs[query], f"{_name(names, label)} → {verdict}", "query")]
        filled = neighbors.ids[query] >= 0
        payloads = findings.index.get(neighbors.ids[query][filled]).data
        for payload, found, distance in zip(
            payloads, neighbors.labels[query][filled], neighbors.distances[query][filled], strict=True
        ):
            kind = "right" if int(found) == label else "wrong"
            cells.append(_picture(payload, f"{_name(names, int(found))} · {distance:.3f}", kind))
        rows.append(f'<div class="row">{"".join(cells)}</div>')
    return (
        '<p class="hint">The query with its true and its matched label, then its neighbours with label and distance: '
        '<b class="right">same class</b>, <b class="wrong">another class</b>.</p>' + "\n".join(rows)
    )


def _name(names: Mapping[int, str], label: int) -> str:
    return names.get(label, str(label))


def _picture(image: np.ndarray, caption: str, kind: str) -> str:
    text = escape(caption)
    return f'<figure class="{kind}"><img src="{thumbnail(image)}" alt="{text}"><figcaption>{text}</figcaption></figure>'


def _figure(url: str, description: str) -> str:
    return f'<img class="chart" src="{url}" alt="{escape(description)}">'


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    heading = "".join(f"<th>{escape(cell)}</th>" for cell in head)
    body = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return f'<div class="scroll"><table><thead><tr>{heading}</tr></thead><tbody>{body}</tbody></table></div>'


def _for_plugins(findings: Findings) -> dict[str, object]:
    return {
        "config": findings.config,
        "groups": findings.evaluation.groups,
        "history": findings.history,
        "index": findings.index,
    }


_STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; margin: 0 auto; max-width: 60rem; padding: 1rem; color: #1b1f24; }
h1 { margin-bottom: 0; } h2 { border-bottom: 1px solid #d0d7de; padding-bottom: .2rem; margin-top: 2rem; }
header p, .hint { color: #57606a; font-size: .85rem; }
.scroll { overflow-x: auto; } table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: .3rem .8rem; text-align: right; border-bottom: 1px solid #d0d7de; white-space: nowrap; }
th:first-child, td:first-child { text-align: left; }
.chart { max-width: 100%; height: auto; }
.row { display: flex; gap: .5rem; overflow-x: auto; margin-bottom: .6rem; }
figure { margin: 0; text-align: center; font-size: .75rem; }
figure img { width: 64px; height: 64px; object-fit: contain; image-rendering: pixelated; border: 3px solid #8c959f; }
figure.query { margin-right: 1rem; }
figure.right img { border-color: #1a7f37; } figure.wrong img { border-color: #cf222e; }
b.right { color: #1a7f37; } b.wrong { color: #cf222e; }
pre { background: #f6f8fa; padding: 1rem; overflow-x: auto; font-size: .8rem; }
"""

_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>{style}</style>
</head>
<body>
<header><h1>{title}</h1><p>{header}</p></header>
{body}
</body>
</html>
"""
