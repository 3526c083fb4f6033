"""The scores of a run: the headlines, and groups of queries side by side."""

from __future__ import annotations

import inspect
from typing import Any

from simplug.experiment.report import numbers
from simplug.experiment.report.findings import Findings
from simplug.experiment.report.html import Html, element, join, table
from simplug.kernel.registry import REGISTRIES

_MATCHING = ("matching_accuracy", "unknown")
_CARDS = 6

_EXPLAINED = {
    "matching_accuracy": "The share of queries whose match, within the cut point, has the right label; a query of a "
    "class that the gallery has not is right when it is called unknown.",
    "unknown": "The share of queries beyond the cut point.",
}


def headlines(findings: Findings) -> Html:
    """Return a card for each of the first scores of all queries, with its interval and how kinds of classes do."""
    groups, intervals = findings.evaluation.groups, findings.evaluation.intervals
    explained = _explanations(findings)
    cards = []
    for label in _card_labels(findings):
        value, bounds = groups["all"][label], intervals.get("all", {}).get(label)
        others = {name: scores for name, scores in groups.items() if name != "all"}
        about = [element("span", f"{name} {numbers.score(scores.get(label))}") for name, scores in others.items()]
        parts = [
            element("h3", numbers.words(label)),
            element("p", numbers.score(value), class_="value"),
            _bar(value, bounds) if 0 <= value <= 1 else Html(),
        ]
        if numbers.interval(bounds):
            parts.append(element("p", numbers.interval(bounds), class_="small", title="95 % interval"))
        if about:
            parts.append(element("p", join(about, " "), class_="small"))
        cards.append(element("div", *parts, class_="card", title=explained.get(label)))
    return element("div", *cards, class_="cards")


def groups_table(findings: Findings) -> Html:
    """Return the table of scores: one column a group of queries; and what each score means."""
    groups, intervals = findings.evaluation.groups, findings.evaluation.intervals
    labels = list(dict.fromkeys(label for scores in groups.values() for label in scores if label != "queries"))
    rows = [["queries", *(numbers.count(scores["queries"]) for scores in groups.values())]]
    for label in labels:
        row = [numbers.words(label)]
        for name, scores in groups.items():
            bounds = numbers.interval(intervals.get(name, {}).get(label))
            below = element("small", bounds) if bounds else ""
            row.append(element("td", numbers.score(scores.get(label)), below))
        rows.append(row)
    head = ["score", *(f"{name} classes" for name in groups)]
    meanings = [
        join([element("dt", numbers.words(label)), element("dd", sentence)])
        for label, sentence in _explanations(findings).items()
        if label in labels
    ]
    return join(
        [
            table(head, rows),
            _who(findings),
            element("details", element("summary", "What the scores mean"), element("dl", *meanings)),
        ]
    )


def _who(findings: Findings) -> Html:
    selection = findings.selection
    seen = ", ".join(findings.name_of(int(label)) for label in selection.seen[:30])
    more = f" and {len(selection.seen) - 30} more" if len(selection.seen) > 30 else ""
    sentences = [
        f"Trained on {_counted(len(selection.seen), 'class', 'classes')}: {seen}{more}.",
        f"The gallery holds {_counted(len(findings.index), 'record')} of "
        f"{_counted(len(selection.known), 'class', 'classes')}.",
    ]
    if "unseen" in findings.evaluation.groups:
        sentences.append("Unseen classes were met for the first time when they were indexed.")
    if "unknown" in findings.evaluation.groups:
        sentences.append("Unknown classes are not in the gallery either: their queries are right when called unknown.")
    if findings.evaluation.intervals:
        sentences.append("Intervals are 95 % bootstrap intervals over the queries.")
    return element("p", " ".join(sentences), class_="hint")


def _card_labels(findings: Findings) -> list[str]:
    """Return which scores have a card: the first of the config, then how queries are matched."""
    training = {label for label, metric in _metrics(findings).items() if metric.task == "training"}
    told = [label for label in findings.evaluation.groups["all"] if label not in {"queries", *training}]
    first = [label for label in told if label not in _MATCHING][: _CARDS - 1]
    return [*first, *(label for label in _MATCHING if label in told)][:_CARDS]


def _bar(value: float, bounds: tuple[float, float] | None) -> Html:
    """Return a scale from 0 to 1 with the score and its interval on it."""
    low, high = bounds or (value, value)
    band = element("i", style=f"left: {100 * low:.2f}%; width: {100 * (high - low):.2f}%")
    return element("div", band, element("b", style=f"left: {100 * value:.2f}%"), class_="scale", aria_hidden="true")


def _metrics(findings: Findings) -> dict[str, Any]:
    build = REGISTRIES["metric"].build
    metrics = [build(table) for table in findings.config.get("evaluate", {}).get("metrics", ())]
    return {metric.label: metric for metric in metrics}


def _explanations(findings: Findings) -> dict[str, str]:
    """Return what each score means: the first sentence of the documentation of its metric."""
    own = {label: inspect.getdoc(type(metric)) or "" for label, metric in _metrics(findings).items()}
    return {**{label: text.partition("\n\n")[0].replace("\n", " ") for label, text in own.items()}, **_EXPLAINED}


def _counted(number: int, noun: str, nouns: str | None = None) -> str:
    return f"{number:,} {noun if number == 1 else nouns or noun + 's'}"
