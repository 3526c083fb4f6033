"""Registries: names without imports, registration in a process, and the way back from a class to its name."""

from __future__ import annotations

from typing import Any

import attrs
import pytest

import simplug
from simplug.api import Reducer
from simplug.kernel import entries
from simplug.kernel.entries import canonical, own_version
from simplug.kernel.errors import (
    AmbiguousComponentError,
    NotAComponentError,
    SimplugError,
    UnknownComponentError,
    did_you_mean,
    nearest,
)
from simplug.kernel.kinds import HOOK_GROUP, KINDS
from simplug.kernel.registry import REGISTRIES, registry_of

SOURCE = """
    import attrs
    from simplug.api import Reducer

    @attrs.frozen
    class Third(Reducer):
        "A third."

        def reduce(self, term):
            return term
"""
GROUP = "simplug.reducers"


@attrs.frozen
class Twice(Reducer):
    """Twice the sum."""

    def reduce(self, term: Any) -> Any:
        return term


def test_there_are_thirteen_kinds_each_with_its_registry():
    assert len(KINDS) == 13
    for name, kind in KINDS.items():
        assert kind.group == f"simplug.{kind.plural}"
        assert kind.hook == f"simplug_register_{kind.plural}"
        assert getattr(simplug, kind.plural) is REGISTRIES[name]
        assert hasattr(__import__("simplug.api", fromlist=["api"]), kind.contract)
    assert not any(kind.group == HOOK_GROUP for kind in KINDS.values())


def test_listing_names_and_entries_imports_no_component(python):
    done = python(
        """
        import sys
        import simplug
        from simplug.kernel.kinds import KINDS
        for kind in KINDS:
            registry = simplug.registry_of(kind)
            registry.names(), registry.entries(), repr(registry), list(registry)
        assert "cosine" in simplug.distances
        print(simplug.distances.entry("cosine").target)
        heavy = {"simplug_distances", "simplug.api", "numpy", "keras", "tensorflow", "pluggy"}
        print(sorted(heavy & set(sys.modules)))
        """
    )
    assert done.stdout.splitlines() == ["simplug_distances.cosine:Cosine", "[]"], done.stderr


def test_names_are_sorted_and_an_entry_tells_its_provider():
    names = simplug.distances.names()
    assert names == sorted(names)
    assert list(simplug.distances) == names
    entry = simplug.distances.entry("cosine")
    assert entry.provider == f"simplug {own_version()}"
    assert entry.qualified == "simplug:cosine"
    assert simplug.distances.entry("simplug:cosine") == entry


def test_a_registry_reads_well_in_a_repr():
    assert repr(simplug.distances) == f"<simplug.distances: {len(simplug.distances.names())} distances>"


def test_membership_takes_any_object():
    assert "cosine" in simplug.distances
    assert "nosuch" not in simplug.distances
    assert 3 not in simplug.distances


def test_register_works_as_a_call_and_unregister_takes_it_back():
    assert simplug.reducers.register("twice", Twice) is Twice
    try:
        assert "twice" in simplug.reducers.names()
        assert simplug.reducers.get("twice") is Twice
        assert simplug.reducers.build("twice") == Twice()
        assert simplug.reducers.entry("twice").provider == "<runtime>"
        assert simplug.reducers.config_of(Twice()) == {"name": "twice"}
    finally:
        simplug.reducers.unregister("twice")
    assert "twice" not in simplug.reducers
    with pytest.raises(UnknownComponentError):
        simplug.reducers.unregister("twice")


def test_register_works_as_a_decorator():
    @simplug.reducers.register("decorated")
    @attrs.frozen
    class Decorated(Reducer):
        def reduce(self, term):
            return term

    try:
        assert simplug.reducers.build("decorated") == Decorated()
    finally:
        simplug.reducers.unregister("decorated")


def test_running_the_same_definition_again_replaces_the_class():
    def define(size: int) -> type:
        @simplug.reducers.register("again")
        @attrs.frozen
        class Again(Reducer):
            amount: int = size

            def reduce(self, term):
                return term

        return Again

    try:
        define(1)
        assert simplug.reducers.build("again").amount == 1
        second = define(2)
        assert simplug.reducers.get("again") is second
        assert simplug.reducers.build("again").amount == 2
        assert simplug.reducers.name_of(second) == "again"
    finally:
        simplug.reducers.unregister("again")


def test_a_taken_name_is_refused(reducers):
    with pytest.raises(SimplugError) as raised:
        reducers.register("halve", Twice)
    target = reducers.entry("halve").target
    assert str(raised.value) == f"reducer 'halve' is taken by <runtime> ({target}); choose another name"
    with pytest.raises(SimplugError, match="distance 'cosine' is taken by simplug"):
        simplug.distances.register("cosine", _distance())


def _distance() -> type:
    from simplug.api import Distance

    @attrs.frozen
    class Other(Distance):
        def __call__(self, queries, references):
            return queries

        def numpy(self, queries, references):
            return queries

    return Other


@pytest.mark.parametrize("name", ["Mine", "1st", "with space", "with-dash", "_x", "", "a.b", "a:b", 3])
def test_a_malformed_name_is_refused(name):
    with pytest.raises(SimplugError) as raised:
        simplug.reducers.register(name, Twice)
    assert str(raised.value) == (
        f"{name!r} is no name for a component; write lower-case letters, digits and _, from a letter"
    )


