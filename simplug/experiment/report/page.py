"""The page as a whole: its sections in their order, in one file with its style sheet and its program."""

from __future__ import annotations

import re
from collections.abc import Sequence
from importlib.resources import files
from string import Template

from simplug.experiment.report import about, confusion, curves, scores
from simplug.experiment.report.findings import Findings
from simplug.experiment.report.galleries import galleries
from simplug.experiment.report.html import Html, element, join, text
from simplug.experiment.report.projection import projections
from simplug.kernel.plugins import plugins


def write_report(findings: Findings, *, title: str) -> str:
    """Return the report as an HTML page that needs no other file and no network.

    Args:
        findings: What was found.
        title: The heading: the name of the run.
    """
    sections = [
        ("Scores", join([scores.headlines(findings), scores.groups_table(findings)])),
        ("Training", curves.training(findings)),
        ("Threshold", curves.threshold(findings)),
        ("Pairs", curves.pairs(findings)),
        ("Confusion", confusion.matrix(findings)),
        ("Classes", confusion.classes(findings)),
        ("Neighbours", galleries(findings)),
        ("Projection", projections(findings)),
        *_of_plugins(findings),
        ("Config", about.config(findings)),
    ]
    lines = [line for offer in plugins.hook.simplug_report_header() for line in offer]
    footer = about.versions(findings, lines)
    return fill(title=title, subtitle=about.subtitle(findings), sections=sections, footer=footer)


def fill(*, title: str, subtitle: str, sections: Sequence[tuple[str, Html]], footer: Html) -> str:
    """Return a page with a heading, sections by their names, and a footer."""
    anchors = _anchors([name for name, _ in sections])
    named = list(zip(anchors, sections, strict=True))
    return Template(_read("page.html")).substitute(
        title=text(title),
        subtitle=text(subtitle),
        style=_read("page.css"),
        navigation=join(element("a", name, href=f"#{anchor}") for anchor, (name, _) in named),
        sections=join((_section(anchor, name, content) for anchor, (name, content) in named), "\n"),
        footer=footer,
        program=_read("page.js"),
    )


def _section(anchor: str, name: str, content: Html) -> Html:
    heading = element("h2", name)
    return Html(f'<section id="{anchor}">{heading}\n{content}</section>')


def _anchors(names: Sequence[str]) -> list[str]:
    """Return an id for each section: its name, with a number where two would have the same."""
    found: list[str] = []
    for name in names:
        anchor = re.sub(r"\W+", "-", name.lower()).strip("-") or "section"
        found.append(f"{anchor}-{len(found)}" if anchor in found else anchor)
    return found


def _of_plugins(findings: Findings) -> list[tuple[str, Html]]:
    run = {
        "config": findings.config,
        "groups": findings.evaluation.groups,
        "cut_points": findings.calibration.cut_points,
        "history": findings.history,
        "index": findings.index,
    }
    offers = plugins.hook.simplug_report_sections(run=run)
    return [(name, Html(content)) for offer in offers for name, content in offer]


def _read(name: str) -> str:
    return (files("simplug.experiment.report") / name).read_text(encoding="utf-8")
