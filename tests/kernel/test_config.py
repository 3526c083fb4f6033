"""Configs: strict types, every mistake at once, and the way there and back."""

from __future__ import annotations

import json
import tomllib
from typing import Any

import attrs
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import simplug
from simplug.api import Reducer, component, option
from simplug.kernel import toml
from simplug.kernel.config import Report, build, label_of, shorthand, structure, to_config
from simplug.kernel.errors import ConfigError, SimplugError, UnknownComponentError


def problems(kind: str, config: Any, **options: Any) -> list[str]:
    with pytest.raises(ConfigError) as raised:
        build(kind, config, options)
    return [str(problem) for problem in raised.value.problems]


def test_a_name_alone_builds_the_defaults(reducers):
    built = reducers.build("everything")
    assert built.inner == reducers.build("halve")
    assert (built.count, built.limit, built.several) == (3, None, ())


def test_options_win_over_the_table(reducers):
    assert reducers.build({"name": "everything", "count": 4}, count=5).count == 5


def test_an_instance_passes_through_and_takes_no_options(reducers):
    halve = reducers.build("halve", factor=0.25)
    assert reducers.build(halve) is halve
    assert reducers.build("everything", inner=halve).inner is halve
    with pytest.raises(SimplugError, match=r"an instance takes no further settings \(factor\)"):
        reducers.build(halve, factor=1.0)


def test_an_instance_of_another_kind_is_refused(reducers, first_matcher):
    assert problems("reducer", first_matcher()) == ["reducer: is a matcher (First()), not a reducer"]
    assert problems("reducer", {"name": "everything", "inner": first_matcher()}) == [
        "reducer.inner: is a matcher (First()), not a reducer"
    ]


def test_nested_tables_and_bare_names_build_alike(reducers):
    bare = reducers.build("everything", other="halve")
    table = reducers.build("everything", other={"name": "halve", "factor": 0.5})
    assert bare == table
    assert hash(reducers.build("halve")) == hash(reducers.build("halve", factor=0.5))


def test_a_table_without_a_name_holds_settings_of_the_default(reducers):
    built = reducers.build("everything", inner={"factor": 0.25})
    assert built.inner == reducers.build("halve", factor=0.25)
    assert problems("reducer", {"name": "everything", "inner": {"factr": 1}}) == [
        "reducer.inner.factr: reducer 'halve' has no setting 'factr'; did you mean 'factor'?\nsettings: factor"
    ]
    assert problems("reducer", {"name": "everything", "other": {"factor": 1}})[0].startswith(
        "reducer.other: needs a name"
    )


def test_all_mistakes_are_reported_at_once_with_paths(reducers):
    found = problems(
        "reducer",
        {
            "name": "everything",
            "cuont": 3,
            "flag": 1,
            "count": 0,
            "ratio": "high",
            "inner": {"name": "halve", "factor": 2, "extra": 1},
            "other": "halv",
            "several": ["halve", {"factor": 1.0}, {"name": "halve", "factor": 0}],
            "shape": [1, 2, 3],
        },
    )
    names = ", ".join(reducers.names())
    assert found == [
        "reducer.cuont: reducer 'everything' has no setting 'cuont'; did you mean 'count'?\nsettings: flag, count, "
        "ratio, title, slug, mode, level, limit, size, shape, weights, names, table, inner, other, several",
        "reducer.flag: must be true or false, not 1",
        "reducer.count: must be >= 1, not 0",
        "reducer.ratio: must be a number, not 'high'",
        "reducer.shape: must be a list of 2, not of 3: [1, 2, 3]",
        "reducer.inner.extra: reducer 'halve' has no setting 'extra'\nsettings: factor",
        "reducer.inner.factor: must be <= 1, not 2.0",
        f"reducer.other: no reducer named 'halv' is installed; did you mean 'halve'?\ninstalled reducers: {names}",
        f"reducer.several[1]: needs a name; installed reducers: {names}",
        "reducer.several[2].factor: must be > 0, not 0.0",
    ]