def test_registering_what_is_no_component_is_refused(first_matcher):
    with pytest.raises(NotAComponentError, match=r"does not inherit from simplug\.api\.Reducer"):
        simplug.reducers.register("first", first_matcher)
    with pytest.raises(NotAComponentError, match="it is Twice, not a class"):
        simplug.reducers.register("instance", Twice())
    assert "first" not in simplug.reducers


def test_refresh_sees_a_distribution_installed_meanwhile(site):
    assert "third" not in simplug.reducers
    site.install("acme-third", {GROUP: {"third": "acme_third:Third"}}, {"acme_third": SOURCE})
    assert "third" in simplug.reducers.names()
    assert simplug.reducers.build("third") == simplug.reducers.get("third")()


def test_metadata_is_read_once_a_process(monkeypatch):
    import importlib_metadata

    calls = []
    original = importlib_metadata.entry_points
    monkeypatch.setattr(
        importlib_metadata, "entry_points", lambda **selection: calls.append(1) or original(**selection)
    )
    simplug.refresh()
    for registry in REGISTRIES.values():
        registry.names()
        registry.entries(load=True)
    assert len(calls) == 1
    simplug.refresh()
    simplug.losses.names()
    assert len(calls) == 2


def test_registrations_of_the_process_survive_a_refresh(reducers):
    simplug.refresh()
    assert "halve" in reducers.names()


def test_a_class_that_is_reexported_under_another_path_has_its_name(site):
    site.install(
        "acme-third",
        {GROUP: {"third": "acme_front:Renamed", "broken": "acme_nowhere:Nothing"}},
        {"acme_third": SOURCE, "acme_front": "from acme_third import Third as Renamed"},
    )
    import acme_third

    # Nothing was built by name yet, and a broken neighbour must not get in the way.
    assert simplug.reducers.name_of(acme_third.Third) == "third"
    assert simplug.reducers.config_of(acme_third.Third()) == {"name": "third"}


def test_a_class_without_a_name_is_an_error():
    with pytest.raises(UnknownComponentError) as raised:
        simplug.reducers.name_of(Twice)
    assert str(raised.value).startswith(f"no reducer named '{__name__}:Twice' is installed")


def test_an_unknown_kind_suggests_the_nearest():
    with pytest.raises(SimplugError) as raised:
        registry_of("los")
    assert str(raised.value) == f"no kind named 'los'; did you mean 'loss'?\nkinds: {', '.join(KINDS)}"


def test_two_entry_points_of_one_name_are_both_listed(site):
    for number in (1, 2):
        site.install(f"acme-{number}", {GROUP: {"third": f"acme_{number}:Third"}}, {f"acme_{number}": SOURCE})
    listed = [entry for entry in simplug.reducers.entries() if entry.name == "third"]
    assert [entry.qualified for entry in listed] == ["acme-1:third", "acme-2:third"]
    assert simplug.reducers.names().count("third") == 1
    with pytest.raises(AmbiguousComponentError):
        simplug.reducers.entry("third")


def test_other_groups_of_a_distribution_are_left_alone(site):
    site.install("acme-console", {"console_scripts": {"acme": "acme:main"}}, {})
    assert "acme-console" not in {entry.distribution for group in entries.scan().open.values() for entry in group}


def test_distribution_names_compare_as_package_indexes_do():
    assert canonical("My_Dist.Name") == canonical("my-dist--name") == "my-dist-name"


def test_a_far_name_is_not_suggested():
    assert nearest("zzzz", ["cosine", "euclidean"]) is None
    assert did_you_mean("zzzz", ["cosine"]) == ""
    assert did_you_mean("cosin", ["cosine"]) == "; did you mean 'cosine'?"


def test_blocking_simplug_leaves_an_empty_working_kernel(python):
    done = python(
        """
        import attrs
        import simplug
        from simplug.api import Reducer, option

        for kind in simplug.kernel.kinds.KINDS:
            assert simplug.registry_of(kind).names() == [], kind
            assert simplug.registry_of(kind).entries(load=True) == [], kind

        @simplug.reducers.register("mine")
        @attrs.frozen
        class Mine(Reducer):
            size: int = option(1, ge=1, doc="a size")

            def reduce(self, term):
                return term

        built = simplug.reducers.build("mine", size=3)
        config = simplug.reducers.config_of(built)
        assert config == {"name": "mine", "size": 3}
        assert simplug.reducers.build(config) == built
        try:
            simplug.losses.get("triplet")
        except simplug.kernel.errors.BlockedComponentError as error:
            print(error)
        """,
        SIMPLUG_BLOCK="simplug",
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == "loss 'triplet' is blocked: SIMPLUG_BLOCK switches its distribution 'simplug' off\n"


def test_an_attribute_that_simplug_lacks_is_an_attribute_error():
    with pytest.raises(AttributeError, match="module 'simplug' has no attribute 'lossess'"):
        _ = simplug.lossess
    assert {"Index", "SimilarityModel", "load", "save", "losses"} <= set(dir(simplug))
