"""Calibration against brute force over all thresholds, its cut points in use, and its file."""

from __future__ import annotations

import json
import time

import attrs
import numpy as np
import pytest

import simplug
from simplug.evaluation.calibration import Calibration, CutPoint, calibrate
from simplug.evaluation.matches import score_matches
from simplug.kernel.errors import ArtifactError, InvalidInputError

INF = np.inf
NAMES = ("f1", "precision", "recall", "binary_accuracy", "fpr", "npv")
METRICS = {name: simplug.metrics.build(name) for name in NAMES}
MATCHER = {"name": "nearest"}


def run(truth, matched, distances, metric="f1", targets=None):
    extra = [METRICS[name] for name in NAMES if name != metric]
    return calibrate(
        np.asarray(truth),
        np.asarray(matched),
        np.asarray(distances),
        metric=METRICS[metric],
        extra_metrics=extra,
        targets=targets,
        k=1,
        matcher=MATCHER,
    )


def matches(seed, size=200, dtype=np.float32, *, unfilled=0.05, levels=60):
    """Return labels, matched labels and distances that are larger where the match is wrong, with many ties."""
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, 8, size)
    right = rng.random(size) < 0.7
    matched = np.where(right, truth, truth + 1)
    distances = rng.gamma(2.0, np.where(right, 0.1, 0.25))
    distances = (np.round(distances * levels) / levels).astype(dtype)
    distances[rng.random(size) < unfilled] = INF
    return truth, matched, distances


def by_brute_force(truth, matched, distances):
    """Return every threshold and the scores at it, by counting queries one by one."""
    table = []
    for threshold in sorted({float(d) for d in distances if d < INF}):
        count = {"tp": 0, "fp": 0, "tn": 0, "fn": 0}
        for t, m, d in zip(truth, matched, distances, strict=True):
            right, accepted = t == m and d < INF, d <= threshold
            count[("t" if right == accepted else "f") + ("p" if accepted else "n")] += 1
        tp, fp, tn, fn = count.values()
        scores = {
            "f1": 2 * tp / (2 * tp + fp + fn),
            "precision": tp / (tp + fp),
            "recall": tp / (tp + fn),
            "binary_accuracy": (tp + tn) / len(truth),
            "fpr": fp / (fp + tn),
            "npv": tn / (tn + fn) if tn + fn else 1.0,
        }
        table.append((threshold, scores))
    return table