WRONG = {
    "flag": [(0, "must be true or false, not 0"), ("true", "must be true or false, not 'true'")],
    "count": [
        ("3", "must be a whole number, not '3'"),
        (3.0, "must be a whole number, not 3.0"),
        (True, "must be a whole number, not True"),
        (None, "must be a whole number, not None"),
        (101, "must be <= 100, not 101"),
    ],
    "ratio": [
        ("1", "must be a number, not '1'"),
        (True, "must be a number, not True"),
        (float("nan"), "must be a finite number, not nan"),
        (float("inf"), "must be a finite number, not inf"),
    ],
    "title": [(3, "must be a text, not 3"), (["a"], "must be a text, not ['a']")],
    "slug": [("ABC", "must match [a-z]+, not 'ABC'"), ("abc\n", "must match [a-z]+, not 'abc\\n'")],
    "mode": [
        ("fsat", "must be one of 'fast', 'slow', not 'fsat'; did you mean 'fast'?"),
        (3, "must be one of 'fast', 'slow', not 3"),
        ([], "must be one of 'fast', 'slow', not []"),
    ],
    "level": [("hihg", "must be one of 'low', 'high', not 'hihg'; did you mean 'high'?")],
    "limit": [("nothing", None), (1.5, None), (-1, "must be >= 0, not -1")],
    "size": [(1.5, None), ([1], None)],
    "shape": [
        ("12", "must be a list, not '12'"),
        ({"a": 1}, "must be a list, not {'a': 1}"),
        ([1], "must be a list of 2, not of 1: [1]"),
        ([0, 1], "must be >= 1, not 0"),
    ],
    "weights": [(0.5, "must be a list, not 0.5"), ([-1.0], "must be >= 0, not -1.0")],
    "inner": [(3, "a reducer is a name, a table with a name, or an instance, not 3")],
    "several": [("halve", "must be a list of reducers, not 'halve'"), ({"name": "halve"}, None)],
}


@pytest.mark.parametrize(("key", "value", "message"), [(k, v, m) for k, cases in WRONG.items() for v, m in cases])
def test_a_wrong_value_is_refused_at_its_path(reducers, key, value, message):
    found = problems("reducer", {"name": "everything", key: value})
    assert len(found) == 1
    assert found[0].startswith(f"reducer.{key}: ")
    if message is not None:
        assert found[0] == f"reducer.{key}: {message}"


def test_a_wrong_element_of_a_list_has_its_place_in_the_path(reducers):
    assert problems("reducer", {"name": "everything", "weights": [1.0, "2", True]}) == [
        "reducer.weights[1]: must be a number, not '2'",
        "reducer.weights[2]: must be a number, not True",
    ]
    assert problems("reducer", {"name": "everything", "table": {"a": 1, "b": "x"}}) == [
        "reducer.table.b: must be a number, not 'x'"
    ]


def test_a_union_that_nothing_fits_names_its_types(reducers):
    assert problems("reducer", {"name": "everything", "size": 1.5}) == [
        "reducer.size: must be a whole number or a text, not 1.5"
    ]
    assert problems("reducer", {"name": "everything", "limit": "x"}) == [
        "reducer.limit: must be a whole number or 'none', not 'x'"
    ]


def test_none_is_written_as_a_text_and_only_where_it_is_allowed(reducers):
    built = reducers.build("everything", limit="none", other="none")
    assert (built.limit, built.other) == (None, None)
    config = to_config(built)
    assert (config["limit"], config["other"]) == ("none", "none")
    assert reducers.build({"name": "everything", "limit": None}).limit is None


def test_none_asks_a_component_that_must_be_there_for_one_of_that_name():
    (problem,) = problems("loss", {"name": "contrastive", "distance": "none"})
    assert problem.startswith("loss.distance: no distance named 'none' is installed")
    assert build("loss", {"name": "contrastive", "reducer": "none"}).reducer == build("reducer", "none")


def test_a_text_that_reads_as_none_cannot_be_written():
    @simplug.reducers.register("maybe")
    @attrs.frozen
    class Maybe(Reducer):
        title: str | None = None

        def reduce(self, term):
            return term

    try:
        with pytest.raises(SimplugError, match=r"Maybe\.title holds the text 'none', which a config reads as no value"):
            to_config(Maybe(title="none"))
    finally:
        simplug.reducers.unregister("maybe")


def test_a_whole_number_is_taken_for_a_number(reducers):
    ratio = reducers.build("everything", ratio=1).ratio
    assert isinstance(ratio, float)


