"""The JSON Schema of a config, made from the attrs classes of its sections and of the installed components."""

from __future__ import annotations

import re
import types
import typing
import warnings
from collections.abc import Mapping
from typing import Any

import attrs

from simplug.kernel.component import BOUNDS_KEY, DOC_KEY, KIND_KEY, MANY_KEY, PRESET_KEY, fields_of
from simplug.kernel.config import NONE, accepts_none, plain_value, section_type
from simplug.kernel.errors import ComponentError
from simplug.kernel.plugins import PluginWarning
from simplug.kernel.registry import registry_of

DIALECT = "https://json-schema.org/draft/2020-12/schema"

_BOUNDS = {"gt": "exclusiveMinimum", "ge": "minimum", "lt": "exclusiveMaximum", "le": "maximum"}
_QUALIFIED = r"^[A-Za-z0-9][A-Za-z0-9._-]*:[a-z][a-z0-9_]*$"
_SCALARS: dict[Any, dict[str, Any]] = {
    bool: {"type": "boolean"},
    int: {"type": "integer"},
    float: {"type": "number"},
    str: {"type": "string"},
    type(None): {"const": NONE},
}


def schema_of(cls: type) -> dict[str, Any]:
    """Return the JSON Schema (draft 2020-12) of a config whose sections are the fields of an attrs class.

    Every kind and every installed component has one place in ``$defs``, so a component that is used in many sections
    is written once. A component that cannot be used is left out with a warning.

    Args:
        cls: The class of the whole config, such as that of a run.
    """
    definitions: dict[str, Any] = {}
    body = _record(cls, definitions)
    return {"$schema": DIALECT, **body, "$defs": dict(sorted(definitions.items()))}


def summary_of(cls: type) -> str:
    """Return the first sentence of a class docstring, on one line."""
    paragraph = (cls.__doc__ or "").strip().partition("\n\n")[0]
    return " ".join(paragraph.split())


def _record(cls: type, definitions: dict[str, Any], name: str | None = None) -> dict[str, Any]:
    """Return the schema of a table: a section, or, with a name, a component."""
    fields = {field.alias or field.name: field for field in fields_of(cls)}
    properties = {key: _property(field, definitions) for key, field in fields.items()}
    required = [key for key, field in fields.items() if field.default is attrs.NOTHING]
    if name is not None:
        properties = {"name": {"const": name}, **properties}
        required = ["name", *required]
    presets = getattr(cls, "presets", None)
    if presets:
        properties[PRESET_KEY] = {"enum": list(presets), "description": "settings that are known to go together"}
    schema = {"title": name or cls.__name__, "description": summary_of(cls), "type": "object", "properties": properties}
    return {**schema, "required": required, "additionalProperties": False}


def _property(field: attrs.Attribute[Any], definitions: dict[str, Any]) -> dict[str, Any]:
    kind = field.metadata.get(KIND_KEY)
    if kind:
        schema = _kind(kind, definitions)
        if field.metadata.get(MANY_KEY):
            schema = {"type": "array", "items": schema}
        elif isinstance(field.default, str):
            schema = _or_settings(schema, kind, field.default, definitions)
        if accepts_none(field.type) or field.default is None:
            schema = {"anyOf": [{"const": NONE}, schema]}
    else:
        schema = _type(field.type, field.metadata.get(BOUNDS_KEY) or {}, definitions)
    # In this draft, annotations may stand beside a reference.
    doc = field.metadata.get(DOC_KEY)
    if doc:
        schema = {**schema, "description": doc}
    if field.default is not attrs.NOTHING and not hasattr(field.default, "factory"):
        schema = {**schema, "default": plain_value(field.default)}
    return schema


