"""The matches of queries, whatever the cut point."""

import numpy as np
import pytest

import simplug
from simplug.kernel.errors import InvalidInputError


@pytest.fixture
def index():
    with simplug.Index.create(None, dim=2, distance="euclidean", search="exact", store="memory") as made:
        made.add([[0.0, 0.0], [1.0, 0.0], [4.0, 0.0], [5.0, 0.0]], labels=[3, 3, 8, 8])
        yield made


def test_a_match_has_the_label_and_the_distance_of_the_nearest_record(index):
    labels, distances = index.matches([[0.25, 0.0], [9.0, 0.0]])
    assert labels.tolist() == [3, 8]
    assert distances.tolist() == [0.25, 4.0]


def test_a_matcher_that_condenses_the_records_is_asked_for_its_own(index):
    labels, distances = index.matches([[2.25, 0.0]], matcher="prototype")
    assert labels.tolist() == [3]
    assert distances.tolist() == [1.75]


def test_an_empty_index_matches_nothing():
    with simplug.Index.create(None, dim=2, search="exact", store="memory") as empty:
        assert np.isinf(empty.matches([[1.0, 0.0]])[1]).all()


def test_no_neighbour_at_all_is_refused(index):
    with pytest.raises(InvalidInputError, match="k"):
        index.matches([[0.0, 0.0]], k=0)
