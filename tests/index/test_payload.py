"""Payloads: what goes in comes out, bit for bit, and nothing else goes in."""

import contextlib
import math
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as stnp

from simplug.index.payload import decode, encode
from simplug.kernel.errors import ArtifactError, InvalidInputError

_DTYPES = st.one_of(
    stnp.boolean_dtypes(),
    stnp.integer_dtypes(),
    stnp.unsigned_integer_dtypes(),
    stnp.floating_dtypes(),
    stnp.complex_number_dtypes(),
    stnp.byte_string_dtypes(),
    stnp.unicode_string_dtypes(),
    stnp.datetime64_dtypes(),
)
_ARRAYS = _DTYPES.flatmap(lambda dtype: stnp.arrays(dtype, stnp.array_shapes(min_dims=0, min_side=0, max_side=4)))
_PLAIN = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(), st.binary(), _ARRAYS)
_VALUES = st.recursive(
    _PLAIN,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(), inner, max_size=3)),
    max_leaves=6,
)


def same(left, right):
    if type(left) is not type(right):
        return False
    if isinstance(left, np.ndarray | np.generic):
        return left.dtype == right.dtype and left.shape == right.shape and left.tobytes() == right.tobytes()
    if isinstance(left, float):
        return struct.pack("d", left) == struct.pack("d", right)
    if isinstance(left, list):
        return len(left) == len(right) and all(map(same, left, right))
    if isinstance(left, dict):
        return list(left) == list(right) and all(same(left[key], right[key]) for key in left)
    return left == right


@given(_VALUES)
def test_every_value_comes_back_bit_for_bit_with_its_type(value):
    assert same(decode(encode(value)), value)


@pytest.mark.parametrize(
    "scalar", [np.float32(1.5), np.int8(-3), np.bool_(True), np.str_("ä"), np.datetime64("2020-01-01")]
)
def test_a_numpy_scalar_stays_a_numpy_scalar(scalar):
    assert same(decode(encode(scalar)), scalar)


def test_not_a_number_and_minus_zero_survive():
    assert math.isnan(decode(encode(math.nan)))
    assert math.copysign(1, decode(encode(-0.0))) == -1


def test_a_whole_number_of_any_size_survives():
    assert decode(encode(-(7**20000))) == -(7**20000)


def test_a_fortran_array_keeps_its_values():
    array = np.asfortranarray(np.arange(6.0).reshape(2, 3))
    assert np.array_equal(decode(encode(array)), array)


def test_a_decoded_array_can_be_written_to():
    decode(encode(np.zeros(3)))[0] = 1


def test_no_data_takes_no_bytes():
    assert encode(None) == b""
    assert decode(b"") is None


@pytest.mark.parametrize(
    ("value", "name"),
    [
        (object(), "builtins.object"),
        ((1, 2), "builtins.tuple"),
        ({1, 2}, "builtins.set"),
        (bytearray(b"x"), "builtins.bytearray"),
        (1j, "builtins.complex"),
        ([1, {"a": (2,)}], r"data\[1\]\['a'\] is a builtins.tuple"),
        (np.array([object()]), "dtype object"),
        (np.zeros(2, dtype=[("a", "f4")]), "dtype"),
        ({1: 2}, "the key 1"),
        ("\ud800", "UTF-8"),
        (np.ma.masked_array([1, 2], [0, 1]), "MaskedArray"),
    ],
)
def test_what_cannot_be_stored_is_refused_by_name(value, name):
    with pytest.raises(InvalidInputError, match=name):
        encode(value)


def test_a_value_nested_too_deep_is_refused():
    value = []
    for _ in range(100):
        value = [value]
    with pytest.raises(InvalidInputError, match="nested"):
        encode(value)


@given(_VALUES, st.data())
def test_a_shortened_payload_is_an_error_and_nothing_worse(value, data):
    payload = encode(value)
    if len(payload) > 1:
        end = data.draw(st.integers(1, len(payload) - 1))
        with pytest.raises(ArtifactError):
            decode(payload[:end])


@given(st.binary(min_size=1, max_size=60))
def test_arbitrary_bytes_never_raise_anything_but_an_artifact_error(payload):
    with contextlib.suppress(ArtifactError):
        decode(payload)
