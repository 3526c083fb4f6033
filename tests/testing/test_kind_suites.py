"""The checks of each kind find the mistakes that they are there for; NumPy alone."""

from __future__ import annotations

from contextlib import closing

import attrs
import numpy as np
import pytest

import simplug
from simplug.api import (
    Augmenter,
    Batches,
    ClusteringMetric,
    Data,
    Dataset,
    Engine,
    Matcher,
    RetrievalMetric,
    Sampler,
    Search,
    Split,
    VerificationMetric,
)
from simplug.testing import (
    AugmenterSuite,
    DatasetSuite,
    MatcherSuite,
    MetricSuite,
    SamplerSuite,
    SearchSuite,
    StoreSuite,
)

FAILURES = (AssertionError, pytest.fail.Exception)


@attrs.frozen
class Averaging(Matcher):
    """A matcher with every mistake: it counts empty places, in float32, writes to its input and invents labels."""

    def match(self, labels, distances):
        distances[~np.isfinite(distances)] = 0
        return np.round(labels.mean(axis=1)).astype(np.int64), distances.mean(axis=1).astype(np.float32)

    def condense(self, labels, embeddings):
        blocks = list(embeddings)
        return np.unique(labels)[:1] + 1, blocks[0].mean(axis=0)[None]


@pytest.mark.parametrize(
    "check",
    [
        "test_it_returns_a_label_and_a_distance_for_each_query",
        "test_the_label_is_one_of_the_neighbours",
        "test_empty_places_are_ignored",
        "test_a_query_without_a_neighbour_has_distance_inf",
        "test_a_condensed_gallery_has_labels_of_the_records",
        "test_a_gallery_is_condensed_in_blocks_of_any_size",
    ],
)
@pytest.mark.filterwarnings("ignore:Mean of empty slice", "ignore:invalid value")
def test_a_matcher_that_averages_is_found(check):
    with pytest.raises(FAILURES):
        getattr(MatcherSuite(), check)(Averaging())


@attrs.frozen
class Upside(RetrievalMetric):
    """A metric that prefers wrong neighbours and looks beyond its depth."""

    def depth(self, relevant):
        return 5

    def score(self, hits, relevant):
        return 1 - hits.mean(axis=1)


@pytest.mark.parametrize(
    "check",
    [
        "test_a_perfect_result_has_the_best_value",
        "test_the_worst_result_has_the_worst_value",
        "test_what_lies_beyond_its_view_does_not_count",
    ],
)
def test_a_metric_upside_down_is_found(check):
    with pytest.raises(FAILURES):
        getattr(MetricSuite(), check)(Upside())


def test_a_metric_that_punishes_progress_is_found():
    class LastPlace(Upside):
        def score(self, hits, relevant):
            return hits[:, 4].astype(float)

    with pytest.raises(FAILURES):
        MetricSuite().test_a_better_result_is_never_scored_lower(LastPlace())


@attrs.frozen
class Downhill(VerificationMetric):
    """A metric that prefers negative pairs to be near, and goes by the distances themselves."""

    def score(self, counts):
        return 2 - float(counts.accepted_positives.mean()) * counts.thresholds[-1]


@attrs.frozen
class CountingClusters(ClusteringMetric):
    """A metric that goes by the numbers of clusters, and has no value for a single example."""

    def score(self, labels, clusters):
        return float(np.mean(labels == clusters)) / (len(labels) - 1)


@pytest.mark.parametrize(
    ("metric", "check"),
    [
        (Downhill(), "test_a_perfect_result_has_the_best_value"),
        (Downhill(), "test_the_order_of_the_queries_does_not_matter"),
        (Downhill(), "test_a_better_result_is_never_scored_lower"),
        (Downhill(), "test_values_are_from_zero_to_one"),
        (CountingClusters(), "test_a_perfect_result_has_the_best_value"),
        (CountingClusters(), "test_what_lies_beyond_its_view_does_not_count"),
        (CountingClusters(), "test_too_little_to_score_is_finite"),
    ],
)
@pytest.mark.filterwarnings("ignore:divide by zero", "ignore:invalid value")
def test_a_metric_with_a_single_value_that_breaks_its_contract_is_found(metric, check):
    with pytest.raises((*FAILURES, ZeroDivisionError)):
        getattr(MetricSuite(), check)(metric)


@attrs.frozen
class Stream(Sampler):
    """A sampler whose batches depend on what was asked for before, and are views of the data."""

    def batches(self, split, *, steps, seed, augmenter=None):
        return StreamOfBatches(split, steps)


class StreamOfBatches(Batches):
    def __init__(self, split, steps):
        self.split, self.steps, self.place = split, steps, 0

    def __len__(self):
        return self.steps

    def start_epoch(self, epoch):
        pass

    def __getitem__(self, step):
        self.place += 8
        part = slice(self.place - 8, self.place)
        return self.split.inputs[part], self.split.labels[part]


@pytest.mark.parametrize(
    "check",
    [
        "test_another_seed_gives_other_batches",
        "test_an_epoch_can_be_returned_to",
        "test_batches_may_be_asked_for_in_any_order",
        "test_views_repeat_the_labels",
        "test_the_split_is_left_alone",
        "test_a_split_that_cannot_fill_a_batch_is_refused",
    ],
)
def test_a_sampler_with_a_memory_is_found(check):
    with pytest.raises(FAILURES):
        getattr(SamplerSuite(), check)(Stream())


@attrs.frozen
class Noisy(Augmenter):
    """An augmenter that works in place, in float64, with NumPy's global chance, and a view more for large batches."""

    def views(self, inputs, rng):
        inputs[:1] = 0
        noisy = inputs + np.random.normal(size=inputs.shape)
        return (noisy,) * min(len(inputs), 2)


