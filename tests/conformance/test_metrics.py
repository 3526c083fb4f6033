"""Every metric of simplug, through the conformance suite."""

from __future__ import annotations

from simplug.testing import MetricSuite


class TestBinaryAccuracy(MetricSuite):
    name = "binary_accuracy"


class TestF1(MetricSuite):
    name = "f1"


class TestFalsePositiveRate(MetricSuite):
    name = "fpr"


class TestMapAtK(MetricSuite):
    name = "map_at_k"


class TestMapAtR(MetricSuite):
    name = "map_at_r"


class TestMeanReciprocalRank(MetricSuite):
    name = "mrr"


class TestNdcgAtK(MetricSuite):
    name = "ndcg_at_k"


class TestNegativePredictiveValue(MetricSuite):
    name = "npv"


class TestPrecision(MetricSuite):
    name = "precision"


class TestPrecisionAtK(MetricSuite):
    name = "precision_at_k"


class TestRPrecision(MetricSuite):
    name = "r_precision"


class TestRecall(MetricSuite):
    name = "recall"


class TestRecallAtK(MetricSuite):
    name = "recall_at_k"
