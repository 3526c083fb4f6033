"""Plugin objects: good ones, broken ones beside them, misspelt ones, files, and the trace."""

from __future__ import annotations

import sys
import textwrap
import warnings

import pytest

import simplug
from simplug.kernel.errors import PluginError, SimplugError
from simplug.kernel.hooks import hookimpl
from simplug.kernel.plugins import PluginWarning, plugins

LISTENER = """
    from simplug.api import hookimpl

    seen = []

    @hookimpl
    def simplug_evaluated(scores):
        seen.append(scores)
"""


def test_a_broken_plugin_is_skipped_with_a_warning_while_a_good_one_works(site):
    site.install("acme-good", {"simplug.hooks": {"good": "acme_good"}}, {"acme_good": LISTENER})
    site.install("acme-bad", {"simplug.hooks": {"bad": "acme_bad"}}, {"acme_bad": "1 / 0"})
    with pytest.warns(PluginWarning) as caught:
        plugins.hook.simplug_evaluated(scores={"a": 1})
    assert [str(one.message) for one in caught] == [
        "plugin acme-bad:bad is skipped: ZeroDivisionError: division by zero"
    ]
    assert sys.modules["acme_good"].seen == [{"a": 1}]
    assert "acme-good:good" in plugins.names()
    assert "acme-bad:bad" not in plugins.names()


def test_an_incompatible_plugin_is_skipped_before_its_import(site):
    site.install("acme-new", {"simplug.hooks": {"new": "acme_new"}}, {"acme_new": LISTENER}, requires=["simplug>=99"])
    with pytest.warns(PluginWarning, match=r"^plugin acme-new:new is skipped: acme-new 1\.0 needs simplug>=99$"):
        assert not plugins.listens("simplug_evaluated")
    assert "acme_new" not in sys.modules


def test_a_misspelt_hook_in_a_package_is_skipped_with_its_message(site):
    source = LISTENER.replace("simplug_evaluated", "simplug_evalauted")
    site.install("acme-typo", {"simplug.hooks": {"typo": "acme_typo"}}, {"acme_typo": source})
    with pytest.warns(PluginWarning) as caught:
        plugins.check_pending()
    assert str(caught[0].message) == (
        "plugin acme-typo:typo is skipped: PluginError: plugin acme-typo:typo implements 'simplug_evalauted', "
        "which is no hook of simplug; did you mean 'simplug_evaluated'?"
    )


def test_a_blocked_distribution_gives_no_plugin_object(site, block):
    site.install("acme-good", {"simplug.hooks": {"good": "acme_good"}}, {"acme_good": LISTENER})
    block("acme-good")
    assert "acme-good:good" not in plugins.names()
    assert "acme_good" not in sys.modules


def test_a_misspelt_hook_of_an_object_is_refused_and_leaves_nothing_behind():
    class Typo:
        @hookimpl
        def simplug_index_bult(self, index):
            pass

    typo = Typo()
    before = plugins.names()
    with pytest.raises(PluginError) as raised:
        plugins.register(typo, "typo")
    assert str(raised.value) == (
        "plugin typo implements 'simplug_index_bult', which is no hook of simplug; did you mean 'simplug_index_built'?"
    )
    assert plugins.names() == before
    plugins.check_pending()


def test_a_misspelt_argument_is_refused_and_leaves_nothing_behind():
    class Typo:
        @hookimpl
        def simplug_evaluated(self, scoers):
            pass

    before = plugins.names()
    with pytest.raises(PluginError, match=r"(?s)^plugin typo: .*simplug_evaluated.*scoers"):
        plugins.register(Typo(), "typo")
    assert plugins.names() == before
    plugins.hook.simplug_evaluated(scores={})


def test_an_implementation_may_take_fewer_arguments(plugin):
    class Shy:
        called = 0

        @hookimpl
        def simplug_lookup_done(self):
            self.called += 1

    shy = plugin(Shy())
    plugins.hook.simplug_lookup_done(index=None, queries=None, neighbors=None)
    assert shy.called == 1


def test_two_plugins_of_one_name_are_refused(plugin):
    class Quiet:
        pass

    first = plugin(Quiet(), "quiet")
    with pytest.raises(PluginError, match=r"^plugin quiet is registered already$"):
        plugins.register(Quiet(), "quiet")
    with pytest.raises(PluginError, match="is registered already"):
        plugins.register(first, "again")
    assert plugins.names().count("quiet") == 1


def test_a_class_is_refused_with_what_to_write():
    class Quiet:
        pass

    with pytest.raises(PluginError, match=r"is a class; register an instance: Quiet\(\)$"):
        plugins.register(Quiet)


