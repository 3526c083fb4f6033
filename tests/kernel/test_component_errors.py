"""The six errors of a component, each on its whole text, from real metadata on disk."""

from __future__ import annotations

import sys

import pytest

import simplug
from simplug.kernel.errors import (
    AmbiguousComponentError,
    BlockedComponentError,
    BrokenComponentError,
    ComponentError,
    IncompatibleComponentError,
    NotAComponentError,
    SimplugError,
    UnknownComponentError,
)
from simplug.kernel.registry import registry_of

REGULARIZER = """
    import attrs
    from simplug.api import Regularizer

    @attrs.frozen
    class Ridge(Regularizer):
        "Squares."

        def __call__(self, vectors):
            return vectors
"""
GROUP = "simplug.regularizers"


def install_ridge(site, distribution="acme-ridge", module="acme_ridge", **extra):
    site.install(distribution, {GROUP: {"ridge": f"{module}:Ridge"}}, {module: REGULARIZER}, **extra)


def test_an_unknown_name_lists_what_is_installed(site):
    install_ridge(site)
    with pytest.raises(UnknownComponentError) as raised:
        simplug.regularizers.get("lasso")
    installed = ", ".join(simplug.regularizers.names())
    assert str(raised.value) == f"no regularizer named 'lasso' is installed\ninstalled regularizers: {installed}"
    assert "ridge" in raised.value.installed
    assert raised.value.name == "lasso"
    assert raised.value.kind.name == "regularizer"


def test_an_unknown_name_with_a_near_one_suggests_it(site):
    install_ridge(site)
    with pytest.raises(UnknownComponentError) as raised:
        simplug.regularizers.get("rigde")
    installed = ", ".join(simplug.regularizers.names())
    assert str(raised.value) == (
        f"no regularizer named 'rigde' is installed; did you mean 'ridge'?\ninstalled regularizers: {installed}"
    )


def test_an_unknown_name_among_nothing_says_none(site, block):
    block("simplug")
    with pytest.raises(UnknownComponentError) as raised:
        simplug.stores.get("lmdb2")
    assert str(raised.value) == "no store named 'lmdb2' is installed\ninstalled stores: none"


def test_an_ambiguous_name_lists_both_providers(site):
    install_ridge(site, "acme-ridge", "acme_ridge")
    install_ridge(site, "other-ridge", "other_ridge")
    with pytest.raises(AmbiguousComponentError) as raised:
        simplug.regularizers.get("ridge")
    assert str(raised.value) == (
        "2 providers have a regularizer named 'ridge':\n"
        "  acme-ridge:ridge   acme_ridge:Ridge\n"
        "  other-ridge:ridge  other_ridge:Ridge\n"
        "write the full name, or set SIMPLUG_BLOCK to the distribution you do not want"
    )
    assert "acme_ridge" not in sys.modules


def test_the_full_name_selects_one_of_two_providers_and_is_what_configs_write(site):
    install_ridge(site, "acme-ridge", "acme_ridge")
    install_ridge(site, "other-ridge", "other_ridge")
    ridge = simplug.regularizers.build("other-ridge:ridge")
    assert type(ridge).__module__ == "other_ridge"
    assert simplug.regularizers.config_of(ridge) == {"name": "other-ridge:ridge"}
    assert simplug.regularizers.build(simplug.regularizers.config_of(ridge)) == ridge


def test_blocking_one_of_two_providers_resolves_the_name(site, block):
    install_ridge(site, "acme-ridge", "acme_ridge")
    install_ridge(site, "other-ridge", "other_ridge")
    block("Acme_Ridge")
    assert simplug.regularizers.get("ridge").__module__ == "other_ridge"
    assert "acme_ridge" not in sys.modules


def test_a_broken_import_names_the_target_and_chains_the_cause(site):
    site.install(
        "acme-broken", {GROUP: {"ridge": "acme_broken:Ridge"}}, {"acme_broken": "import no_such_module_at_all"}
    )
    with pytest.raises(BrokenComponentError) as raised:
        simplug.regularizers.get("ridge")
    assert str(raised.value) == (
        "regularizer 'ridge' from acme-broken 1.0 could not be imported\n"
        "  target: acme_broken:Ridge\n"
        "  cause:  ModuleNotFoundError: No module named 'no_such_module_at_all'"
    )
    assert isinstance(raised.value.__cause__, ModuleNotFoundError)


def test_a_target_that_its_module_lacks_is_a_broken_import(site):
    site.install("acme-broken", {GROUP: {"ridge": "acme_empty:Ridge"}}, {"acme_empty": ""})
    with pytest.raises(BrokenComponentError) as raised:
        simplug.regularizers.get("ridge")
    assert str(raised.value) == (
        "regularizer 'ridge' from acme-broken 1.0 could not be imported\n"
        "  target: acme_empty:Ridge\n"
        "  cause:  AttributeError: module 'acme_empty' has no attribute 'Ridge'"
    )
    assert isinstance(raised.value.__cause__, AttributeError)


