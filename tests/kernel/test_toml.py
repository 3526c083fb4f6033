"""Config files: where each value came from, overrides, and what is no config."""

from __future__ import annotations

import os
import textwrap
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simplug.kernel import toml
from simplug.kernel.errors import ConfigError, SimplugError
from simplug.kernel.hooks import hookimpl
from simplug.kernel.toml import Document

TEXT = """\
title = "top"          # line 1
flat.dotted.key = 3
flat.dotted.more = 4

[loss]
name = "triplet"
margin = 0.3
miner = { name = "semi_hard", epsilon = 0.1 }
miners = [
    "first",
    { name = "second", depth = [
        3, 4] },
    # a comment between
    "third",
]
text = '''
two
lines'''
"quoted key" = 1

[index]
[index.search]
name = "hnsw"
m = 16
[train]
epochs = 3
optimizer.name = "adam"
optimizer.learning_rate = 0.1

[loss.reducer]
name = "mean"

[[run]]
seed = 1
[[run]]
seed = 2
deep = { inner = { value = 7 } }

[a.b.c]
d = 1
"""


def lines(text: str = TEXT) -> Document:
    import tomllib

    return Document(tomllib.loads(text), Path("run.toml"), text)


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ("title", 1),
        ("flat.dotted.key", 2),
        ("flat.dotted.more", 3),
        ("flat.dotted", 2),
        ("flat", 2),
        ("loss", 6),  # a table in two pieces is found by its first value
        ("loss.name", 6),
        ("loss.margin", 7),
        ("loss.miner", 8),
        ("loss.miner.epsilon", 8),
        ("loss.miners", 9),
        ("loss.miners[0]", 10),
        ("loss.miners[1]", 11),
        ("loss.miners[1].name", 11),
        ("loss.miners[1].depth", 11),
        ("loss.miners[1].depth[1]", 12),
        ("loss.miners[2]", 14),
        ("loss.text", 16),
        ("loss.quoted key", 19),
        ("index", 21),
        ("index.search", 22),
        ("index.search.m", 24),
        ("train.epochs", 26),
        ("train.optimizer", 27),
        ("train.optimizer.name", 27),
        ("train.optimizer.learning_rate", 28),
        ("loss.reducer", 30),
        ("loss.reducer.name", 31),
        ("run", 33),
        ("run[0].seed", 34),
        ("run[1]", 35),
        ("run[1].seed", 36),
        ("run[1].deep.inner.value", 37),
        ("a", 39),
        ("a.b", 39),
        ("a.b.c", 39),
        ("a.b.c.d", 40),
    ],
)
def test_every_value_has_its_line(path, line):
    assert lines().origin(path) == f"run.toml:{line}"


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ("loss.missing", 6),
        ("loss.miner.missing", 8),
        ("loss.miners[7]", 9),
        ("loss.miners[1].missing", 11),
        ("loss.margin.deeper", 7),
        ("train.optimizer.missing", 27),
        ("index.store", 21),
        ("run[1].missing", 35),
        ("a.b.missing", 39),
    ],
)
def test_what_is_missing_has_the_line_of_the_nearest_table(path, line):
    assert lines().origin(path) == f"run.toml:{line}"


def test_what_has_no_table_around_it_has_the_file():
    assert lines().origin("dataset") == "run.toml"
    assert lines().origin("") == "run.toml"


def test_values_from_python_have_no_origin():
    assert Document({"a": 1}).origin("a") == ""


def test_a_table_that_a_later_header_goes_on_with_keeps_its_lines():
    text = "[loss]\nmargin = 1\n[index]\nk = 1\n[loss.miner]\nname = 'x'\n[index.search]\nm = 2\n"
    document = lines(text)
    found = [
        document.origin(path) for path in ("loss.margin", "loss.miner", "loss.miner.name", "index.search.m", "index.k")
    ]
    assert found == [f"run.toml:{line}" for line in (2, 5, 6, 8, 4)]


def test_dotted_keys_at_the_top_extend_one_table():
    text = "loss.name = 'triplet'\nloss.miner.name = 'x'\nseed = 1\nloss.miner.epsilon = 2\nloss.margin = 3\n"
    document = lines(text)
    found = [document.origin(path) for path in ("loss", "loss.miner.epsilon", "loss.margin", "loss.miner", "loss.x")]
    assert found == [f"run.toml:{line}" for line in (1, 4, 5, 2, 1)]


def test_crlf_line_ends_count_as_one_line(tmp_path):
    file = tmp_path / "run.toml"
    file.write_bytes(b"[loss]\r\nname = 'x'\r\nmargin = 1\r\n")
    assert toml.load(file).origin("loss.margin") == f"{file}:3"


keys = st.from_regex("[a-z]{1,6}", fullmatch=True)


@settings(max_examples=60, deadline=None)
@given(
    tables=st.dictionaries(
        keys, st.dictionaries(keys, st.integers(0, 9), min_size=1, max_size=4), min_size=1, max_size=4
    )
)
def test_lines_of_plain_tables_agree_with_counting(tables):
    text, expected = [], {}
    for table, values in tables.items():
        text.append(f"[{table}]")
        expected[table] = len(text)
        for key, value in values.items():
            text.append(f"{key} = {value}")
            expected[f"{table}.{key}"] = len(text)
        text.append("")
    document = lines("\n".join(text))
    assert {path: document.origin(path) for path in expected} == {
        path: f"run.toml:{line}" for path, line in expected.items()
    }