def test_an_unregistered_plugin_hears_nothing_more_even_after_a_refresh():
    class Listener:
        calls = 0

        @hookimpl
        def simplug_evaluated(self, scores):
            self.calls += 1

    listener = Listener()
    plugins.register(listener)
    plugins.hook.simplug_evaluated(scores={})
    simplug.refresh()
    plugins.hook.simplug_evaluated(scores={})
    plugins.unregister(listener)
    plugins.hook.simplug_evaluated(scores={})
    simplug.refresh()
    plugins.hook.simplug_evaluated(scores={})
    assert listener.calls == 2
    with pytest.raises(PluginError, match="is not registered"):
        plugins.unregister(listener)


def test_listening_is_known_without_a_call(plugin):
    class Listener:
        @hookimpl
        def simplug_index_built(self, index):
            raise AssertionError

    assert not plugins.listens("simplug_index_built")
    plugin(Listener())
    assert plugins.listens("simplug_index_built")


@pytest.fixture
def plugin_file(tmp_path):
    loaded = []

    def write(source: str, name: str = "mine.py"):
        path = tmp_path / name
        path.write_text(textwrap.dedent(source))
        loaded.append(str(path))
        return path

    yield write
    for name in loaded:
        module = plugins._ready().get_plugin(name)
        if module is not None:
            plugins.unregister(module)


MINE = """
    from __future__ import annotations

    import attrs
    import simplug
    from simplug.api import Reducer, hookimpl, option

    calls = []

    @simplug.reducers.register("from_file")
    @attrs.frozen
    class FromFile(Reducer):
        size: int = option(1, doc="a size")

        def reduce(self, term):
            return term

    @hookimpl
    def simplug_evaluated(scores):
        calls.append(scores)
"""


def test_a_plugin_file_adds_hooks_and_components(plugin_file):
    path = plugin_file(MINE)
    module = plugins.load_file(path)
    try:
        plugins.hook.simplug_evaluated(scores={"x": 1})
        assert module.calls == [{"x": 1}]
        assert simplug.reducers.build("from_file", size=3) == module.FromFile(3)
        assert str(path) in plugins.names()
        again = plugins.load_file(path)
        plugins.hook.simplug_evaluated(scores={"x": 2})
        assert (module.calls, again.calls) == ([{"x": 1}], [{"x": 2}])
        assert simplug.reducers.get("from_file") is again.FromFile
    finally:
        simplug.reducers.unregister("from_file")


def test_a_missing_plugin_file_is_named(tmp_path):
    with pytest.raises(PluginError, match=r"nowhere\.py: there is no such file$"):
        plugins.load_file(tmp_path / "nowhere.py")


def test_a_plugin_file_that_is_no_python_is_named(plugin_file):
    with pytest.raises(PluginError, match=r"mine\.txt: not a Python file \(its name must end in \.py\)$"):
        plugins.load_file(plugin_file("", "mine.txt"))


@pytest.mark.parametrize(
    ("source", "cause"),
    [
        ("1 / 0", "ZeroDivisionError: division by zero"),
        ("def", "SyntaxError: "),
        ("import nosuch_module", "ModuleNotFound"),
    ],
)
def test_a_plugin_file_that_raises_is_named_with_its_cause(plugin_file, source, cause):
    path = plugin_file(source)
    with pytest.raises(PluginError) as raised:
        plugins.load_file(path)
    assert str(raised.value).startswith(f"plugin file {path}: {cause}")
    assert raised.value.__cause__ is not None
    assert "simplug_plugin_file_mine" not in sys.modules


def test_a_plugin_file_with_a_misspelt_hook_is_refused(plugin_file):
    path = plugin_file("from simplug.api import hookimpl\n@hookimpl\ndef simplug_evaluate(scores): pass")
    with pytest.raises(PluginError) as raised:
        plugins.load_file(path)
    assert str(raised.value) == (
        f"plugin {path} implements 'simplug_evaluate', which is no hook of simplug; did you mean 'simplug_evaluated'?"
    )
    assert str(path) not in plugins.names()


class Family:
    """Registers reducers whose names are known at run time, and counts how often it is asked."""

    def __init__(self, cls, *names):
        self.cls, self.names, self.asked = cls, names, 0

    @hookimpl
    def simplug_register_reducers(self, register):
        self.asked += 1
        for name in self.names:
            register(name, self.cls)


def test_registering_hooks_are_asked_lazily_and_once(plugin, reducers):
    family = plugin(Family(reducers.get("needy"), "needy_small", "needy_large"), "family")
    reducers.names(), reducers.entries(), reducers.get("halve"), reducers.build("everything")
    assert family.asked == 0
    assert reducers.build("needy_small", amount=1).amount == 1
    assert "needy_large" in reducers
    assert "nothing" not in reducers
    listed = [entry for entry in reducers.entries(load=True) if entry.distribution == "family"]
    assert [entry.name for entry in listed] == ["needy_large", "needy_small"]
    assert reducers.get("family:needy_small") is reducers.get("needy_small")
    assert family.asked == 1
    simplug.refresh()
    assert family.asked == 1
    assert "needy_small" in reducers
    assert family.asked == 2