@pytest.mark.parametrize(
    "check",
    [
        "test_shape_and_dtype_stay",
        "test_the_input_is_left_alone",
        "test_the_same_generator_gives_the_same_views",
        "test_chance_comes_from_the_generator_alone",
        "test_the_number_of_views_is_constant",
    ],
)
def test_an_augmenter_in_place_is_found(check):
    inputs = np.full((4, 8, 8, 1), 9, np.uint8)
    with pytest.raises(FAILURES):
        getattr(AugmenterSuite(), check)(Noisy(), inputs)


SHARED = Split(np.arange(12.0).reshape(6, 2), np.arange(6))


@attrs.frozen
class Cached(Dataset):
    """A data set that hands out its own arrays, with a NaN, a class without a name and names without groups."""

    def load(self):
        spoilt = Split(np.full((2, 2), np.nan), np.array([7, 8]))
        return Data({"train": SHARED, "test": spoilt}, {0: "zero"}, {0: "round"})


@pytest.mark.parametrize(
    "check",
    ["test_numbers_are_finite", "test_class_names_are_texts_by_label", "test_group_names_are_texts_by_group"],
)
def test_a_data_set_with_a_nan_and_nameless_classes_and_groups_is_found(check):
    with pytest.raises(FAILURES):
        getattr(DatasetSuite(), check)(Cached().load())


def test_a_data_set_that_hands_out_its_own_arrays_is_found():
    with pytest.raises(FAILURES):
        DatasetSuite().test_loads_are_independent(Cached(), Cached().load())


@attrs.frozen
class Careless(Search):
    """A search that forgets removals, keeps the caller's array, and fills no empty places."""

    exact = True
    spaces = None

    def create(self, dim, distance):
        return CarelessEngine(dim, distance)


class CarelessEngine(Engine):
    def __init__(self, dim, distance):
        self.distance, self.known, self.kept = distance, np.empty(0, np.int64), np.empty((0, dim), np.float32)

    def __len__(self):
        return len(self.known)

    def add(self, rows, vectors):
        self.kept = np.concatenate([self.kept, vectors]) if len(self.known) else vectors
        self.known = np.concatenate([self.known, rows])

    def remove(self, rows):
        pass

    def rows(self):
        return self.known[::-1]

    def vectors(self, rows):
        return self.kept[: len(rows)]

    def search(self, queries, k):
        distances = self.distance.numpy(queries, self.kept) ** 2
        order = np.argsort(distances, axis=1)[:, :k]
        return self.known[order], np.take_along_axis(distances, order, axis=1)


@pytest.mark.parametrize(
    "check",
    [
        "test_distances_are_those_of_the_definition",
        "test_results_are_int64_rows_and_float32_distances",
        "test_places_beyond_the_records_are_empty",
        "test_an_empty_engine_finds_nothing",
        "test_a_removed_record_is_never_found",
        "test_its_rows_are_those_that_are_live",
        "test_its_vectors_are_those_that_were_added",
        "test_the_vectors_given_are_left_alone",
    ],
)
def test_a_careless_search_is_found(check):
    with pytest.raises(FAILURES):
        getattr(SearchSuite(), check)(Careless())


def test_a_search_that_misses_neighbours_is_found():
    class Half(CarelessEngine):
        def search(self, queries, k):
            kept = slice(None, None, 2)
            self.known, self.kept = self.known[kept], self.kept[kept]
            return super().search(queries, k)

    class HalfSearch(Careless):
        exact = False

        def create(self, dim, distance):
            return Half(dim, distance)

    with pytest.raises(AssertionError, match=r"recall 0\.[34567]"):
        SearchSuite().test_neighbours_are_the_nearest(HalfSearch())


def _records(**replaced):
    """Return an open store in memory, some of whose methods are replaced."""
    records = simplug.stores.build("memory").open(None, 4)
    wrapped = type("Wrapped", (type(records),), {})
    records.__class__ = wrapped
    for name, method in replaced.items():
        setattr(wrapped, name, method)
    return records


@pytest.mark.parametrize(
    ("check", "replaced"),
    [
        ("test_embeddings_come_back_bit_by_bit", {"embeddings": "halved"}),
        ("test_rows_may_be_asked_for_in_any_order", {"embeddings": "sorted"}),
        ("test_every_commit_counts", {"sequence": property(lambda self: 1)}),
        ("test_the_highest_numbers_are_remembered", {"last_row": property(lambda self: len(self) - 1)}),
        ("test_removed_records_are_gone", {"keys": lambda self: (np.arange(6), np.arange(6), np.arange(6))}),
        ("test_whole_records_are_not_damaged", {"damage": lambda self: {1: "not there"}}),
        ("test_rows_ascend_after_many_commits", {"keys": "by_text"}),
    ],
)
def test_a_store_with_a_mistake_is_found(check, replaced):
    memory = type(_records()).__mro__[1]
    methods = {
        "halved": lambda self, rows: memory.embeddings(self, rows).astype(np.float16).astype(np.float32),
        "sorted": lambda self, rows: memory.embeddings(self, np.sort(rows)),
        "by_text": lambda self: tuple(part[np.argsort(memory.keys(self)[0].astype(str))] for part in memory.keys(self)),
    }
    named = {
        name: methods.get(method, method) if isinstance(method, str) else method for name, method in replaced.items()
    }
    with closing(_records(**named)) as records, np.errstate(over="ignore"), pytest.raises(FAILURES):
        getattr(StoreSuite(), check)(records)
