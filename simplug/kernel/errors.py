"""The errors and warnings that users meet. Each says who, where, what was given and what would be right."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence

import attrs

from simplug.kernel.kinds import Kind


class SimplugError(Exception):
    """The base of every error that simplug raises on purpose; its text is meant for the user."""


class SimplugWarning(UserWarning):
    """The base of every warning that simplug gives on purpose; its text is meant for the user."""


class InvalidInputError(SimplugError, ValueError):
    """An argument is unusable; nothing was done with it."""


class ArtifactError(SimplugError):
    """A saved file or folder is missing, damaged, unfinished or of a newer format."""


class DataError(SimplugError):
    """The user's data cannot be used: unreadable, of the wrong length, too few, empty."""


class PluginError(SimplugError):
    """A plugin object or plugin file could not be used."""


def nearest(name: str, names: Iterable[str]) -> str | None:
    """Return the name most like `name`, or None when none is near enough to suggest."""
    found = difflib.get_close_matches(name, list(names), n=1, cutoff=0.6)
    return found[0] if found else None


def did_you_mean(name: str, names: Iterable[str]) -> str:
    """Return ``"; did you mean 'x'?"``, or an empty string when nothing is near."""
    found = nearest(name, names)
    return f"; did you mean '{found}'?" if found else ""


class ComponentError(SimplugError):
    """A component could not be found or used.

    Attributes:
        kind: The kind that was asked.
        name: The name that was asked for.
    """

    def __init__(self, kind: Kind, name: str, text: str) -> None:
        super().__init__(text)
        self.kind = kind
        self.name = name


class UnknownComponentError(ComponentError):
    """No installed distribution, script or hook provides this name."""

    def __init__(self, kind: Kind, name: str, installed: Sequence[str]) -> None:
        listing = ", ".join(installed) if installed else "none"
        hint = did_you_mean(name, installed)
        super().__init__(
            kind,
            name,
            f"no {kind.name} named '{name}' is installed{hint}\ninstalled {kind.plural}: {listing}",
        )
        self.installed = tuple(installed)


class AmbiguousComponentError(ComponentError):
    """Several distributions provide one name."""

    def __init__(self, kind: Kind, name: str, candidates: Sequence[tuple[str, str]]) -> None:
        width = max(len(qualified) for qualified, _ in candidates)
        rows = "\n".join(f"  {qualified:<{width}}  {target}" for qualified, target in candidates)
        super().__init__(
            kind,
            name,
            f"{len(candidates)} providers have a {kind.name} named '{name}':\n{rows}\n"
            "write the full name, or set SIMPLUG_BLOCK to the distribution you do not want",
        )


class BrokenComponentError(ComponentError):
    """The code of a component could not be imported; the cause is chained."""

    def __init__(self, kind: Kind, name: str, target: str, provider: str, cause: BaseException) -> None:
        super().__init__(
            kind,
            name,
            f"{kind.name} '{name}' from {provider} could not be imported\n"
            f"  target: {target}\n  cause:  {type(cause).__name__}: {cause}",
        )


class IncompatibleComponentError(ComponentError):
    """The distribution of a component asks for another version of simplug; nothing of it was imported."""

    def __init__(self, kind: Kind, name: str, provider: str, requirement: str, version: str) -> None:
        super().__init__(
            kind,
            name,
            f"{kind.name} '{name}' comes from {provider}, which needs {requirement}; this is simplug {version}",
        )


class BlockedComponentError(ComponentError):
    """The name exists, in a distribution that SIMPLUG_BLOCK switches off."""

    def __init__(self, kind: Kind, name: str, distribution: str) -> None:
        super().__init__(
            kind,
            name,
            f"{kind.name} '{name}' is blocked: SIMPLUG_BLOCK switches its distribution '{distribution}' off",
        )


class NotAComponentError(ComponentError):
    """What the name points to is no component of this kind."""

    def __init__(self, kind: Kind, name: str, target: str, provider: str, reason: str) -> None:
        super().__init__(
            kind,
            name,
            f"{kind.name} '{name}' from {provider} is not a {kind.name} component\n"
            f"  target: {target}\n  reason: {reason}",
        )


@attrs.frozen
class Problem:
    """One mistake in a config.

    Attributes:
        path: Dotted path of the value, such as ``loss.distance.normalize``.
        message: What is wrong, and what would be right.
        origin: File and line, or the ``--set`` option, that the value came from; empty if it came from Python.
        cause: The error behind the mistake, where a component could not be found or used.
    """

    path: str
    message: str
    origin: str = ""
    cause: Exception | None = attrs.field(default=None, eq=False, repr=False)

    def __str__(self) -> str:
        return ": ".join(part for part in (self.origin, self.path, self.message) if part)


class ConfigError(SimplugError):
    """A config has mistakes; all of them are listed, and nothing was built.

    Attributes:
        problems: Every mistake that was found.
    """

    def __init__(self, problems: Sequence[Problem]) -> None:
        count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
        super().__init__(f"{count} in the config:\n" + "\n".join(f"  {_indented(problem)}" for problem in problems))
        self.problems = tuple(problems)


def _indented(problem: Problem) -> str:
    return str(problem).replace("\n", "\n    ")
