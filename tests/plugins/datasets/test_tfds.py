from __future__ import annotations

import sys

import numpy as np
import pytest
from simplug_datasets.tfds import Tfds

from simplug.api import DataError

# TensorFlow Datasets downloads what it reads, so its place is taken by a module with the three functions that are
# called; what they return has the form that the library documents.
STAND_IN = """
import types
import numpy as np

ELEMENTS = {}
NAMES = None

def load(name, *, split, data_dir, download):
    if name != "pets":
        raise ValueError(f"Dataset {name} not found")
    return ELEMENTS[split]

def as_numpy(elements):
    return iter(elements)

def builder(name, *, data_dir):
    feature = types.SimpleNamespace(names=NAMES) if NAMES else types.SimpleNamespace()
    return types.SimpleNamespace(info=types.SimpleNamespace(features={"label": feature, "species": feature}))
"""


@pytest.fixture
def library(site):
    site.install("tensorflow-datasets", {}, {"tensorflow_datasets": STAND_IN})
    import tensorflow_datasets

    rng = np.random.default_rng(0)
    for split, count in (("train", 6), ("test", 4)):
        tensorflow_datasets.ELEMENTS[split] = [
            {
                "image": rng.integers(0, 256, (5, 4, 3), dtype=np.uint8),
                "label": np.int64(number % 3),
                "species": [b"dog", b"cat"][number % 2],
                "text": b"x",
            }
            for number in range(count)
        ]
    return tensorflow_datasets


def test_without_the_library_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorflow_datasets", None)
    with pytest.raises(DataError, match=r"needs tensorflow-datasets, .*: pip install 'simplug\[tfds\]'"):
        Tfds("mnist").load()


def test_splits_become_arrays_with_the_names_of_the_classes(library):
    library.NAMES = ["a", "b", "c"]
    data = Tfds("pets").load()
    assert data.class_names == {0: "a", 1: "b", 2: "c"}
    for name, split in data.splits.items():
        np.testing.assert_array_equal(split.inputs, [element["image"] for element in library.ELEMENTS[name]])
        assert split.labels.tolist() == [element["label"] for element in library.ELEMENTS[name]]
        assert split.groups is None
    assert data.group_names == {}
    assert Tfds("pets", category_key="label").load().group_names == {0: "a", 1: "b", 2: "c"}


def test_numbers_without_names_have_none(library):
    assert Tfds("pets", test=None).load().class_names == {}
    assert list(Tfds("pets", test=None).load().splits) == ["train"]


def test_texts_are_numbered_over_both_splits(library):
    data = Tfds("pets", label_key="species", category_key="species").load()
    assert data.class_names == data.group_names == {0: "cat", 1: "dog"}
    assert data.splits["test"].labels.tolist() == data.splits["test"].groups.tolist() == [1, 0, 1, 0]


def test_images_are_brought_to_one_size(library):
    library.ELEMENTS["train"][2]["image"] = np.zeros((9, 9, 3), np.uint8)
    with pytest.raises(DataError, match=r"train: example 2 is uint8 of shape \(9, 9, 3\), the first .*\nset size"):
        Tfds("pets").load()
    assert Tfds("pets", size=(7, 6)).load().splits["train"].inputs.shape == (6, 7, 6, 3)


def test_splits_of_several_shapes_are_refused(library):
    for element in library.ELEMENTS["test"]:
        element["image"] = element["image"][:3]
    with pytest.raises(DataError, match=r"several shapes: train uint8 of shape \(5, 4, 3\), test uint8 .*\(3, 4, 3\)"):
        Tfds("pets").load()


def test_a_missing_feature_is_named_with_those_there(library):
    with pytest.raises(DataError, match=r"no feature 'lable'; did you mean 'label'\?\nfeatures: image, label, species"):
        Tfds("pets", label_key="lable").load()


def test_what_the_library_does_not_know_is_an_error_with_its_words(library):
    with pytest.raises(DataError, match="dataset tfds: cars, split train: Dataset cars not found"):
        Tfds("cars").load()


def test_examples_and_labels_of_other_types_are_refused(library):
    with pytest.raises(DataError, match="'text' must hold numbers"):
        Tfds("pets", example_key="text").load()
    with pytest.raises(DataError, match="a label is a whole number or a text, not array"):
        Tfds("pets", label_key="image").load()
