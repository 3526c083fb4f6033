"""Which classes a run knows and trains on: by label, by name, by group, by share; and examples held out to test on."""

import attrs
import numpy as np
import pytest

from simplug.api import Data, DataError, Split
from simplug.experiment.class_choice import listed
from simplug.experiment.config import RunConfig
from simplug.experiment.folds import deal
from simplug.experiment.run import read_config
from simplug.experiment.selection import select
from simplug.kernel import toml
from simplug.kernel.config import Report, plain_fields, structure
from simplug.kernel.errors import ConfigError

NAMES = dict(enumerate(["alpha", "beta", "gamma", "aleph", "bet", "a"]))
GROUPS = np.array([4, 4, 4, 7, 7, 9])
"""Of each class, the alphabet."""

GROUP_NAMES = {4: "Greek", 7: "Hebrew", 9: "Latin"}


def config(**sections):
    report = Report()
    table = {"dataset": "digits", "index": {"examples_per_class": 5}, **sections}
    built = structure(RunConfig, table, report)
    report.finish()
    return built


def data(*, per_class=12, test_per_class=4, names=NAMES):
    def split(count):
        labels = np.repeat(np.arange(6), count)
        return Split(np.arange(len(labels))[:, None], labels, GROUPS[labels])

    splits = {"train": split(per_class)} | ({"test": split(test_per_class)} if test_per_class else {})
    return Data(splits, names, GROUP_NAMES)


def seen(**split):
    return select(data(), config(split=split)).seen.tolist()


def test_classes_are_named_by_label_or_by_name():
    assert seen(train_classes=[4, "beta", "alpha", 1]) == [0, 1, 4]
    chosen = select(data(), config(index={"examples_per_class": 5, "unknown_classes": ["a", 3]}))
    assert chosen.known.tolist() == chosen.seen.tolist() == [0, 1, 2, 4]


def test_classes_that_share_a_name_are_all_meant():
    chosen = select(data(names={**NAMES, 5: "beta"}), config(split={"train_classes": ["beta"]}))
    assert chosen.seen.tolist() == [1, 5]


def test_the_classes_of_groups_are_trained_on_by_number_or_name_but_those_that_are_unknown():
    assert seen(train_groups=["Hebrew", 4]) == [0, 1, 2, 3, 4]
    unknown = {"examples_per_class": 5, "unknown_classes": ["bet"]}
    chosen = select(data(), config(split={"train_groups": [7, 9]}, index=unknown))
    assert (chosen.seen.tolist(), chosen.known.tolist()) == ([3, 5], [0, 1, 2, 3, 5])
    assert chosen.group_names == GROUP_NAMES
    assert set(chosen.training.groups.tolist()) == {7, 9}


def test_a_share_of_the_classes_is_drawn_by_a_seed_of_its_own():
    drawn = [seen(train_fraction=0.5, seed=seed) for seed in range(6)]
    assert {len(classes) for classes in drawn} == {3}
    assert len({tuple(classes) for classes in drawn}) > 2
    other_training = config(split={"train_fraction": 0.5, "seed": 2}, train={"seed": 99})
    assert select(data(), other_training).seen.tolist() == drawn[2]


def test_the_share_is_of_the_classes_that_are_not_unknown():
    unknown = {"examples_per_class": 5, "unknown_classes": [0, 1]}
    chosen = select(data(), config(split={"train_fraction": 0.5}, index=unknown))
    assert len(chosen.seen) == 2
    assert not set(chosen.seen.tolist()) & {0, 1}


def test_a_share_of_each_class_is_held_out_where_there_is_no_test_split():
    def chosen(seed):
        return select(data(test_per_class=0), config(split={"test_fraction": 0.25, "seed": seed}, train={"seed": seed}))

    one = chosen(3)
    assert np.bincount(one.test.labels).tolist() == [3] * 6
    assert np.bincount(one.training.labels).tolist() == [9] * 6
    rows = {int(row) for part in (one.test, one.training) for row in part.inputs[:, 0]}
    assert rows == set(range(72))
    np.testing.assert_array_equal(chosen(3).test.inputs, one.test.inputs)
    assert chosen(4).test.inputs.tolist() != one.test.inputs.tolist()


def test_classes_of_groups_are_dealt_out_to_folds_and_the_others_are_the_test(monkeypatch):
    parsed = config(split={"train_groups": ["Greek", "Hebrew"], "test_fraction": 0.25})
    monkeypatch.setattr(type(parsed.dataset), "load", lambda self: data(test_per_class=0))
    dealt = deal(parsed, 2)
    assert sorted(np.concatenate(dealt.folds).tolist()) == [0, 1, 2, 3, 4]
    assert dealt.test.labels.tolist() == [5, 5, 5]


