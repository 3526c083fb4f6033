"""The JSON Schema: what it accepts is what a config accepts, as far as JSON Schema can say."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import attrs
import pytest
from jsonschema import Draft202012Validator

from simplug.api import Metric, Reducer, component, components, option
from simplug.experiment.config import RunConfig
from simplug.kernel.component import section
from simplug.kernel.config import plain_fields
from simplug.kernel.plugins import PluginWarning
from simplug.kernel.schema import schema_of, summary_of

EXAMPLES = sorted((Path(__file__).parents[2] / "examples").glob("*.toml"))


@attrs.frozen
class Settings:
    """A section. It has a second sentence.

    And a second paragraph.
    """

    size: int = option(3, ge=1, lt=10, doc="how large")


@attrs.frozen
class Config:
    """A config."""

    reducer: Reducer = component("reducer", doc="the reducer")
    spare: Reducer | None = component("reducer", default=None, doc="another, or none")
    metrics: tuple[Metric, ...] = components("metric", default=("recall@1",), doc="what is measured")
    settings: Settings = section(Settings, doc="its settings")


@pytest.fixture
def valid(reducers):
    schema = schema_of(Config)
    Draft202012Validator.check_schema(schema)
    validator = Draft202012Validator(schema)
    return lambda config: validator.is_valid(config)


def test_a_property_has_type_bounds_default_and_sentence(reducers):
    definitions = schema_of(Config)["$defs"]
    properties = definitions["reducer.everything"]["properties"]
    assert properties["name"] == {"const": "everything"}
    assert properties["flag"] == {"type": "boolean", "description": "a flag", "default": True}
    assert properties["count"] == {
        "type": "integer",
        "minimum": 1,
        "maximum": 100,
        "description": "a count",
        "default": 3,
    }
    assert properties["slug"]["pattern"] == "^(?:[a-z]+)$"
    assert properties["mode"]["enum"] == ["fast", "slow"]
    assert properties["level"]["enum"] == ["low", "high"]
    assert properties["limit"] == {
        "anyOf": [{"type": "integer", "minimum": 0}, {"const": "none"}],
        "description": "a count or none",
        "default": "none",
    }
    assert properties["shape"]["prefixItems"] == [{"type": "integer", "minimum": 1}] * 2
    assert properties["table"] == {"type": "object", "additionalProperties": {"type": "number"}}
    assert properties["inner"] == {
        "anyOf": [{"$ref": "#/$defs/reducer"}, {"$ref": "#/$defs/reducer.halve.settings"}],
        "description": "a nested one",
        "default": "halve",
    }
    assert definitions["reducer.needy"]["required"] == ["name", "amount"]
    assert definitions["reducer.halve"]["properties"]["factor"]["exclusiveMinimum"] == 0
    assert definitions["reducer.halve"]["description"] == "Half of the sum."


def test_a_component_is_defined_once_however_often_it_is_used(reducers):
    schema = schema_of(Config)
    assert str(schema).count("'title': 'everything'") == 1


@pytest.mark.parametrize(
    "config",
    [
        {"reducer": "halve"},
        {"reducer": {"name": "halve", "factor": 0.5}, "spare": "none"},
        {"reducer": {"name": "needy", "amount": 3}, "spare": "halve"},
        {"reducer": "halve", "metrics": ["recall@5", "map@r", {"name": "recall_at_k", "k": 2}, "mrr"]},
        {"reducer": "halve", "settings": {"size": 9}},
        {"reducer": {"name": "everything", "inner": {"name": "everything"}, "several": ["halve"], "limit": "none"}},
        {"reducer": {"name": "everything", "inner": {"factor": 0.25}}},
        {"reducer": "acme:halve"},
        {"reducer": {"name": "acme:halve", "factor": 7}},
    ],
)
def test_a_sound_config_is_valid(valid, config):
    assert valid(config)


@pytest.mark.parametrize(
    "config",
    [
        {},
        {"reducer": "nosuch"},
        {"reducer": "needy"},
        {"reducer": "nothing"},
        {"reducer": {"name": "halve", "factor": 2}},
        {"reducer": {"name": "halve", "factr": 0.5}},
        {"reducer": {"name": "halve", "factor": "0.5"}},
        {"reducer": {"factor": 0.5}},
        {"reducer": {"name": "everything", "inner": {"factr": 0.25}}},
        {"reducer": {"name": "everything", "other": {"factor": 0.25}}},
        {"reducer": "halve", "metrics": "recall@5"},
        {"reducer": "halve", "metrics": ["recall@0"]},
        {"reducer": "halve", "metrics": ["mrr@5"]},
        {"reducer": "halve", "settings": {"size": 10}},
        {"reducer": "halve", "settings": {"size": True}},
        {"reducer": "halve", "extra": 1},
        {"reducer": {"name": "everything", "shape": [1, 2, 3]}},
        {"reducer": {"name": "everything", "shape": [1]}},
        {"reducer": {"name": "everything", "mode": "fsat"}},
        {"reducer": {"name": "everything", "slug": "ABC"}},
        {"reducer": {"name": "everything", "table": {"a": "x"}}},
    ],
)
def test_a_wrong_config_is_not_valid(valid, config):
    assert not valid(config)


def test_a_component_that_cannot_be_used_is_left_out_with_a_warning(site, reducers):
    site.install("acme-bad", {"simplug.reducers": {"bad": "acme_bad:Bad"}}, {"acme_bad": "1 / 0"})
    with pytest.warns(PluginWarning, match=r"^left out of the schema: reducer 'bad' from acme-bad 1\.0 could not be"):
        schema = schema_of(Config)
    assert "reducer.bad" not in schema["$defs"]


@pytest.fixture(scope="module")
def run_schema() -> dict[str, Any]:
    return schema_of(RunConfig)


def test_the_schema_of_a_run_is_a_schema(run_schema):
    Draft202012Validator.check_schema(run_schema)
    assert run_schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert run_schema["title"] == "RunConfig"


@pytest.mark.parametrize("file", EXAMPLES, ids=lambda file: file.name)
def test_the_examples_are_valid(run_schema, file):
    errors = list(Draft202012Validator(run_schema).iter_errors(tomllib.loads(file.read_text(encoding="utf-8"))))
    assert errors == []


def test_a_resolved_config_is_valid(run_schema):
    config = plain_fields(RunConfig(dataset="digits"))
    assert list(Draft202012Validator(run_schema).iter_errors(config)) == []


def test_a_summary_is_the_first_paragraph_on_one_line():
    assert summary_of(Settings) == "A section. It has a second sentence."