class TestSweep:
    @pytest.mark.parametrize("seed", range(5))
    @pytest.mark.parametrize("dtype", [np.float32, np.float64])
    def test_the_curve_is_what_counting_at_every_threshold_gives(self, seed, dtype):
        data = matches(seed, dtype=dtype)
        table = by_brute_force(*data)
        curve = run(*data).curve
        assert curve["distance"] == pytest.approx([threshold for threshold, _ in table], abs=1e-5)
        for name in NAMES:
            assert curve[name] == pytest.approx([scores[name] for _, scores in table])

    @pytest.mark.parametrize("seed", range(5))
    @pytest.mark.parametrize("metric", NAMES)
    def test_the_optimum_is_the_best_of_all_thresholds(self, metric, seed):
        data = matches(seed)
        table = by_brute_force(*data)
        best = (min if metric == "fpr" else max)(scores[metric] for _, scores in table)
        tied = [threshold for threshold, scores in table if scores[metric] == best]
        optimum = run(*data, metric=metric).cut_points["optimal"]
        assert optimum.scores[metric] == best
        expected = tied[0] if metric in ("recall", "npv") else tied[-1]
        assert optimum.distance == pytest.approx(expected, abs=1e-5)

    def test_ties_go_to_the_largest_distance(self):
        # Three wrong matches between right ones: precision is 1/2 at 0.2 and again at 0.4.
        optimum = run([1, 1, 1, 1], [0, 1, 0, 1], [0.1, 0.2, 0.3, 0.4], "precision").cut_points["optimal"]
        assert optimum.distance == pytest.approx(0.4, abs=1e-5)
        assert optimum.scores["precision"] == 0.5

    def test_full_recall_is_taken_at_the_smallest_distance_that_has_it(self):
        optimum = run([1, 1, 1], [1, 1, 0], [0.1, 0.2, 0.9], "recall").cut_points["optimal"]
        assert optimum.distance == pytest.approx(0.2, abs=1e-5)
        assert optimum.scores["precision"] == 1.0

    def test_a_query_without_a_neighbour_is_rejected_and_its_label_means_nothing(self):
        optimum = run([1, 2], [1, 2], [0.1, INF]).cut_points["optimal"]
        assert optimum.scores == {
            "f1": 1.0, "precision": 1.0, "recall": 1.0, "binary_accuracy": 1.0, "fpr": 0.0, "npv": 1.0,
        }  # fmt: skip

    def test_it_counts_queries_and_keeps_how_the_matches_were_made(self):
        calibration = run(*matches(0))
        assert (calibration.metric, calibration.k, calibration.matcher) == ("f1", 1, MATCHER)
        assert calibration.queries == 200
        assert calibration.sequence is None

    def test_negative_distances_are_thresholds_like_others(self):
        optimum = run([1, 1, 1], [1, 1, 0], [-7.0, -3.0, 2.0]).cut_points["optimal"]
        assert optimum.scores["f1"] == 1.0
        assert -3.0 <= optimum.distance < -2.99

    def test_labels_of_64_bits_stay_apart(self):
        assert run([2**40, 2**40], [2**40, 0], [0.1, 0.2]).cut_points["optimal"].scores["f1"] == 1.0

    def test_ten_thousand_queries_take_well_under_a_fifth_of_a_second(self, record_property):
        truth, matched, distances = matches(0, size=10_000, levels=10**6)
        start = time.perf_counter()
        calibration = run(truth, matched, distances, targets={"strict": {"precision": 0.9}})
        seconds = time.perf_counter() - start
        record_property("seconds", seconds)
        print(f"10,000 queries calibrated in {seconds * 1000:.1f} ms")
        assert len(calibration.curve["distance"]) == 1000
        assert seconds < 0.2


class TestFloatNoise:
    def test_the_fixture_of_tensorflow_similarity_has_one_threshold(self):
        # Its own calibration has two, 0.03999996 and 0.04000002, of which the first has precision 1 by accident.
        distances = np.float32([0.03999996, 0.04000002, 0.03999996, 0.04000002, 0.04000002, 0.04000002])
        calibration = run([0, 0, 1, 1, 2, 2], [0, 0, 1, 2, 2, 2], distances)
        assert len(calibration.curve["distance"]) == 1
        optimum = calibration.cut_points["optimal"]
        assert optimum.distance == pytest.approx(0.04, abs=1e-6)
        assert optimum.scores["f1"] == pytest.approx(0.9090909)
        assert optimum.scores["precision"] == pytest.approx(0.8333333)
        assert optimum.scores["recall"] == 1.0

    def test_copies_of_indexed_records_are_at_one_threshold(self):
        noise = np.float32([0, 5.96e-8, -1.19e-7, 1.19e-7])
        distances = np.concatenate([noise, np.float32([0.3, 0.5, 0.4, 0.6, 0.7])])
        assert len(run([1] * 9, [1] * 9, distances).curve["distance"]) == 6

    def test_small_distances_are_not_noise_where_all_are_small(self):
        distances = np.arange(1, 21) * 1e-12
        assert len(run([1] * 20, [1] * 20, distances).curve["distance"]) == 20

    def test_one_far_query_does_not_make_noise_of_the_others(self):
        distances = np.append(np.arange(1, 21) / 20, 1e9)
        assert len(run([1] * 21, [1] * 21, distances).curve["distance"]) == 21

    def test_dense_distances_are_not_chained_into_one_threshold(self):
        distances = 1 + np.arange(100_000) * 1e-7
        thresholds = run([1] * 100_000, [1] * 100_000, distances).curve["distance"]
        assert 990 < len(thresholds) <= 1000
        assert np.diff(thresholds).max() < 2.1e-5

    def test_all_distances_zero_are_one_threshold_at_zero(self):
        assert run([1, 1], [1, 0], [0.0, 0.0]).curve["distance"] == (0.0,)