def _type(expected: Any, bounds: Mapping[str, Any], definitions: dict[str, Any]) -> dict[str, Any]:
    origin, arguments = typing.get_origin(expected), typing.get_args(expected)
    if origin in (typing.Union, types.UnionType):
        return {"anyOf": [_type(one, bounds, definitions) for one in arguments]}
    if origin is typing.Literal:
        return {"enum": list(arguments)}
    if (origin or expected) in (list, tuple):
        return _array(origin is tuple, arguments, bounds, definitions)
    if (origin or expected) in (dict, Mapping):
        return {"type": "object", "additionalProperties": _type(arguments[1], {}, definitions) if arguments else True}
    section = section_type(expected)
    if section is not None:
        return _record(section, definitions)
    if expected in _SCALARS:
        return {**_SCALARS[expected], **_bounded(expected, bounds)}
    return {}


def _array(
    is_tuple: bool, arguments: tuple[Any, ...], bounds: Mapping[str, Any], definitions: dict[str, Any]
) -> dict[str, Any]:
    if not arguments:
        return {"type": "array"}
    if not is_tuple or arguments[-1] is ...:
        return {"type": "array", "items": _type(arguments[0], bounds, definitions)}
    places = [_type(one, bounds, definitions) for one in arguments]
    return {"type": "array", "prefixItems": places, "items": False, "minItems": len(places)}


def _bounded(expected: Any, bounds: Mapping[str, Any]) -> dict[str, Any]:
    if expected in (int, float):
        return {word: bounds[key] for key, word in _BOUNDS.items() if key in bounds}
    if expected is str and "choices" in bounds:
        return {"enum": list(bounds["choices"])}
    if expected is str and "pattern" in bounds:
        return {"pattern": f"^(?:{bounds['pattern']})$"}
    return {}


def _kind(kind: str, definitions: dict[str, Any]) -> dict[str, Any]:
    """Return a reference to what a field of this kind may hold, and define it where that is not done yet."""
    reference = {"$ref": f"#/$defs/{kind}"}
    if kind in definitions:
        return reference
    # The place is taken before the components are looked at: a component may hold others of its own kind.
    definitions[kind] = {}
    classes = _usable(kind)
    for name, cls in classes.items():
        definitions[f"{kind}.{name}"] = _record(cls, definitions, name)
    alone = [name for name in classes if definitions[f"{kind}.{name}"]["required"] == ["name"]]
    full = {"type": "string", "pattern": _QUALIFIED}
    definitions[kind] = {
        "title": kind,
        "description": registry_of(kind).kind.summary,
        "anyOf": [
            {"title": "a name", "enum": alone},
            *_shorthand(classes),
            *({"$ref": f"#/$defs/{kind}.{name}"} for name in classes),
            # The full name of a component, as of one of two providers: its settings are left to `simplug check`.
            {"title": "distribution:name", **full},
            {"title": "distribution:name", "type": "object", "properties": {"name": full}, "required": ["name"]},
        ],
    }
    return reference


def _or_settings(schema: dict[str, Any], kind: str, default: str, definitions: dict[str, Any]) -> dict[str, Any]:
    """Let a field also take a table without a name, which holds settings of the field's default component."""
    key = f"{kind}.{default}.settings"
    try:
        cls = registry_of(kind).get(default)
    except ComponentError:
        return schema
    if key not in definitions:
        definitions[key] = {}
        definitions[key] = _record(cls, definitions)
    return {"anyOf": [schema, {"$ref": f"#/$defs/{key}"}]}


def _usable(kind: str) -> dict[str, type]:
    registry = registry_of(kind)
    classes: dict[str, type] = {}
    for name in registry.names():
        try:
            classes[name] = registry.get(name)
        except ComponentError as error:
            warnings.warn(f"left out of the schema: {error}", PluginWarning, stacklevel=2)
    return classes


def _shorthand(classes: Mapping[str, type]) -> list[dict[str, Any]]:
    """Return the texts that are short for a component: ``recall@5`` and ``map@r``."""
    texts: list[dict[str, Any]] = []
    for name, cls in classes.items():
        base, at, depth = name.rpartition("_at_")
        if depth == "k" and "k" in {field.name for field in fields_of(cls)}:
            texts.append({"title": f"{base}@k", "type": "string", "pattern": f"^{re.escape(base)}@[0-9]*[1-9][0-9]*$"})
        elif at and depth != "k":
            texts.append({"title": f"{base}@{depth}", "const": f"{base}@{depth}"})
    return texts