def test_a_plugin_that_comes_later_is_asked_although_others_were(plugin, reducers):
    assert "late" not in reducers
    plugin(Family(reducers.get("halve"), "late"), "latecomer")
    assert "late" in reducers


def test_names_of_an_unregistered_plugin_are_gone(reducers):
    family = Family(reducers.get("halve"), "brief")
    plugins.register(family)
    assert "brief" in reducers
    plugins.unregister(family)
    assert "brief" not in reducers


def test_a_component_from_a_hook_has_its_provider_and_version(site):
    source = """
        import attrs
        from simplug.api import Reducer, hookimpl

        @attrs.frozen
        class Family(Reducer):
            def reduce(self, term):
                return term

        @hookimpl
        def simplug_register_reducers(register):
            register("acme_one", Family)
    """
    site.install("acme-family", {"simplug.hooks": {"family": "acme_family"}}, {"acme_family": source}, version="2.5")
    assert simplug.reducers.entry("acme_one").provider == "acme-family 2.5"
    assert simplug.reducers.config_of(simplug.reducers.build("acme_one")) == {"name": "acme_one"}


def test_one_failing_registering_hook_is_skipped_and_the_others_count(plugin, reducers):
    halve = reducers.get("halve")
    plugin(Family(halve, "good"), "good-family")
    plugin(Family(halve, "fine", "Bad Name"), "bad-family")
    with pytest.warns(PluginWarning) as caught:
        assert "good" in reducers
    assert [str(one.message) for one in caught] == [
        "plugin bad-family is skipped in simplug_register_reducers: SimplugError: 'Bad Name' is no name for a "
        "component; write lower-case letters, digits and _, from a letter"
    ]
    assert "fine" not in reducers


def test_two_plugins_with_one_name_are_ambiguous(plugin, reducers):
    plugin(Family(reducers.get("halve"), "shared"), "one")
    plugin(Family(reducers.get("needy"), "shared"), "two")
    with pytest.raises(
        SimplugError, match=r"2 providers have a reducer named 'shared':\n  one:shared .*\n  two:shared "
    ):
        reducers.get("shared")
    assert reducers.get("two:shared") is reducers.get("needy")


def test_a_registering_hook_may_ask_the_registry_itself(plugin, reducers):
    class Curious:
        @hookimpl
        def simplug_register_reducers(self, register):
            if "no_such_reducer" not in reducers:
                register("curious", reducers.get("halve"))

    plugin(Curious())
    assert "curious" in reducers


def test_a_plugin_that_registers_another_as_it_is_imported_works(site):
    source = (
        LISTENER
        + "\n    import simplug\n    class Other:\n        pass\n    simplug.plugins.register(Other(), 'other')\n"
    )
    site.install("acme-two", {"simplug.hooks": {"two": "acme_two"}}, {"acme_two": source})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        names = plugins.names()
    assert {"acme-two:two", "other"} <= set(names)
    plugins.unregister(plugins._ready().get_plugin("other"))


TRACED = """
    import simplug
    from simplug.api import hookimpl

    class Listener:
        @hookimpl
        def simplug_report_header(self):
            return ["a line"]

        @hookimpl
        def simplug_evaluated(self, scores):
            1 / 0

        @hookimpl
        def simplug_register_losses(self, register):
            pass

    simplug.plugins.register(Listener(), "listener")
    simplug.plugins.hook.simplug_report_header()
    simplug.plugins.hook.simplug_index_built(index="an\\nindex")
    "nosuch" in simplug.losses
    try:
        simplug.plugins.hook.simplug_evaluated(scores={"x": "y" * 300})
    except ZeroDivisionError:
        pass
"""


def test_the_trace_prints_every_hook_call_to_stderr(python):
    done = python(TRACED, SIMPLUG_TRACE="1", SIMPLUG_BLOCK="simplug")
    lines = done.stderr.splitlines()
    assert lines[:4] == [
        "simplug trace: simplug_report_header() to listener",
        "simplug trace: simplug_report_header gave [['a line']]",
        "simplug trace: simplug_index_built(index='an\\nindex') to nobody",
        "simplug trace: simplug_register_losses by listener gave nothing",
    ]
    assert lines[4].startswith("simplug trace: simplug_evaluated(scores={'x': 'yyy")
    assert lines[4].endswith("…) to listener")
    assert lines[5:] == ["simplug trace: simplug_evaluated raised ZeroDivisionError('division by zero')"]
    assert done.stdout == ""


@pytest.mark.parametrize("value", ["", "0"])
def test_without_the_variable_nothing_is_traced(python, value):
    done = python(TRACED, SIMPLUG_TRACE=value)
    assert (done.returncode, done.stderr) == (0, "")