@pytest.mark.parametrize("requirement", ["simplug>=99", "Simplug (>=99)", "simplug>=99; python_version >= '3'"])
def test_an_incompatible_version_is_refused_before_the_import(site, requirement):
    install_ridge(site, requires=["numpy", requirement])
    with pytest.raises(IncompatibleComponentError) as raised:
        simplug.regularizers.get("ridge")
    assert str(raised.value) == (
        f"regularizer 'ridge' comes from acme-ridge 1.0, which needs simplug>=99; this is simplug {simplug.__version__}"
    )
    assert "acme_ridge" not in sys.modules


@pytest.mark.parametrize(
    "requirement",
    [
        "simplug>=0.1",
        "simplug",
        "simplug>=99; extra == 'gpu'",
        "simplug>=99; python_version < '3'",
        "simplug-extras>=99",
    ],
)
def test_a_requirement_that_is_met_or_does_not_apply_lets_the_component_in(site, requirement):
    install_ridge(site, requires=[requirement])
    assert simplug.regularizers.get("ridge").__name__ == "Ridge"


def test_a_blocked_name_says_which_distribution_is_off(site, block):
    install_ridge(site)
    block("acme-ridge")
    with pytest.raises(BlockedComponentError) as raised:
        simplug.regularizers.get("ridge")
    assert str(raised.value) == (
        "regularizer 'ridge' is blocked: SIMPLUG_BLOCK switches its distribution 'acme-ridge' off"
    )
    assert "ridge" not in simplug.regularizers.names()
    assert "acme_ridge" not in sys.modules


def test_a_blocked_full_name_is_blocked_too(site, block):
    install_ridge(site)
    block("acme-ridge")
    with pytest.raises(BlockedComponentError):
        simplug.regularizers.get("acme-ridge:ridge")


def test_blocking_what_provides_nothing_is_an_error(site, block):
    install_ridge(site)
    block("acme-rigde")
    with pytest.raises(SimplugError) as raised:
        simplug.regularizers.names()
    assert str(raised.value) == (
        "SIMPLUG_BLOCK names 'acme-rigde', and no installed distribution of that name provides plugins; "
        "did you mean 'acme-ridge'?\ndistributions with plugins: acme-ridge, simplug"
    )


NOT_COMPONENTS = {
    "a wrong base": (
        "@attrs.frozen\nclass Ridge:\n    pass",
        "its class does not inherit from simplug.api.Regularizer",
    ),
    "another kind": (
        "@attrs.frozen\nclass Ridge(Matcher):\n    def match(self, labels, distances): pass",
        "its class does not inherit from simplug.api.Regularizer",
    ),
    "no attrs class": (
        "class Ridge(Regularizer):\n    def __call__(self, vectors): pass",
        "its class is not an attrs class; decorate it with @attrs.frozen",
    ),
    "no class": (
        "Ridge = 3",
        "it is int, not a class; the entry point must name an attrs class",
    ),
    "a missing method": (
        "@attrs.frozen\nclass Ridge(Regularizer):\n    pass",
        "its class does not define __call__, which simplug.api.Regularizer asks for",
    ),
    "a field called name": (
        "@attrs.frozen\nclass Ridge(Regularizer):\n    name: str = 'x'\n    def __call__(self, vectors): pass",
        "its class has a field 'name', which configs use for the component's own name",
    ),
    "an unknown type": (
        "@attrs.frozen\nclass Ridge(Regularizer):\n    size: 'Sise' = 3\n    def __call__(self, vectors): pass",
        "the type of a field cannot be resolved: name 'Sise' is not defined",
    ),
}


@pytest.mark.parametrize("case", NOT_COMPONENTS)
def test_what_is_no_component_says_why(site, case):
    source, reason = NOT_COMPONENTS[case]
    module = f"import attrs\nfrom simplug.api import Matcher, Regularizer\n\n{source}\n"
    site.install("acme-odd", {GROUP: {"ridge": "acme_odd:Ridge"}}, {"acme_odd": module})
    with pytest.raises(NotAComponentError) as raised:
        simplug.regularizers.get("ridge")
    assert str(raised.value) == (
        "regularizer 'ridge' from acme-odd 1.0 is not a regularizer component\n"
        "  target: acme_odd:Ridge\n"
        f"  reason: {reason}"
    )


@pytest.mark.parametrize(
    "name",
    [
        "os:system",
        "logging.os.system",
        "simplug_lmdb.store:Lmdb",
        "subprocess:Popen",
        "../../etc/passwd",
        "",
        ":",
        "a b",
    ],
)
def test_a_name_from_a_config_never_imports_code(name):
    before = set(sys.modules)
    for registry in (simplug.stores, simplug.losses, simplug.metrics):
        with pytest.raises(UnknownComponentError) as raised:
            registry.build({"name": name})
        assert str(raised.value).startswith(f"no {registry.kind.name} named '{name}' is installed")
    assert "simplug_lmdb" not in set(sys.modules) - before
    assert "lmdb" not in set(sys.modules) - before


def test_every_component_error_is_a_simplug_error_and_reads_well_in_a_repr():
    error = UnknownComponentError(registry_of("loss").kind, "x", [])
    assert isinstance(error, ComponentError)
    assert repr(error) == "UnknownComponentError(\"no loss named 'x' is installed\\ninstalled losses: none\")"