class TestCutPointsInUse:
    @pytest.mark.parametrize("dtype", [np.float32, np.float64])
    @pytest.mark.parametrize("levels", [60, 10**4, 10**9])
    @pytest.mark.parametrize("metric", NAMES)
    def test_matching_the_same_queries_again_reproduces_every_score(self, metric, levels, dtype):
        for seed in range(10):
            data = matches(seed, size=500, dtype=dtype, levels=levels)
            calibration = run(*data, metric=metric)
            for point in calibration.cut_points.values():
                assert score_matches(*data, point.distance, list(METRICS.values())) == point.scores

    @pytest.mark.parametrize("dtype", [np.float32, np.float64])
    def test_each_point_of_the_curve_accepts_as_many_as_it_says(self, dtype):
        # Neighbouring float32 numbers are the hardest to cut between.
        ulp = np.spacing(np.float32(0.5))
        distances = (np.float32(0.5) + ulp * np.arange(2000, dtype=np.float32)).astype(dtype)
        calibration = run([1] * 2000, [1] * 2000, distances)
        assert len(calibration.curve["distance"]) > 10
        for distance, recall in zip(calibration.curve["distance"], calibration.curve["recall"], strict=True):
            # A Python float compares with float32 arrays as float32.
            assert np.count_nonzero(distances <= distance) / 2000 == recall
            assert np.count_nonzero(distances.astype(np.float64) <= distance) / 2000 == recall

    def test_noise_in_the_last_digits_of_a_distance_does_not_reject_it(self):
        distances = np.float32([0.1, 0.2, 0.3])
        cut = run([1, 1, 1], [1, 1, 0], distances).cut_points["optimal"].distance
        assert (np.nextafter(distances, np.float32(1)) <= cut).tolist() == [True, True, False]

    def test_a_huge_distance_is_its_own_cut(self):
        assert run([1], [1], [1e300]).cut_points["optimal"].distance == 1e300


