from __future__ import annotations

import struct

import numpy as np
from records import example_of
from simplug_datasets.tf_example import features_of, values_of


def test_each_kind_of_values_is_read():
    features = features_of(
        example_of({"text": b"abc", "floats": np.float32([1.5, -2]), "integers": np.array([0, 1, -1, 2**62, -(2**63)])})
    )
    assert list(features) == ["text", "floats", "integers"]
    assert values_of(features["text"]) == [b"abc"]
    np.testing.assert_array_equal(values_of(features["floats"]), [1.5, -2])
    np.testing.assert_array_equal(values_of(features["integers"]), [0, 1, -1, 2**62, -(2**63)])


def test_numbers_in_fields_of_their_own_are_read():
    # Each number with a tag of its own: field 1 as four bytes, and field 1 as a varint.
    floats = b"\x0d" + struct.pack("<f", 1.5) + b"\x0d" + struct.pack("<f", -2)
    np.testing.assert_array_equal(values_of(b"\x12" + bytes([len(floats)]) + floats), [1.5, -2])
    integers = b"\x08\x05\x08\xac\x02"
    np.testing.assert_array_equal(values_of(b"\x1a" + bytes([len(integers)]) + integers), [5, 300])


def test_unknown_fields_are_passed_over():
    known = example_of({"a": b"x"})
    unknown = b"\x38\x01" + b"\x3d1234" + b"\x3912345678" + b"\x3a\x02zz"
    assert values_of(features_of(unknown + known + unknown)["a"]) == [b"x"]


def test_nothing_is_an_example_without_features_and_a_feature_without_values():
    assert features_of(b"") == {}
    assert len(values_of(b"")) == 0


def test_bytes_that_are_no_message_are_an_error_and_nothing_else():
    whole = example_of({"image": b"x" * 40, "label": 300, "numbers": np.float32([1, 2, 3])})
    rng = np.random.default_rng(0)
    errors = 0
    for _ in range(3000):
        damaged = bytearray(whole[: rng.integers(1, len(whole) + 1)])
        for place in rng.integers(0, len(damaged), 2):
            damaged[place] = rng.integers(0, 256)
        try:
            for feature in features_of(bytes(damaged)).values():
                values_of(feature)
        except ValueError:
            errors += 1
    assert errors > 500
