"""Config files: TOML to plain values that remember where they came from, and back."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import attrs

from simplug.kernel.errors import ConfigError, Problem, SimplugError
from simplug.kernel.plugins import plugins

_MARK = "simplug-looks-for-this-line"


@attrs.define
class Document:
    """A config as plain values, with the origin of each.

    Attributes:
        values: The tables and values; overrides and plugins may have edited them.
        source: The file, or None when the values came from Python.
        text: The text of that file.
        overrides: The ``--set`` option that gave each overridden dotted path.
    """

    values: dict[str, Any]
    source: Path | None = None
    text: str = ""
    overrides: dict[str, str] = attrs.field(factory=dict)

    def origin(self, path: str) -> str:
        """Return ``file:line`` of a dotted path, the ``--set`` option it came from, or an empty string.

        A path that is not in the file has the line of the nearest table around it.
        """
        for prefix in _prefixes(path):
            if prefix in self.overrides:
                return self.overrides[prefix]
        if self.source is None:
            return ""
        for prefix in _prefixes(path):
            line = _line(self.text, _steps(prefix))
            if line is not None:
                return f"{self.source}:{line}"
        return str(self.source)


def load(path: str | os.PathLike[str], overrides: Iterable[str] = ()) -> Document:
    """Read a TOML file, apply ``--set`` overrides, and let plugins look at the result.

    Args:
        path: The file.
        overrides: ``dotted.path=value`` texts; the value is TOML, and a bare word is a text.

    Raises:
        ConfigError: The file is no TOML; the message has its line and column.
        SimplugError: The file cannot be read, or an override is malformed.
    """
    source = Path(path)
    try:
        text = source.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise SimplugError(f"config {source}: there is no such file") from None
    except (OSError, UnicodeDecodeError) as cause:
        raise SimplugError(f"config {source} cannot be read: {cause}") from cause
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as cause:
        line = re.search(r"line (\d+)", str(cause))
        origin = f"{source}:{line[1]}" if line else f"{source}:{text.count(chr(10)) + 1}"
        raise ConfigError([Problem("", f"not TOML: {cause}", origin)]) from None
    document = Document(values, source, text)
    for override in overrides:
        _override(document, override)
    plugins.hook.simplug_config_loaded(config=document.values, source=source)
    return document


def dumps(values: Mapping[str, Any]) -> str:
    """Write plain values as TOML."""
    import tomlkit

    return tomlkit.dumps(values)


_STEP = r"[^.\[\]=]+"
_PATH = re.compile(rf"{_STEP}(\[\d+\])*(\.{_STEP}(\[\d+\])*)*")


def _override(document: Document, override: str) -> None:
    path, equals, text = override.partition("=")
    path, text = path.strip(), text.strip()
    if not equals or not _PATH.fullmatch(path):
        raise SimplugError(f"--set {override}: write it as --set section.setting=value")
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        value = text
    *parents, last = _steps(path)
    holder: Any = document.values
    for i, step in enumerate(parents):
        where = _path(parents[:i])
        _require_holder(holder, step, where, override)
        inner = holder.setdefault(step, {}) if isinstance(holder, dict) else holder[step]
        if isinstance(inner, str):
            # A component written as a bare name becomes a table when one of its settings is overridden.
            inner = holder[step] = {"name": inner}
        holder = inner
    _require_holder(holder, last, _path(parents), override)
    holder[last] = value
    document.overrides[path] = f"--set {override}"


def _require_holder(holder: Any, step: str | int, where: str, override: str) -> None:
    """Refuse an override whose next step is an element of no list, or a key of no table."""
    expected, called = (list, "a list") if isinstance(step, int) else (dict, "a table")
    if not isinstance(holder, expected):
        raise SimplugError(f"--set {override}: {where} is {holder!r}, not {called}")
    if isinstance(step, int) and step >= len(holder):
        raise SimplugError(f"--set {override}: {where} has no element {step}")


def _path(steps: Iterable[str | int]) -> str:
    """The opposite of :func:`_steps`."""
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in steps).removeprefix(".")


def _prefixes(path: str) -> list[str]:
    """``a.b[1].c`` to itself and each shorter path that holds it, the longest first."""
    ends = [match.start() for match in re.finditer(r"[.\[]", path)]
    return [path, *(path[:end] for end in reversed(ends))]


def _steps(path: str) -> list[str | int]:
    return [int(step[1:-1]) if step.startswith("[") else step for step in re.findall(r"\[\d+\]|[^.\[\]]+", path)]


def _line(text: str, steps: list[str | int]) -> int | None:
    """Return the line of the value at `steps`, or None where the text has none.

    tomlkit keeps the layout of what it parsed but not the positions. So the value is replaced by a mark (a table's
    header gets it as a comment), the document is written again, and the line of the mark is the line of the value.
    """
    import tomlkit
    from tomlkit.items import AoT, Table

    document: Any = tomlkit.parse(text)
    holder: Any = document
    try:
        for step in steps[:-1]:
            holder = holder[step]
        item = holder[steps[-1]]
    except (KeyError, IndexError, TypeError):
        return None
    if isinstance(item, AoT):
        item = item[0]
    if isinstance(item, Table) and not item.is_super_table():
        item.comment(_MARK)
    elif isinstance(item, Table) or (isinstance(item, Mapping) and not hasattr(item, "trivia")):
        inner = next(iter(item), None)
        return None if inner is None else _line(text, [*steps, inner])
    else:
        holder[steps[-1]] = _MARK
    before, mark, _ = tomlkit.dumps(document).partition(_MARK)
    return before.count("\n") + 1 if mark else None
