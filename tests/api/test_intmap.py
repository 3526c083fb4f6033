"""A map of integers behaves as a dictionary."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simplug.api import intmap
from simplug.api.intmap import IntMap

KEYS = st.one_of(st.integers(-5, 30), st.integers(-(2**63), 2**63 - 1))


def array(values):
    return np.array(list(values), dtype=np.int64)


@pytest.mark.parametrize("fewest", [1, 1024])
@settings(max_examples=150, deadline=None, derandomize=True)
@given(
    begin=st.lists(KEYS, unique=True, max_size=20),
    steps=st.lists(st.tuples(st.booleans(), st.lists(KEYS, unique=True, max_size=12)), max_size=12),
)
def test_additions_and_removals_give_what_a_dictionary_gives(fewest, begin, steps):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(intmap, "_FEWEST", fewest)
        model = {key: place for place, key in enumerate(begin)}
        found = IntMap(array(begin), np.arange(len(begin)))
        for number, (adds, keys) in enumerate(steps):
            if adds:
                fresh = [key for key in keys if key not in model]
                found.add(array(fresh), np.arange(len(fresh)) + 100 * number)
                model |= {key: 100 * number + place for place, key in enumerate(fresh)}
            else:
                present = [key for key in keys if key in model]
                found.remove(array(present))
                for key in present:
                    del model[key]
            asked = [*model, *keys, 7]
            assert found.find(array(asked)).tolist() == [model.get(key, -1) for key in asked]
            assert len(found) == len(model)
            assert dict(zip(*(column.tolist() for column in found.items()), strict=True)) == model


def test_a_million_entries_take_some_twenty_bytes_each():
    found = IntMap(array([]), array([]))
    for start in range(0, 1_000_000, 10_000):
        rows = np.arange(start, start + 10_000)
        found.add(rows * 3, rows)
    assert found.find(array([2_999_997, 1])).tolist() == [999_999, -1]
    arrays = found._keys.nbytes + found._values.nbytes
    assert arrays <= 16_000_000
    assert len(found._recent) <= 1_000_000 // 8
