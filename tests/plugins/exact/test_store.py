"""The store in memory."""

import numpy as np
import pytest

import simplug
from simplug.api.store import Rows, no_rows
from simplug.kernel.errors import ArtifactError


def rows_of(*rows):
    count = len(rows)
    return Rows(
        np.array(rows), np.array(rows) + 100, np.zeros(count, int), np.ones((count, 2), np.float32), [b""] * count
    )


def test_a_commit_with_an_unknown_row_changes_nothing():
    records = simplug.stores.build("memory").open(None, 2)
    records.commit(rows_of(0, 1), no_rows())
    with pytest.raises(ArtifactError, match="row 9 is not in the store"):
        records.commit(rows_of(2), np.array([0, 9]))
    assert len(records) == 2
    assert records.sequence == 1
    assert records.last_row == 1


def test_what_was_used_is_remembered_after_it_is_gone():
    records = simplug.stores.build("memory").open(None, 2)
    records.commit(rows_of(4, 6), no_rows())
    records.commit(None, np.array([4, 6]))
    assert (len(records), records.last_row, records.last_id, records.sequence) == (0, 6, 106, 2)