class TestTargets:
    TRUTH = (1,) * 10
    MATCHED = (1, 1, 0, 1, 1, 1, 0, 0, 1, 0)
    DISTANCES = np.arange(1, 11) / 10

    @pytest.mark.parametrize(
        ("target", "distance"),
        [
            ({"precision": 1.0}, 0.2),
            ({"precision": 0.8}, 0.6),
            ({"recall": 0.5}, 0.4),
            ({"recall": 1.0}, 0.9),
            ({"fpr": 0.25}, 0.6),
            ({"fpr": 0}, 0.2),
            ({"npv": 0.5}, 0.2),
            ({"npv": 1.0}, 0.9),
            ({"f1": 0.7}, 1.0),
            ({"binary_accuracy": 0.8}, 0.6),
        ],
        ids=str,
    )
    def test_a_target_is_met_at_the_distance_that_its_metric_asks_for(self, target, distance):
        calibration = run(self.TRUTH, self.MATCHED, self.DISTANCES, targets={"mine": target})
        point = calibration.cut_points["mine"]
        assert point.name == "mine"
        assert point.distance == pytest.approx(distance, abs=1e-5)
        ((name, value),) = target.items()
        assert point.scores[name] <= value if name == "fpr" else point.scores[name] >= value
        assert list(calibration.cut_points) == ["optimal", "mine"]

    @pytest.mark.parametrize("seed", range(5))
    @pytest.mark.parametrize("name", NAMES)
    def test_targets_agree_with_brute_force(self, name, seed):
        data = matches(seed)
        table = by_brute_force(*data)
        value = table[len(table) // 3][1][name]
        met = [t for t, scores in table if (scores[name] <= value if name == "fpr" else scores[name] >= value)]
        expected = min(met) if name in ("recall", "npv") else max(met)
        point = run(*data, targets={"mine": {name: value}}).cut_points["mine"]
        assert point.distance == pytest.approx(expected, abs=1e-5)

    def test_a_target_out_of_reach_names_the_best_value_and_where_it_is(self):
        with pytest.raises(InvalidInputError) as caught:
            run([1, 1, 1], [0, 1, 1], [0.1, 0.2, 0.3], targets={"strict": {"precision": 0.99}})
        assert str(caught.value) == (
            "target 'strict' asks for precision >= 0.99, which no distance reaches; "
            "the best is 0.666667, at distance 0.3"
        )

    def test_a_target_of_a_minimised_metric_out_of_reach_is_told_the_other_way_round(self):
        with pytest.raises(InvalidInputError, match=r"asks for fpr <= 0\.1, .* the best is 0\.5, at distance 0\.1"):
            run([1, 1], [0, 0], [0.1, 0.2], targets={"strict": {"fpr": 0.1}})

    @pytest.mark.parametrize(
        ("targets", "text"),
        [
            ({"optimal": {"precision": 0.9}}, "a target cannot be named 'optimal'"),
            ({"mine": {"precison": 0.9}}, "'precison', which is not calculated; did you mean 'precision'?"),
            ({"mine": {"precision": 0.9, "recall": 0.5}}, "it is one metric and its value"),
            ({"mine": 0.9}, "it is one metric and its value"),
            ({"mine": {"precision": "high"}}, "the value of precision is 'high'"),
            ({"mine": {"precision": True}}, "the value of precision is True"),
            ({"mine": {"precision": float("nan")}}, "the value of precision is nan"),
        ],
        ids=str,
    )
    def test_a_malformed_target_is_refused(self, targets, text):
        with pytest.raises(InvalidInputError) as caught:
            run([1, 1], [1, 0], [0.1, 0.2], targets=targets)
        assert text in str(caught.value)


class TestBadInput:
    @pytest.mark.parametrize(
        ("truth", "matched", "distances", "text"),
        [
            ([], [], [], "there are no queries"),
            ([1, 2], [1, 2], [INF, INF], "none of the 2 queries has a neighbour"),
            ([1, 2], [1, 2], [0.1, np.nan], "hold nan at position 1"),
            ([1, 2], [1, 2], [-INF, 0.1], "hold -inf at position 0"),
            ([1, 2], [1], [0.1, 0.2], "true_labels 2, matched_labels 1, matched_distances 2"),
            ([1, 2], [1, 2], [0.1], "matched_distances 1"),
            ([1.0, 2.0], [1, 2], [0.1, 0.2], "true_labels have dtype float64; labels are integers"),
            ([1, 2], [1.0, 2.0], [0.1, 0.2], "matched_labels have dtype float64"),
            (["a", "b"], [1, 2], [0.1, 0.2], "true_labels have dtype <U1"),
            ([[1], [2]], [1, 2], [0.1, 0.2], "true_labels have shape (2, 1)"),
            ([1, 2], [1, 2], [[0.1], [0.2]], "matched_distances have shape (2, 1)"),
            ([1, 2], [1, 2], ["a", "b"], "matched_distances have shape (2,) and dtype <U1"),
        ],
    )
    def test_unusable_matches_are_refused(self, truth, matched, distances, text):
        with pytest.raises(InvalidInputError) as caught:
            run(truth, matched, distances)
        assert text in str(caught.value)

    def test_a_retrieval_metric_is_refused(self):
        with pytest.raises(InvalidInputError, match="is no ClassificationMetric"):
            calibrate(
                np.array([1]),
                np.array([1]),
                np.array([0.1]),
                metric=simplug.metrics.build("recall@1"),
                k=1,
                matcher=MATCHER,
            )


class TestFile:
    @pytest.fixture
    def calibration(self):
        made = run(*matches(0), targets={"strict": {"precision": 0.8}})
        return attrs.evolve(made, sequence=12)

    def test_json_gives_back_an_equal_calibration(self, calibration):
        assert Calibration.from_json(calibration.to_json()) == calibration
        by_model = attrs.evolve(calibration, model="0f" * 32)
        assert Calibration.from_json(by_model.to_json()) == by_model != calibration
        without = attrs.evolve(calibration, sequence=None)
        assert Calibration.from_json(without.to_json().encode()) == without
        assert without != calibration

    def test_intervals_are_kept(self, calibration):
        point = CutPoint("strict", 0.2, {"far": 0.001, "tar": 0.9}, {"far": (0.0, 0.002)}, 0.95)
        made = attrs.evolve(calibration, cut_points={**calibration.cut_points, "strict": point})
        assert Calibration.from_json(made.to_json()) == made

    def test_a_calibration_of_the_first_format_is_read(self, calibration):
        data = json.loads(calibration.to_json())
        assert data.pop("format") == 2
        del data["model"]
        for point in data["cut_points"].values():
            del point["intervals"], point["level"]
        assert Calibration.from_json(json.dumps(data)) == calibration

    def test_a_calibration_of_a_newer_format_is_refused(self, calibration):
        text = calibration.to_json().replace('"format": 2', '"format": 3')
        with pytest.raises(ArtifactError, match=r"has format 3; this is simplug .*, which reads up to format 2"):
            Calibration.from_json(text)

    def test_whole_numbers_are_taken_for_scores(self, calibration):
        text = calibration.to_json().replace("1.0", "1")
        assert Calibration.from_json(text).cut_points["optimal"].scores.keys() == set(NAMES)

    @pytest.mark.parametrize(
        ("path", "value", "text"),
        [
            ((), [], "damaged"),
            (("k",), "3", "must be int, not '3'"),
            (("k",), 0, "k is 0"),
            (("k",), True, "must be int, not True"),
            (("queries",), 0, "made with 0 queries"),
            (("more",), 1, "extra fields found (more)"),
            (("matcher",), {}, "its matcher has no name"),
            (("cut_points",), {}, "it has no cut point 'optimal'"),
            (("cut_points", "strict", "name"), "other", "another name than its key"),
            (("cut_points", "optimal", "distance"), "0.1", "must be float, not '0.1'"),
            (("cut_points", "optimal", "distance"), None, "must be float, not None"),
            (("cut_points", "optimal", "distance"), 1e999, "Infinity, which is no finite number"),
            (("curve", "distance"), [0.1], "different lengths"),
            (("curve", "distance"), "0.1", "damaged"),
            (("curve",), {}, "its curve has no distances"),
            (("sequence",), 1.5, "damaged"),
            (("model",), 5, "must be str, not 5"),
            (("format",), "2", "its format is '2'"),
            (("format",), True, "its format is True"),
            (("format",), 0, "its format is 0"),
            (("cut_points", "optimal", "level"), 0.95, "no level between 0 and 1"),
            (("cut_points", "optimal", "intervals"), {"f1": [0.2, 0.1]}, "an interval does not ascend"),
            (("cut_points", "optimal", "intervals"), {"f1": [0.2]}, "damaged"),
            (("cut_points", "optimal", "intervals"), {"f1": [0.1, "0.2"]}, "must be float, not '0.2'"),
        ],
    )
    def test_a_damaged_calibration_is_refused(self, calibration, path, value, text):
        data = json.loads(calibration.to_json())
        table = data
        for key in path[:-1]:
            table = table[key]
        if path:
            table[path[-1]] = value
        with pytest.raises(ArtifactError) as caught:
            Calibration.from_json(json.dumps(data if path else value))
        assert text in str(caught.value)

    @pytest.mark.parametrize("missing", ["metric", "k", "matcher", "cut_points", "curve", "queries"])
    def test_a_missing_part_is_refused(self, calibration, missing):
        data = json.loads(calibration.to_json())
        del data[missing]
        with pytest.raises(ArtifactError, match=missing):
            Calibration.from_json(json.dumps(data))

    def test_a_truncated_file_is_refused(self, calibration):
        text = calibration.to_json()
        for length in (0, 1, 10, len(text) // 2, len(text) - 3):
            with pytest.raises(ArtifactError, match="the calibration is damaged"):
                Calibration.from_json(text[:length])

    def test_bytes_that_are_no_text_are_refused(self):
        with pytest.raises(ArtifactError, match="the calibration is damaged"):
            Calibration.from_json(b"\xff\xfe\x00")

    def test_a_contradictory_calibration_cannot_be_made(self):
        with pytest.raises(InvalidInputError, match="it has no cut point 'optimal' with a value of f1"):
            Calibration("f1", 1, MATCHER, {"optimal": CutPoint("optimal", 0.1, {})}, {"distance": (0.1,)}, 1)
