"""What a model is asked to put behind its encoder for a loss between views: the loss's own network, with changes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs

from simplug.api import InvalidInputError, Loss, Predictor, Projector, ViewNetwork
from simplug.kernel.component import section
from simplug.kernel.config import Report, plain_fields, structure
from simplug.kernel.errors import ConfigError, Problem

AUTO = "auto"
"""As the loss has it."""

NONE = "none"
"""A projector that is left out."""

MlpOption = str | Mapping[str, Any]


@attrs.frozen
class _Options:
    """The options that are tables; their mistakes are told by these names."""

    projector: Projector = section(Projector, doc="the layers behind the encoder")
    predictor: Predictor = section(Predictor, doc="the layers behind the projector")


def view_network(
    loss: Loss | None, *, projector: MlpOption = AUTO, predictor: MlpOption = AUTO, momentum: float | str = AUTO
) -> ViewNetwork | None:
    """Return the network of a loss, changed as asked for; None for a loss that does not compare views.

    Args:
        loss: The loss; None for one of Keras's.
        projector: ``"auto"``, ``"none"``, or settings of :class:`simplug.api.Projector` that replace the loss's own.
        predictor: ``"auto"``, or settings of :class:`simplug.api.Predictor` that replace the loss's own.
        momentum: ``"auto"``, or the share of itself that the copy keeps at each step, from 0 to below 1.

    Raises:
        ConfigError: The settings have mistakes.
        InvalidInputError: Something was asked for that the loss has no use for.
    """
    asked = {"projector": projector, "predictor": predictor, "momentum": momentum}
    asked = {name: value for name, value in asked.items() if value != AUTO}
    if loss is None or loss.compares != "views":
        if asked:
            what = "this is a loss of Keras" if loss is None else f"{type(loss).__name__} compares {loss.compares}"
            raise InvalidInputError(f"{', '.join(asked)}: for losses that compare two views, and {what}; leave it out")
        return None
    own = loss.view_network
    if "projector" in asked:
        own = attrs.evolve(own, projector=_projector(own, projector))
    if "predictor" in asked:
        own = attrs.evolve(own, predictor=_predictor(own, predictor, type(loss).__name__))
    if "momentum" in asked:
        own = attrs.evolve(own, momentum=_momentum(own, momentum, type(loss).__name__))
    return own


def view_options(network: ViewNetwork) -> dict[str, Any]:
    """Return the options for which :func:`view_network` returns this network, as plain values."""
    options: dict[str, Any] = {"projector": NONE if network.projector is None else plain_fields(network.projector)}
    if network.predictor is not None:
        options["predictor"] = plain_fields(network.predictor)
    if network.momentum is not None:
        options["momentum"] = network.momentum
    return options


def _projector(own: ViewNetwork, asked: MlpOption) -> Projector | None:
    if asked == NONE:
        return None
    changed: Projector = _changed(own.projector or Projector(), asked, "projector", f"'{AUTO}', '{NONE}'")
    return changed


def _predictor(own: ViewNetwork, asked: MlpOption, loss: str) -> Predictor:
    if own.predictor is None:
        raise InvalidInputError(f"predictor: {loss} predicts no view from the other; leave it out")
    changed: Predictor = _changed(own.predictor, asked, "predictor", f"'{AUTO}'")
    return changed


def _changed(own: Any, asked: MlpOption, name: str, words: str) -> Any:
    if not isinstance(asked, Mapping):
        raise ConfigError([Problem(name, f"is {words} or a table of settings, not {asked!r}")])
    report = Report()
    made = structure(_Options, {name: {**plain_fields(own), **asked}}, report)
    report.finish()
    return getattr(made, name)


def _momentum(own: ViewNetwork, asked: Any, loss: str) -> float:
    if own.momentum is None:
        raise InvalidInputError(
            f"momentum: {loss} compares the views as one network shows them; leave it out, or take a loss that is "
            "shown a slowly moving copy: byol, or self_supervised with symmetric = false"
        )
    if isinstance(asked, bool) or not isinstance(asked, int | float) or not 0 <= asked < 1:
        raise ConfigError([Problem("momentum", f"is '{AUTO}' or a number from 0 to below 1, not {asked!r}")])
    return float(asked)
