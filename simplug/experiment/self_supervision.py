"""What a config says about training with two views of each example."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs
import numpy as np

from simplug.api import Loss, Split
from simplug.kernel.errors import ConfigError, Problem
from simplug.kernel.registry import registry_of

if TYPE_CHECKING:
    from simplug.experiment.config import RunConfig, SelfSupervisedSection

_MAKERS = "simclr, barlow_twins, or image_basic with view_count = 2"
"""Augmenters that make two views."""


def problems_of(config: RunConfig) -> list[Problem]:
    """Return what in a config does not go with its loss, as far as it can be told without the data."""
    section, loss = config.self_supervised, config.loss
    name = _name(loss)
    if loss.compares != "views":
        mistake = f"is for losses that compare two views, and {name} compares {loss.compares}; leave it out"
        return [] if section is None else [Problem("self_supervised", mistake)]
    problems = []
    if config.augmenter is None:
        mistake = f"is missing: {name} compares two views of each example; name one that makes two, such as {_MAKERS}"
        problems.append(Problem("augmenter", mistake))
    if section is None:
        return problems
    network = loss.view_network
    if network.predictor is None and _said(section.predictor):
        mistake = f"is for losses that predict one view from the other, and {name} does not; leave it out"
        problems.append(Problem("self_supervised.predictor", mistake))
    if network.momentum is None and section.momentum is not None:
        mistake = (
            f"is for losses that are shown a slowly moving copy, byol or self_supervised with symmetric = false, and "
            f"{name} is not; leave it out"
        )
        problems.append(Problem("self_supervised.momentum", mistake))
    return problems


def check_views(config: RunConfig, training: Split) -> None:
    """Make the views of one example, and see that there are two.

    Raises:
        ConfigError: The augmenter makes more views or fewer.
    """
    views = config.augmenter.views(training.read(np.arange(1)), np.random.default_rng(0))  # type: ignore[union-attr, arg-type]
    if len(views) != 2:
        count = "1 view" if len(views) == 1 else f"{len(views)} views"
        mistake = (
            f"makes {count} of each example, and {_name(config.loss)} compares two; take one that makes two, such as "
            f"{_MAKERS}"
        )
        raise ConfigError([Problem("augmenter", mistake)])


def view_options(section: SelfSupervisedSection | None) -> dict[str, Any]:
    """Return the options of ``SimilarityModel.compile`` that a section asks for; what it does not say is left out."""
    if section is None:
        return {}
    projector = "none" if section.projector is None else _said(section.projector)
    options = {"projector": projector, "predictor": _said(section.predictor), "momentum": section.momentum}
    return {name: value for name, value in options.items() if value not in ({}, None)}


def _said(record: Any) -> dict[str, Any]:
    """Return the settings of a record that are not none."""
    return attrs.asdict(record, filter=lambda _, value: value is not None)


def _name(loss: Loss) -> str:
    return str(registry_of("loss").name_of(type(loss)))
