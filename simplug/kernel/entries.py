"""What installed distributions declare, read from their metadata; nothing of theirs is imported here."""

from __future__ import annotations

import functools
import os
import re
from collections import defaultdict
from collections.abc import Mapping
from typing import Any

import attrs

from simplug.kernel.errors import (
    BrokenComponentError,
    IncompatibleComponentError,
    SimplugError,
    did_you_mean,
)
from simplug.kernel.kinds import HOOK_GROUP, KINDS, Kind

BLOCK_VARIABLE = "SIMPLUG_BLOCK"
NAME_PATTERN = re.compile(r"[a-z][a-z0-9_]*")
RUNTIME = "<runtime>"


@attrs.frozen
class Entry:
    """One component by name: all that is known of it without importing it.

    Attributes:
        group: The entry-point group.
        name: The name that configs use.
        target: ``module:attribute`` of the class.
        distribution: The distribution that provides it, or ``<runtime>``.
        version: The version of that distribution; empty for a runtime registration.
        requires: The requirement strings of that distribution.
    """

    group: str
    name: str
    target: str
    distribution: str
    version: str = ""
    requires: tuple[str, ...] = attrs.field(default=(), repr=False)
    _loaded: Any = attrs.field(default=None, repr=False, eq=False, alias="loaded")

    @property
    def provider(self) -> str:
        """The distribution and its version, as one string."""
        return f"{self.distribution} {self.version}".strip()

    @property
    def qualified(self) -> str:
        """``dist:name``, which selects this entry even when another distribution has the same name."""
        return f"{self.distribution}:{self.name}"

    def load(self) -> Any:
        """Import what the entry points to; errors are those of the import, unwrapped."""
        if self._loaded is not None:
            return self._loaded
        from importlib_metadata import EntryPoint

        return EntryPoint(name=self.name, value=self.target, group=self.group).load()

    def load_component(self, kind: Kind) -> Any:
        """Import the component, after its distribution's requirement on simplug was checked.

        Raises:
            IncompatibleComponentError: The distribution needs another version of simplug; it was not imported.
            BrokenComponentError: The import failed, or the module has no such attribute.
        """
        unmet = unmet_requirement(self.requires)
        if unmet is not None:
            raise IncompatibleComponentError(kind, self.name, self.provider, unmet, own_version())
        try:
            return self.load()
        except Exception as cause:
            raise BrokenComponentError(kind, self.name, self.target, self.provider, cause) from cause


@attrs.frozen
class Scan:
    """All entry points of simplug's groups, split by whether their distribution is blocked."""

    open: Mapping[str, tuple[Entry, ...]]
    blocked: Mapping[str, tuple[Entry, ...]]


def check_name(name: object) -> None:
    """Refuse what is no name for a component.

    Raises:
        SimplugError: The name is not lower-case letters, digits and underscores after a letter.
    """
    if not isinstance(name, str) or not NAME_PATTERN.fullmatch(name):
        raise SimplugError(
            f"{name!r} is no name for a component; write lower-case letters, digits and _, from a letter"
        )


def canonical(distribution: str) -> str:
    """Return the normalised name of a distribution, as package indexes compare them."""
    return re.sub(r"[-_.]+", "-", distribution).lower()


@functools.cache
def scan() -> Scan:
    """Read the metadata of every installed distribution, once per process.

    Raises:
        SimplugError: ``SIMPLUG_BLOCK`` names a distribution that provides nothing to simplug.
    """
    import importlib_metadata

    groups = {kind.group for kind in KINDS.values()} | {HOOK_GROUP}
    provided: dict[str, list[Entry]] = defaultdict(list)
    about: dict[int, tuple[str, str, tuple[str, ...]]] = {}
    for point in importlib_metadata.entry_points():
        if point.group not in groups or point.dist is None:
            continue
        # Name, version and requirements are parsed from a file at every access: read them once a distribution.
        if id(point.dist) not in about:
            about[id(point.dist)] = (point.dist.name, point.dist.version, tuple(point.dist.requires or ()))
        name, version, requires = about[id(point.dist)]
        provided[point.group].append(Entry(point.group, point.name, point.value, name, version, requires))

    known = {canonical(entry.distribution) for entries in provided.values() for entry in entries}
    blocked = blocked_distributions()
    for name in sorted(blocked - known):
        raise SimplugError(
            f"{BLOCK_VARIABLE} names '{name}', and no installed distribution of that name provides plugins"
            f"{did_you_mean(name, known)}\ndistributions with plugins: {', '.join(sorted(known)) or 'none'}"
        )
    return Scan(open=_part(provided, blocked, False), blocked=_part(provided, blocked, True))


def _part(provided: Mapping[str, list[Entry]], blocked: set[str], wanted: bool) -> dict[str, tuple[Entry, ...]]:
    return {
        group: tuple(entry for entry in entries if (canonical(entry.distribution) in blocked) == wanted)
        for group, entries in provided.items()
    }


def blocked_distributions() -> set[str]:
    """Return the distributions that ``SIMPLUG_BLOCK`` switches off, with normalised names."""
    return {canonical(part.strip()) for part in os.environ.get(BLOCK_VARIABLE, "").split(",") if part.strip()}


@functools.cache
def own_version() -> str:
    """Return the version of the installed distribution `simplug`."""
    import importlib_metadata

    return importlib_metadata.version("simplug")


@functools.cache
def unmet_requirement(requires: tuple[str, ...]) -> str | None:
    """Return the requirement on simplug that this version does not meet, or None.

    Only the requirement on simplug itself is judged: it stands for the version of the plugin contract. Others are
    the installer's business, and have substitutes that metadata does not know (tensorflow-cpu for tensorflow).
    """
    candidates = [text for text in requires if canonical(text).startswith("simplug")]
    if not candidates:
        return None
    # Parsing requirements is worth its import only where there is one to judge: our own components have none.
    from packaging.requirements import InvalidRequirement, Requirement

    for text in candidates:
        try:
            requirement = Requirement(text)
        except InvalidRequirement:
            continue
        if canonical(requirement.name) != "simplug" or (requirement.marker and not requirement.marker.evaluate()):
            continue
        if not requirement.specifier.contains(own_version(), prereleases=True):
            return f"simplug{requirement.specifier}"
    return None