def test_a_missing_setting_without_default_is_named(reducers):
    assert problems("reducer", "needy") == ["reducer.amount: reducer 'needy' needs 'amount', which has no default"]


def test_attrs_validators_of_third_parties_have_a_path_too(reducers):
    assert problems("reducer", {"name": "plain", "amount": 0}) == [
        "reducer.amount: reducer 'plain': 'amount' must be > 0: 0"
    ]
    assert problems("reducer", {"name": "everything", "inner": {"name": "plain", "label": "z"}}) == [
        "reducer.inner.label: reducer 'plain': 'label' must be in ['x', 'y'] (got 'z')"
    ]


def test_bounds_hold_in_python_too(reducers):
    with pytest.raises(ValueError, match="factor must be > 0, not 0"):
        reducers.get("halve")(factor=0)
    with pytest.raises(ValueError, match="weights must be >= 0, not -1"):
        reducers.get("everything")(weights=(-1,))


def test_an_unknown_outermost_name_is_its_own_error(reducers):
    with pytest.raises(UnknownComponentError):
        reducers.build("nosuch")


def test_what_is_neither_name_nor_table_is_refused(reducers):
    assert problems("reducer", 3) == ["reducer: a reducer is a name, a table with a name, or an instance, not 3"]
    assert problems("reducer", {"name": 3})[0].startswith("reducer: needs a name; installed reducers: ")


def test_a_default_that_is_not_installed_is_a_problem_with_a_path():
    @simplug.reducers.register("hopeful")
    @attrs.frozen
    class Hopeful(Reducer):
        inner: Reducer = component("reducer", default="not_installed", doc="a nested one")

        def reduce(self, term):
            return term

    try:
        assert problems("reducer", "hopeful")[0].startswith("reducer.inner: no reducer named 'not_installed'")
    finally:
        simplug.reducers.unregister("hopeful")


def test_a_mistake_found_while_constructing_is_a_problem():
    @simplug.reducers.register("paired")
    @attrs.frozen
    class Paired(Reducer):
        low: int = option(1, doc="the lower")
        high: int = option(2, doc="the higher")

        def __attrs_post_init__(self):
            if self.low > self.high:
                raise ValueError(f"low={self.low} is above high={self.high}")

        def reduce(self, term):
            return term

    try:
        assert problems("reducer", {"name": "paired", "low": 3}) == ["reducer: reducer 'paired': low=3 is above high=2"]
    finally:
        simplug.reducers.unregister("paired")


@attrs.frozen
class Inner:
    """An inner section."""

    depth: int = option(1, ge=1, doc="a depth")


@attrs.frozen
class Outer:
    """A section of a config."""

    inner: Inner = attrs.field(factory=Inner)
    spare: Inner | None = None
    reducer: Reducer = component("reducer", default="halve", doc="a reducer")


def test_sections_nest_and_collect_all_mistakes(reducers):
    report = Report(lambda path: f"x.toml:{len(path)}")
    structure(Outer, {"inner": {"depth": 0, "zzz": 1}, "spare": 3, "reducer": {"name": "halve", "factor": 9}}, report)
    with pytest.raises(ConfigError) as raised:
        report.finish()
    assert str(raised.value) == (
        "4 problems in the config:\n"
        "  x.toml:9: inner.zzz: [inner] has no setting 'zzz'\n"
        "    settings: depth\n"
        "  x.toml:11: inner.depth: must be >= 1, not 0\n"
        "  x.toml:5: spare: must be a table, not 3\n"
        "  x.toml:14: reducer.factor: must be <= 1, not 9.0"
    )
    report = Report()
    section = structure(Outer, {"spare": {"depth": 2}}, report)
    report.finish()
    assert section == Outer(spare=Inner(2))
    report = Report()
    structure(Outer, [], report)
    assert [str(problem) for problem in report.problems] == ["must be a table, not []"]


def test_one_problem_is_counted_in_the_singular(reducers):
    with pytest.raises(ConfigError, match=r"^1 problem in the config:\n  reducer\.factor: must be > 0, not 0\.0$"):
        reducers.build("halve", factor=0)


