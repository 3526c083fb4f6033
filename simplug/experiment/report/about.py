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


def parts(findings: Findings) -> Html:
    """Return what was trained, and how, in a few lines."""
    config = findings.config
    train = config.get("train", {})
    optimizer = train.get("optimizer", {})
    loss = config.get("loss", {})
    told = {
        "data set": f"{name_in(config, 'dataset')}, {len(findings.selection.training):,} examples trained on",
        "loss": _with(name_in(config, "loss"), [name_in(loss, "distance"), "distance"]),
        "miner": name_in(loss, "miner"),
        "sampler": name_in(config, "sampler"),
        "augmenter": name_in(config, "augmenter"),
        "backbone": f"{name_in(config, 'backbone')}, {findings.evaluation.embeddings.shape[1]} dimensions",
        "optimizer": _with(name_in(train, "optimizer"), ["learning rate", f"{optimizer.get('learning_rate', '?')}"]),
        "training": f"{len(findings.history)} epochs of {train.get('steps_per_epoch', '?')} steps",
        "search": _with(name_in(config.get("index", {}), "search"), ["in", name_in(config.get("index", {}), "store")]),
    }
    rows = [join([element("dt", name), element("dd", words)]) for name, words in told.items() if "?" not in words]
    return element("dl", *rows, class_="facts")


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


def _with(words: str, more: Sequence[str]) -> str:
    return f"{words}, {' '.join(more)}"


def name_in(config: Mapping[str, Any], section: str) -> str:
    """Return the name of the component of a section."""
    part = config.get(section, "?") if isinstance(config, Mapping) else "?"
    return str(part.get("name", "?")) if isinstance(part, Mapping) else str(part)
