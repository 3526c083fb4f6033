"""How classes are dealt out to folds, and what their scores are summed up to."""

import numpy as np
import pytest
from scipy import stats

from simplug.experiment.config import RunConfig
from simplug.experiment.folds import deal
from simplug.kernel.config import Report, structure
from simplug.kernel.errors import ConfigError, DataError, InvalidInputError


def config(**sections):
    report = Report()
    built = structure(RunConfig, {"dataset": "digits", **sections}, report)
    report.finish()
    return built


def test_each_class_is_in_one_fold():
    dealt = deal(config(), 4)
    assert [len(fold) for fold in dealt.folds] == [3, 3, 2, 2]
    assert sorted(np.concatenate(dealt.folds).tolist()) == list(range(10))
    assert not len(dealt.test)


def test_only_classes_that_a_run_would_train_on_are_dealt_out_and_the_others_are_the_test():
    dealt = deal(config(split={"train_classes": [1, 2, 3, 6]}, index={"unknown_classes": [9]}), 2)
    assert sorted(np.concatenate(dealt.folds).tolist()) == [1, 2, 3, 6]
    assert set(dealt.examples.labels) == {1, 2, 3, 6}
    assert set(dealt.test.labels) == {0, 4, 5, 7, 8, 9}


def test_the_folds_depend_on_the_seed_alone():
    first, again, other = (
        [fold.tolist() for fold in deal(config(train={"seed": seed}), 3).folds] for seed in (1, 1, 2)
    )
    assert first == again
    assert first != other


@pytest.mark.parametrize(
    ("sections", "folds", "error", "message"),
    [
        ({}, 1, InvalidInputError, "folds is 1; there are at least two"),
        ({}, 6, DataError, "10 classes are too few for 6 folds: each has at least 2"),
        ({"split": {"train_classes": [1, 2, 3]}}, 4, DataError, "3 classes are too few for 4 folds"),
        (
            {"evaluate": {"metrics": ["unknown_auroc"]}, "index": {"unknown_classes": [4]}},
            2,
            ConfigError,
            "evaluate.metrics: unknown_auroc asks for a gallery",
        ),
    ],
)
def test_folds_that_cannot_be_made_are_refused(sections, folds, error, message):
    with pytest.raises(error, match=message):
        deal(config(**sections), folds)


def test_the_interval_is_that_of_students_t():
    from simplug.experiment.cross_validation import estimates

    scores = np.array([0.5, 0.6, 0.8, 0.7])
    (found,) = estimates([{"map@r": float(score)} for score in scores]).values()
    low, high = stats.t.interval(0.95, 3, loc=scores.mean(), scale=stats.sem(scores))
    assert (found.mean, found.low, found.high) == pytest.approx((0.65, low, high))


def test_a_score_that_a_fold_has_not_got_is_not_summed_up():
    from simplug.experiment.cross_validation import estimates

    assert list(estimates([{"a": 1.0, "b": 2.0}, {"b": 4.0}])) == ["b"]
