"""Calibration on pairs: cut points against loops over pairs, intervals against their definition and by simulation."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy import stats

import simplug
from simplug.evaluation.calibration import Calibration
from simplug.evaluation.pair_calibration import calibrate_pairs
from simplug.index.index import Index
from simplug.kernel.errors import InvalidInputError


def examples(seed, classes=12, per_class=6, dim=8, spread=0.6):
    rng = np.random.default_rng(seed)
    labels = np.repeat(np.arange(classes) * 7, per_class)
    centres = rng.normal(size=(classes, dim))[labels // 7]
    mixed = rng.permutation(len(labels))
    return (centres + spread * rng.normal(size=centres.shape)).astype(np.float32)[mixed], labels[mixed]


def all_pairs(embeddings, labels, distance="euclidean"):
    """Return the distance of each pair, whether it is positive, and its two classes, one by one in float64."""
    measured = simplug.distances.build(distance).numpy(embeddings, embeddings)
    found = [
        (np.float32(measured[i, j]), labels[i] == labels[j], min(labels[i], labels[j]), max(labels[i], labels[j]))
        for i, j in itertools.combinations(range(len(labels)), 2)
    ]
    return tuple(np.array(column) for column in zip(*found, strict=True))


class TestCutPoints:
    @pytest.mark.parametrize("distance", ["euclidean", "cosine", "manhattan", "snr"])
    @pytest.mark.parametrize("seed", range(3))
    def test_a_cut_point_is_the_farthest_that_reaches_its_target(self, seed, distance):
        x, y = examples(seed)
        far_away, positive, _, _ = all_pairs(x, y, distance)
        found = calibrate_pairs(
            x,
            y,
            distance=distance,
            targets={"strict": {"far": 0.01}, "precise": {"precision": 0.8}, "most": {"tar": 0.9}},
        )
        table = []
        for threshold in np.unique(far_away):
            accepted = far_away <= threshold
            tar, far = accepted[positive].mean(), accepted[~positive].mean()
            table.append((threshold, far, tar, positive[accepted].mean()))
        expected = {
            "strict": [row for row in table if row[1] <= 0.01][-1],
            "precise": [row for row in table if row[3] >= 0.8][-1],
            "most": next(row for row in table if row[2] >= 0.9),
            "optimal": max(table, key=lambda row: (row[2] - row[1], row[0])),
        }
        assert set(found.cut_points) == set(expected)
        for name, row in expected.items():
            point = found.cut_points[name]
            assert point.distance == pytest.approx(row[0], rel=1e-6)
            assert [point.scores[key] for key in ("far", "tar", "precision")] == pytest.approx(row[1:], rel=1e-9)
            assert point.scores["balanced_accuracy"] == pytest.approx((row[2] + 1 - row[1]) / 2)
            assert point.scores["prior"] == pytest.approx(positive.mean())

    def test_a_prior_makes_the_precision_that_of_other_shares(self):
        x, y = examples(0)
        point = calibrate_pairs(x, y, prior=0.5, targets={"precise": {"precision": 0.99}}).cut_points["precise"]
        tar, far = point.scores["tar"], point.scores["far"]
        assert point.scores["precision"] == pytest.approx(tar / (tar + far))
        assert point.scores["prior"] == 0.5
        assert point.scores["precision"] >= 0.99

    def test_the_curve_has_every_rate_over_the_distance(self):
        found = calibrate_pairs(*examples(0, classes=30), targets={})
        assert list(found.curve) == ["distance", "far", "tar", "precision", "balanced_accuracy"]
        assert len(found.curve["distance"]) == 1000
        assert np.all(np.diff(found.curve["far"]) >= 0)
        assert (found.metric, found.k, found.matcher, found.queries) == (
            "balanced_accuracy", 1, {"name": "nearest"}, 180,
        )  # fmt: skip
        assert Calibration.from_json(found.to_json()) == found


def by_definition(embeddings, labels, threshold, level=0.95):
    """Return the intervals of FAR and TAR from sums over all pairs of pairs that share a class, in float64."""
    far_away, positive, first, second = all_pairs(embeddings, labels)
    intervals = {}
    for name, chosen in (("far", ~positive), ("tar", positive)):
        accepted = (far_away[chosen] <= threshold).astype(np.float64)
        a, b = first[chosen], second[chosen]
        rate, count = accepted.mean(), len(accepted)
        residual = accepted - rate
        shares = (a[:, None] == a) | (a[:, None] == b) | (b[:, None] == a) | (b[:, None] == b)
        variance = residual @ shares @ residual / count**2
        classes = len(np.union1d(a, b))
        effective = min(count, rate * (1 - rate) / (variance * classes / (classes - 1)))
        effective *= (stats.norm.ppf((1 + level) / 2) / stats.t.ppf((1 + level) / 2, classes - 1)) ** 2
        k = rate * effective
        intervals[name] = (
            stats.beta.ppf((1 - level) / 2, k, effective - k + 1),
            stats.beta.ppf((1 + level) / 2, k + 1, effective - k),
        )
    return intervals


class TestIntervals:
    @pytest.mark.parametrize("per_class", [2, 6, 20])
    @pytest.mark.parametrize("level", [0.8, 0.95])
    def test_they_follow_their_definition(self, level, per_class):
        x, y = examples(1, per_class=per_class, classes=80 // per_class)
        found = calibrate_pairs(x, y, distance="euclidean", targets={"strict": {"far": 0.02}}, level=level)
        for point in found.cut_points.values():
            assert point.level == level
            for name, expected in by_definition(x, y, point.distance, level).items():
                assert point.intervals[name] == pytest.approx(expected, rel=1e-6)

    def test_that_of_the_precision_is_linearised(self):
        x, y = examples(1)
        point = calibrate_pairs(x, y, distance="euclidean", targets={"mine": {"precision": 0.8}}).cut_points["mine"]
        far_away, positive, first, second = all_pairs(x, y)
        accepted = far_away <= point.distance * (1 + 1e-7)
        tar, far, precision = (point.scores[name] for name in ("tar", "far", "precision"))
        influence = np.where(
            positive, (accepted - tar) / (tar * positive.sum()), -(accepted - far) / (far * (~positive).sum())
        )
        shares = np.logical_or.reduce([one[:, None] == other for one in (first, second) for other in (first, second)])
        variance = (precision * (1 - precision)) ** 2 * (influence @ shares @ influence) * 12 / 11
        effective = precision * (1 - precision) / variance * (stats.norm.ppf(0.975) / stats.t.ppf(0.975, 11)) ** 2
        k = precision * effective
        expected = stats.beta.ppf(0.025, k, effective - k + 1), stats.beta.ppf(0.975, k + 1, effective - k)
        assert point.intervals["precision"] == pytest.approx(expected, rel=1e-6)

    def test_where_no_negative_pair_is_accepted_each_class_is_one_observation(self):
        x, y = examples(0, spread=0.01)
        point = calibrate_pairs(x, y, targets={}).cut_points["optimal"]
        assert (point.scores["far"], point.scores["tar"]) == (0, 1)
        assert point.intervals["far"] == pytest.approx((0, 1 - 0.025 ** (1 / 12)))
        assert point.intervals["tar"] == pytest.approx((0.025 ** (1 / 12), 1))
        assert point.intervals["precision"] == pytest.approx((0.025 ** (1 / 12), 1))

    def test_they_are_the_same_however_classes_fall_into_blocks(self, monkeypatch):
        from simplug.evaluation import pair_spread

        x, y = examples(3, classes=25, per_class=9)
        expected = calibrate_pairs(x, y, targets={"strict": {"far": 0.01}})
        monkeypatch.setattr(pair_spread, "_ROWS", 7)
        monkeypatch.setattr(pair_spread, "_COLUMNS", 10)
        found = calibrate_pairs(x, y, targets={"strict": {"far": 0.01}})
        for name, point in expected.cut_points.items():
            for label, interval in point.intervals.items():
                assert found.cut_points[name].intervals[label] == pytest.approx(interval, rel=1e-9)

    @pytest.mark.slow
    def test_they_hold_the_true_rates_about_as_often_as_they_say(self):
        # The rates of infinitely many classes are those of very many.
        dim, threshold = 6, 2.2
        rng = np.random.default_rng(0)

        def drawn(classes, per_class=5):
            centres = np.repeat(rng.normal(size=(classes, dim)), per_class, axis=0)
            return (centres + 0.5 * rng.normal(size=centres.shape)).astype(np.float32), np.arange(
                len(centres)
            ) // per_class

        def rates(x, y):
            distances = simplug.distances.build("euclidean").numpy(x, x)
            upper = np.triu(np.ones_like(distances, dtype=bool), 1)
            same = y[:, None] == y
            return [(distances[upper & chosen] <= threshold).mean() for chosen in (~same, same)]

        true = np.mean([rates(*drawn(600)) for _ in range(10)], axis=0)
        from simplug.evaluation.pair_blocks import Examples
        from simplug.evaluation.pair_spread import spread_of_pairs

        euclidean = simplug.distances.build("euclidean")
        held, rounds = np.zeros(2), 400
        for _ in range(rounds):
            x, y = drawn(40)
            far, tar = rates(x, y)
            (spread,) = spread_of_pairs(euclidean, Examples(x, y), np.array([threshold]))
            intervals = spread.intervals(far, tar, 0.5, 0.95)
            held += [
                intervals[name][0] <= rate <= intervals[name][1]
                for name, rate in zip(("far", "tar"), true, strict=True)
            ]
        assert np.all(held / rounds > 0.92), held / rounds
        assert np.all(held / rounds < 0.995), held / rounds


class TestBadInput:
    def test_a_far_that_too_few_pairs_can_show_is_refused_with_how_many_it_takes(self):
        with pytest.raises(InvalidInputError) as caught:
            calibrate_pairs(*examples(0), targets={"strict": {"far": 1e-5}})
        assert "takes at least 100,000 pairs of different classes" in str(caught.value)
        assert "there are 2,376" in str(caught.value)
        assert "far >= 0.00042" in str(caught.value)

    def test_a_far_that_is_one_pair_is_not_refused(self):
        x = np.arange(6, dtype=np.float32)[:, None] ** 2
        y = np.array([0, 0, 1, 1, 2, 2])
        found = calibrate_pairs(x, y, distance="euclidean", targets={"one": {"far": 1 / 12}})
        assert found.cut_points["one"].scores["far"] == 1 / 12

    def test_a_target_out_of_reach_names_the_best(self):
        x, y = np.float32([[0], [0], [0], [5]]), np.array([1, 1, 2, 2])
        with pytest.raises(InvalidInputError, match=r"precision >= 0.9, which no distance reaches; the best is 0.33"):
            calibrate_pairs(x, y, distance="euclidean", targets={"precise": {"precision": 0.9}})
        with pytest.raises(InvalidInputError, match=r"far <= 0.3, which no distance reaches; the best is 0.5, at dist"):
            calibrate_pairs(x, y, distance="euclidean", targets={"strict": {"far": 0.3}})

    @pytest.mark.parametrize(
        ("changed", "text"),
        [
            ({"labels": np.zeros(72, dtype=int)}, "there is no negative pair"),
            ({"labels": np.arange(72)}, "there is no positive pair"),
            ({"labels": np.arange(71)}, "the lengths differ"),
            ({"embeddings": np.full((72, 8), np.nan)}, "NaN"),
            ({"targets": {"optimal": {"far": 0.1}}}, "a target cannot be named 'optimal'"),
            ({"targets": {"mine": {"fra": 0.1}}}, "did you mean 'far'"),
            ({"targets": {"mine": {"far": 0}}}, "it is a number above 0 and at most 1"),
            ({"targets": {"mine": {"far": True}}}, "it is a number above 0"),
            ({"targets": {"mine": {"far": 0.1, "tar": 0.9}}}, "it is one score and its value"),
            ({"targets": {"mine": 0.1}}, "it is one score and its value"),
            ({"level": 1.0}, "level is 1.0"),
            ({"prior": 0}, "prior is 0"),
        ],
        ids=lambda value: str(value)[:40],
    )
    def test_unusable_arguments_are_refused(self, changed, text):
        x, y = examples(0)
        given = {"embeddings": x, "labels": y, "targets": {"mine": {"far": 0.1}}} | changed
        with pytest.raises(InvalidInputError) as caught:
            calibrate_pairs(given.pop("embeddings"), given.pop("labels"), **given)
        assert text in str(caught.value)


@pytest.fixture
def index(tmp_path):
    x, y = examples(10)
    with Index.create(tmp_path / "index", dim=8, search="exact") as made:
        made.add(x, labels=y)
        yield made


class TestIndex:
    TARGETS = {"strict": {"far": 0.01}}  # noqa: RUF012

    def test_cut_points_of_pairs_are_saved_and_matched_by(self, index):
        x, y = examples(10, spread=0.7)
        made = index.calibrate_pairs(x, y, targets=self.TARGETS, level=0.9)
        cut = made.cut_points["strict"].distance
        assert made.cut_points["strict"].scores == calibrate_pairs(
            x, y, targets=self.TARGETS
        ).cut_points["strict"].scores  # fmt: skip
        hits = index.lookup(x, k=1)
        expected = np.where(hits.distances[:, 0] <= cut, hits.labels[:, 0], -1).tolist()
        assert index.match(x, cutpoint="strict").tolist() == expected
        path = index.path
        index.close()
        with Index.open(path) as again:
            assert again.calibration == made
            assert again.calibration.cut_points["strict"].level == 0.9
            assert again.match(x, cutpoint="strict").tolist() == expected
            assert set(again.evaluate_classification(x, y)) == {"optimal", "strict"}
            again.remove([0])
            with pytest.raises(InvalidInputError, match="has changed since it was calibrated"):
                again.match(x, cutpoint="strict")

    def test_they_stand_beside_those_of_matches(self, index):
        x, y = examples(10, spread=0.7)
        matches = index.calibrate(x, y, targets={"sure": {"precision": 0.6}}, k=3)
        both = index.calibrate_pairs(x, y, targets=self.TARGETS)
        assert list(both.cut_points) == ["optimal", "sure", "strict"]
        assert both.cut_points["optimal"] == matches.cut_points["optimal"]
        assert both.curve == matches.curve
        again = index.calibrate_pairs(x, y, targets={"other": {"tar": 0.5}})
        assert list(again.cut_points) == ["optimal", "sure", "other"]
        with pytest.raises(InvalidInputError, match="has a cut point 'sure' of matches"):
            index.calibrate_pairs(x, y, targets={"sure": {"tar": 0.5}})
        assert index.calibration == again

    def test_those_of_another_model_do_not_stay(self, index):
        x, y = examples(10, spread=0.7)
        index.calibrate(x, y, targets={"sure": {"precision": 0.6}}, model="a")
        made = index.calibrate_pairs(x, y, targets=self.TARGETS, model="b")
        assert list(made.cut_points) == ["optimal", "strict"]
        assert made.model == "b"

    def test_the_distances_of_another_matcher_are_not_those_of_pairs(self, index):
        x, y = examples(10, spread=0.7)
        index.calibrate(x, y, k=3, matcher="majority_vote")
        with pytest.raises(InvalidInputError, match="matcher 'majority_vote', whose distances are not those of pairs"):
            index.calibrate_pairs(x, y, targets=self.TARGETS)

    def test_an_empty_index_is_not_calibrated(self):
        x, y = examples(0)
        with Index.create(None, dim=8) as empty, pytest.raises(InvalidInputError, match="the index is empty"):
            empty.calibrate_pairs(x, y, targets=self.TARGETS)

    def test_labels_and_embeddings_are_checked(self, index):
        x, y = examples(0)
        with pytest.raises(InvalidInputError, match="labels is None"):
            index.calibrate_pairs(x, None, targets=self.TARGETS)
        with pytest.raises(InvalidInputError, match=r"shape \(n, 8\)"):
            index.calibrate_pairs(x[:, :3], y, targets=self.TARGETS)