def test_all_classes_are_trained_on_without_a_copy_of_the_examples():
    given = data()
    assert select(given, config()).training is given.splits["train"]


def without_groups():
    splits = {name: attrs.evolve(split, groups=None) for name, split in data().splits.items()}
    return Data(splits, NAMES)


def with_mixed_groups():
    given = data()
    mixed = given.splits["train"].groups.copy()
    mixed[13] = 9
    return Data({**given.splits, "train": attrs.evolve(given.splits["train"], groups=mixed)}, NAMES, given.group_names)


@pytest.mark.parametrize(
    ("given", "sections", "message"),
    [
        (
            data(),
            {"split": {"train_classes": ["alpa"]}},
            "split.train_classes names 'alpa', and the train split has no such name; did you mean 'alpha'?; there are: "
            "alpha, beta, gamma, aleph, bet, a",
        ),
        (
            data(names={}),
            {"split": {"train_classes": ["0"]}},
            "split.train_classes names '0', and the train split has no such name; there are no names but numbers: 0, 1",
        ),
        (
            data(),
            {"split": {"train_groups": ["Greek", 5]}},
            "split.train_groups names 5, and the train split has no such group; there are: 4, 7, 9",
        ),
        (without_groups(), {"split": {"train_groups": ["Greek"]}}, "split.train_groups names groups, and the data set"),
        (
            with_mixed_groups(),
            {"split": {"train_groups": ["Greek"]}},
            "1 of 3 classes in the groups of split.train_groups have examples in other groups, too: beta; a class is",
        ),
        (
            data(),
            {"split": {"train_groups": ["Latin"]}, "index": {"unknown_classes": ["a"]}},
            "index.unknown_classes names every class in the groups of split.train_groups",
        ),
        (
            data(),
            {"split": {"train_classes": ["beta"]}, "index": {"unknown_classes": [1]}},
            "split.train_classes names beta, and so does index.unknown_classes: a class is met, or it is not",
        ),
        (
            data(),
            {"split": {"train_fraction": 0.05}},
            "split.train_fraction is 0.05, which of 6 classes makes 0; there should be classes to train on and others",
        ),
        (
            data(),
            {"split": {"test_fraction": 0.5}},
            "split.test_fraction is 0.5, and the data set has a test split of its own, of 24 examples; leave it out",
        ),
        (
            data(test_per_class=0),
            {},
            "the data set has no test split; it has: train; split.test_fraction = 0.25 holds out a quarter",
        ),
        (
            data(per_class=1, test_per_class=0),
            {"split": {"test_fraction": 0.5}},
            "split.test_fraction leaves an example of each class to train on, and no class has a second",
        ),
    ],
)
def test_choices_that_cannot_be_made_are_refused(given, sections, message):
    with pytest.raises(DataError) as refused:
        select(given, config(**sections))
    assert str(refused.value).startswith(message)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (
            "train_classes = [1]\ntrain_fraction = 0.5",
            "run.toml:5: split.train_fraction: and train_classes both choose the classes to train on; leave one of",
        ),
        ("train_groups = []", "run.toml:4: split.train_groups: is empty; name at least one, or leave it out to train"),
        ("train_classes = [1.5]", "run.toml:4: split.train_classes[0]: must be a whole number or a text, not 1.5"),
        ("train_fraction = 1.0", "run.toml:4: split.train_fraction: must be < 1, not 1.0"),
        ("test_fraction = 0", "run.toml:4: split.test_fraction: must be > 0, not 0"),
        (
            'train_classes = ["a", 2, 1]\n[index]\nunknown_classes = [2, "a", 3]',
            "run.toml:6: index.unknown_classes: names 2, a, and so does split.train_classes",
        ),
    ],
)
def test_mistakes_in_the_config_are_told_with_file_and_line(tmp_path, line, message):
    (tmp_path / "run.toml").write_text(f'[dataset]\nname = "digits"\n[split]\n{line}\n')
    with pytest.raises(ConfigError) as refused:
        read_config(toml.load(tmp_path / "run.toml", ()))
    assert message in str(refused.value)


def test_a_config_with_names_survives_being_written():
    first = config(split={"train_classes": ["alpha", 3]}, index={"unknown_classes": ["a"]})
    report = Report()
    again = structure(RunConfig, plain_fields(first), report)
    report.finish()
    assert again.split == first.split
    assert again.index.unknown_classes == ("a",)


def test_long_lists_are_cut():
    assert listed(range(30)) == ", ".join(map(str, range(30)))
    assert listed(range(1030)).endswith("28, 29 and 1000 more")
