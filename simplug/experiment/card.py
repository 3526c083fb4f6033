"""The model card of a run: what its model is, what it was measured to be worth, and what its owner has yet to say."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from simplug.experiment.report import about, numbers
from simplug.experiment.report.findings import Findings
from simplug.kernel.toml import dumps

OWNER = "<!-- The owner of the model writes from here ... -->"
OWNER_END = "<!-- ... to here. What stands outside is written by the run. -->"
_NAMED = 60


def write_card(findings: Findings, *, title: str) -> str:
    """Return the model card as Markdown, with a place marked for what only the owner of the model can say.

    Args:
        findings: What was found.
        title: The heading: the name of the run.
    """
    parts = [
        "---\nlibrary_name: keras\ntags:\n- metric-learning\n- simplug\n---",
        f"# {_text(title)}",
        _what(findings),
        "## Data",
        _data(findings),
        "## Scores",
        _scores(findings),
        "## Cut points",
        _cut_points(findings),
        "## Intended use and limits",
        OWNER,
        "*To be written by the owner: what the model is for and what it is not for; whom its mistakes may harm; what "
        "the data leave out; under which licence it may be used.*",
        OWNER_END,
        "## How it was made",
        _made(findings),
    ]
    return "\n\n".join(parts) + "\n"


def _what(findings: Findings) -> str:
    config = findings.config
    distance = numbers.distance(findings.calibration.cut_points["optimal"].distance)
    return (
        f"An encoder that maps like inputs to near embeddings of {findings.evaluation.embeddings.shape[1]} dimensions: "
        f"{_code(about.name_in(config, 'backbone'))} trained with {_code(about.name_in(config, 'loss'))} on "
        f"{_code(about.name_in(config, 'dataset'))}. Its gallery holds {len(findings.index):,} records of "
        f"{_counted(len(findings.selection.known))}; a query takes the label of its nearest records, and is called "
        f"unknown beyond a distance of {distance}."
    )


def _data(findings: Findings) -> str:
    selection = findings.selection
    meaning = {
        "seen": "trained on",
        "unseen": "in the gallery, but not trained on",
        "unknown": "neither trained on nor in the gallery",
    }
    lines = []
    for kind, words in meaning.items():
        names = [findings.name_of(label) for label in selection.classes.tolist() if findings.kind_of(label) == kind]
        if names:
            lines.append(f"- **{len(names):,} {kind}** ({words}): {_listed(names)}")
    counts = (
        f"Trained on {len(selection.training):,} examples, calibrated on {len(selection.calibration):,}, tested on "
        f"{len(selection.test):,}. Classes:"
    )
    return "\n".join([counts, "", *lines])


def _scores(findings: Findings) -> str:
    groups, intervals = findings.evaluation.groups, findings.evaluation.intervals
    labels = list(dict.fromkeys(label for scores in groups.values() for label in scores if label != "queries"))
    rows = []
    for label in labels:
        row = [numbers.words(label)]
        for name, scores in groups.items():
            bounds = numbers.interval(intervals.get(name, {}).get(label))
            row.append(numbers.score(scores.get(label)) + (f" ({bounds})" if bounds else ""))
        rows.append(row)
    head = ["score", *(f"{name} classes" for name in groups)]
    counted = ["queries", *(numbers.count(scores["queries"]) for scores in groups.values())]
    note = "\n\nIn parentheses: 95 % bootstrap intervals over the queries." if any(intervals.values()) else ""
    return _table(head, [counted, *rows]) + note


def _cut_points(findings: Findings) -> str:
    calibration = findings.calibration
    names = list(dict.fromkeys(name for point in calibration.cut_points.values() for name in point.scores))
    rows = [
        [point.name, numbers.distance(point.distance), *(numbers.score(point.scores.get(name)) for name in names)]
        for point in calibration.cut_points.values()
    ]
    return (
        f"A match within the distance is accepted. Chosen on {calibration.queries:,} queries that are neither in the "
        f"gallery nor in the test split, whose scores are these; the optimal one is best in {calibration.metric}.\n\n"
        + _table(["cut point", "distance", *names], rows)
    )


def _made(findings: Findings) -> str:
    told: Mapping[str, Any] = findings.config.get("made_with", {}).get("versions", {})
    versions = ", ".join(f"{name} {version}" for name, version in told.items())
    toml = dumps({name: value for name, value in findings.config.items() if name != "made_with"}).strip()
    fence = _fence(toml)
    return f"With {_text(versions)}, from this config:\n\n{fence}toml\n{toml}\n{fence}"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---", *("---:" for _ in head[1:])], *rows]
    return "\n".join(
        f"| {' | '.join(cell if set(cell) <= set('-:') else _text(cell) for cell in line)} |" for line in lines
    )


def _listed(names: Sequence[str]) -> str:
    more = f", and {len(names) - _NAMED:,} more" if len(names) > _NAMED else ""
    return ", ".join(map(_text, names[:_NAMED])) + more


def _counted(classes: int) -> str:
    return f"{classes:,} class{'' if classes == 1 else 'es'}"


def _text(content: str) -> str:
    """Return text that Markdown takes as it is: its marks escaped, on one line."""
    return re.sub(r"([\\`*_{}\[\]<>#|&~$])", r"\\\1", " ".join(content.split()))


def _code(content: str) -> str:
    return f"`{content.replace('`', '')}`"


def _fence(content: str) -> str:
    """Return a fence that is longer than any row of backticks within."""
    return "`" * max(3, 1 + max((len(row) for row in re.findall("`+", content)), default=0))
