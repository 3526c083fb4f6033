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
    return " · ".join(
        [
            f"{name_in(config, 'loss')} on {name_in(config, 'dataset')}",
            name_in(config, "backbone"),
            f"{dimension} dimensions",
            _epochs(findings),
            f"seed {config.get('train', {}).get('seed', 0)}",
        ]
    )


def parts(findings: Findings) -> Html:
    """Return what was trained, and how, in a few lines; what the config does not name is left out."""
    config = findings.config
    loss, train, index = (config.get(section, {}) for section in ("loss", "train", "index"))
    steps = f" of {train['steps_per_epoch']} steps" if "steps_per_epoch" in train else ""
    told = {
        "data set": f"{name_in(config, 'dataset')}, {len(findings.selection.training):,} examples trained on",
        "backbone": f"{name_in(config, 'backbone')}, {findings.evaluation.embeddings.shape[1]} dimensions",
        "loss": name_in(config, "loss"),
        "distance": name_in(loss, "distance"),
        "miner": name_in(loss, "miner"),
        "sampler": name_in(config, "sampler"),
        "augmenter": name_in(config, "augmenter"),
        "optimizer": name_in(train, "optimizer"),
        "learning rate": str(train.get("optimizer", {}).get("learning_rate", "")),
        "training": f"{_epochs(findings)}{steps}",
        "search": name_in(index, "search"),
        "store": name_in(index, "store"),
    }
    rows = [join([element("dt", name), element("dd", words)]) for name, words in told.items() if words]
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


def name_in(table: Mapping[str, Any], part: str) -> str:
    """Return the name of a component of a config, or of a component within another; nothing where there is none."""
    value = table.get(part, "")
    return str(value.get("name", "")) if isinstance(value, Mapping) else str(value)


def ending(findings: Findings) -> str:
    """Return a sentence on how the training ended, if it could have ended early; else nothing."""
    train = findings.config.get("train", {})
    early = train.get("early_stopping")
    if not isinstance(early, Mapping):
        return ""
    count, wanted = len(findings.history), train["epochs"]
    how = f"It stopped early, after {count} of {wanted} epochs" if count < wanted else f"It ran for all {count} epochs"
    kept = next((int(row["epoch"]) for row in findings.history if row.get("kept")), None)
    return f"{how}, by {early['metric']}" + (f"; the weights of epoch {kept} are kept." if kept else ".")


def _epochs(findings: Findings) -> str:
    count = len(findings.history)
    return f"{count} epoch{'' if count == 1 else 's'}"
