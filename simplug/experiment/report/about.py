"""What a run was made of: its parts in short, its config and the versions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from simplug.experiment.report.findings import Findings
from simplug.experiment.report.html import Html, element, join
from simplug.kernel.toml import dumps


def subtitle(findings: Findings) -> str:
    """Return one line: what was trained on what."""
    config = findings.config
    dimension = findings.evaluation.embeddings.shape[1]
    epochs = len(findings.history)
    return " · ".join(
        [
            f"{name_in(config, 'loss')} on {name_in(config, 'dataset')}",
            name_in(config, "backbone"),
            f"{dimension} dimensions",
            f"{epochs} epoch{'' if epochs == 1 else 's'}",
            f"seed {config.get('train', {}).get('seed', 0)}",
        ]
    )


def config(findings: Findings) -> Html:
    """Return the resolved config, from which the run can be repeated."""
    toml = dumps({name: value for name, value in findings.config.items() if name != "made_with"})
    summary = element("summary", "The whole config, with every default")
    return element("details", summary, element("pre", element("code", toml)))


def versions(findings: Findings, lines: Sequence[str]) -> Html:
    """Return the versions that the run was made with, and lines of plugins."""
    told = findings.config.get("made_with", {}).get("versions", {})
    words = [f"{name} {version}" for name, version in told.items()]
    return join([element("p", " · ".join(words)), *(element("p", line) for line in lines)])


def name_in(config: Mapping[str, Any], section: str) -> str:
    """Return the name of the component of a section."""
    part = config.get(section, "?")
    return str(part.get("name", "?")) if isinstance(part, Mapping) else str(part)