@pytest.mark.parametrize(
    ("text", "table"),
    [
        ("recall@5", {"name": "recall_at_k", "k": 5}),
        ("map@r", {"name": "map_at_r"}),
        ("mrr", {"name": "mrr"}),
        ("acme:recall@10", {"name": "acme:recall_at_k", "k": 10}),
    ],
)
def test_shorthand_expands_and_labels_shorten(text, table):
    assert shorthand(text) == table
    assert label_of(table) == text


@pytest.mark.parametrize("text", ["recall@²", "recall@-1", "recall@" + "9" * 5000, "recall@", "@5"])
def test_odd_shorthand_is_an_unknown_name(text):
    with pytest.raises(UnknownComponentError):
        simplug.metrics.build(text)


def test_a_field_that_no_config_can_hold_is_refused(reducers):
    with pytest.raises(
        SimplugError, match=r"Everything\.title holds <object object at .*>, which neither TOML nor JSON"
    ):
        to_config(reducers.get("everything")(title=object()))


scalars = {
    "flag": st.booleans(),
    "count": st.integers(1, 100),
    "ratio": st.floats(-10, 10),
    "title": st.text(),
    "slug": st.from_regex("[a-z]+", fullmatch=True),
    "mode": st.sampled_from(["fast", "slow"]),
    "level": st.sampled_from(["low", "high"]),
    "limit": st.none() | st.integers(0, 2**62),
    "size": st.integers(-(2**62), 2**62) | st.text(),
    "shape": st.tuples(st.integers(1, 9), st.integers(1, 9)),
    "weights": st.lists(st.floats(0, 1e300)).map(tuple),
    "names": st.lists(st.text()),
    "table": st.dictionaries(st.text(), st.floats(allow_nan=False, allow_infinity=False)),
}
halves = st.floats(0.01, 1).map(lambda factor: {"name": "halve", "factor": factor})
configs = st.fixed_dictionaries(
    {"name": st.just("everything")},
    optional={
        **scalars,
        "inner": halves | st.just("halve"),
        "other": st.none() | halves,
        "several": st.lists(halves | st.just("halve"), max_size=3),
    },
)


# The registrations are the same for every example.
@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(config=configs)
def test_a_component_comes_back_from_its_config_through_json_and_toml(reducers, config):
    built = reducers.build(config)
    plain = to_config(built)
    assert set(plain) == {"name", *(field.name for field in attrs.fields(type(built)))}
    assert build("reducer", plain) == built
    assert build("reducer", json.loads(json.dumps(plain))) == built
    assert build("reducer", tomllib.loads(toml.dumps(plain))) == built


@attrs.frozen
class Tuned(Reducer):
    """Has settings that go together."""

    presets = {"small": {"count": 1, "inner": {"name": "halve", "factor": 0.25}}, "large": {"count": 9}}  # noqa: RUF012
    count: int = option(3, ge=1, doc="a count")
    inner: Reducer = component("reducer", default="halve", doc="a nested one")

    def reduce(self, term: Any, labels: Any = None) -> Any:
        return term


@pytest.fixture
def tuned(reducers):
    reducers.register("tuned", Tuned)
    yield reducers
    reducers.unregister("tuned")


def test_a_preset_sets_what_goes_together_and_what_is_given_wins(tuned):
    assert tuned.build("tuned", preset="small") == Tuned(1, tuned.build("halve", factor=0.25))
    assert tuned.build({"name": "tuned", "preset": "small", "count": 5}).count == 5
    assert tuned.build("everything", inner={"name": "tuned", "preset": "large"}).inner.count == 9


def test_a_component_does_not_remember_its_preset(tuned):
    config = to_config(tuned.build("tuned", preset="large"))
    assert config == {"name": "tuned", "count": 9, "inner": {"name": "halve", "factor": 0.5}}


def test_an_unknown_preset_is_refused_with_the_nearest_name(tuned):
    assert problems("reducer", {"name": "tuned", "preset": "smal"}) == [
        "reducer.preset: must be one of 'small', 'large', not 'smal'; did you mean 'small'?"
    ]


def test_a_component_without_presets_has_no_such_setting(reducers):
    (problem,) = problems("reducer", {"name": "halve", "preset": "small"})
    assert problem.startswith("reducer.preset: reducer 'halve' has no setting 'preset'")