@pytest.fixture
def config(tmp_path):
    def write(text: str, *overrides: str) -> Document:
        file = tmp_path / "run.toml"
        file.write_text(textwrap.dedent(text))
        return toml.load(file, overrides)

    return write


@pytest.mark.parametrize(
    ("override", "value"),
    [
        ("loss.margin=0.3", 0.3),
        ("loss.margin = 3", 3),
        ("loss.name=contrastive", "contrastive"),
        ('loss.name="contrastive"', "contrastive"),
        ("loss.flag=true", True),
        ("loss.shape=[1, 2]", [1, 2]),
        ("loss.miner={ name = 'x' }", {"name": "x"}),
        ("loss.empty=", ""),
        ("loss.metric=recall@5", "recall@5"),
        ("loss.equation=a=b", "a=b"),
    ],
)
def test_an_override_is_toml_or_a_bare_word_and_its_own_origin(config, override, value):
    document = config("[loss]\nname = 'triplet'\n", override)
    path = override.partition("=")[0].strip()
    assert document.values["loss"][path.removeprefix("loss.")] == value
    assert document.origin(path) == f"--set {override}"


def test_an_override_makes_the_tables_it_needs(config):
    document = config("", "index.search.name=hnsw")
    assert document.values == {"index": {"search": {"name": "hnsw"}}}
    assert document.origin("index.search.m") == str(document.source)


def test_an_override_turns_a_bare_name_into_a_table(config):
    document = config("[loss]\nname = 'triplet'\ndistance = 'snr'\n", "loss.distance.regularize=0.1")
    assert document.values["loss"]["distance"] == {"name": "snr", "regularize": 0.1}
    assert document.origin("loss.distance.name") == f"{document.source}:3"


def test_an_override_of_a_table_is_the_origin_of_all_it_holds(config):
    document = config("[loss]\nname = 'triplet'\n", "loss.miner={ name = 'x', epsilon = 1 }")
    assert document.origin("loss.miner.epsilon") == "--set loss.miner={ name = 'x', epsilon = 1 }"


def test_an_override_reaches_an_element_of_a_list(config):
    document = config(
        "[evaluate]\nmetrics = ['recall@1', { name = 'recall_at_k', k = 2 }]\n", "evaluate.metrics[1].k=5"
    )
    assert document.values["evaluate"]["metrics"] == ["recall@1", {"name": "recall_at_k", "k": 5}]
    assert document.origin("evaluate.metrics[1].k") == "--set evaluate.metrics[1].k=5"


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("loss.margin", "--set loss.margin: write it as --set section.setting=value"),
        ("=3", "--set =3: write it as --set section.setting=value"),
        ("seed.deep=3", "--set seed.deep=3: seed is 1, not a table"),
        ("loss..x=3", "--set loss..x=3: write it as --set section.setting=value"),
        ("metrics[3]=3", "--set metrics[3]=3: metrics has no element 3"),
        ("metrics[x]=3", "--set metrics[x]=3: write it as --set section.setting=value"),
        ("seed[0]=3", "--set seed[0]=3: seed is 1, not a list"),
    ],
)
def test_a_malformed_override_says_how_it_is_written(config, override, message):
    with pytest.raises(SimplugError) as raised:
        config("seed = 1\nmetrics = ['a']\n[loss]\nname = 'triplet'\n", override)
    assert str(raised.value) == message


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("a = 1\nb = = 2\n", 2),
        ("[loss]\nname = \n", 2),
        ("[loss\n", 1),
        ("a = 1\na = 2\n", 2),
        ("a = 'x", 1),
        ("\n\nx", 3),
    ],
)
def test_what_is_no_toml_has_a_line(config, text, line):
    with pytest.raises(ConfigError) as raised:
        config(text)
    (problem,) = raised.value.problems
    assert problem.origin.endswith(f"run.toml:{line}")
    assert problem.message.startswith("not TOML: ")


def test_a_missing_file_is_named():
    with pytest.raises(SimplugError, match=r"^config nowhere\.toml: there is no such file$"):
        toml.load("nowhere.toml")


def test_a_folder_and_a_file_in_another_encoding_cannot_be_read(tmp_path):
    with pytest.raises(SimplugError, match="cannot be read"):
        toml.load(tmp_path)
    (tmp_path / "latin.toml").write_bytes(b"a = '\xe9'")
    with pytest.raises(SimplugError, match=r"latin\.toml cannot be read: 'utf-8' codec"):
        toml.load(tmp_path / "latin.toml")


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads every file")
def test_an_unreadable_file_is_named(tmp_path):
    file = tmp_path / "secret.toml"
    file.write_text("")
    file.chmod(0)
    with pytest.raises(SimplugError, match=r"secret\.toml cannot be read"):
        toml.load(file)


def test_plugins_see_the_config_with_its_overrides_and_may_edit_it(config, plugin):
    class Seeds:
        @hookimpl
        def simplug_config_loaded(self, config, source):
            config["seed"] = config["seed"] + 1
            self.source = source

    listener = plugin(Seeds())
    document = config("seed = 1\n", "seed=5")
    assert document.values == {"seed": 6}
    assert listener.source == document.source


def test_values_survive_writing_and_reading(tmp_path):
    values = {
        "loss": {"name": "triplet", "miner": {"name": "x"}, "several": [{"name": "a"}, "b"]},
        "on": True,
        "w": [0.5],
    }
    file = tmp_path / "out.toml"
    file.write_text(toml.dumps(values))
    assert toml.load(file).values == values
