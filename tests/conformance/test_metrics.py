"""Every metric of simplug, through the conformance suite."""

from __future__ import annotations

from simplug.testing import MetricSuite


class TestAdjustedMutualInformation(MetricSuite):
    name = "ami"


class TestAdjustedRandIndex(MetricSuite):
    name = "ari"


class TestBestAccuracy(MetricSuite):
    name = "best_accuracy"


class TestBinaryAccuracy(MetricSuite):
    name = "binary_accuracy"


class TestDetectionAtFalseAlarm(MetricSuite):
    name = "detection_at_false_alarm"


class TestEffectiveRank(MetricSuite):
    name = "effective_rank"


class TestEmbeddingSpread(MetricSuite):
    name = "embedding_spread"


class TestEqualErrorRate(MetricSuite):
    name = "eer"


class TestF1(MetricSuite):
    name = "f1"


class TestFalsePositiveRate(MetricSuite):
    name = "fpr"


class TestFnmrAtFmr(MetricSuite):
    name = "fnmr_at_fmr"


class TestIdentificationAtFalseAlarm(MetricSuite):
    name = "identification_at_false_alarm"


class TestKnnProbe(MetricSuite):
    name = "knn_probe"


class TestLinearProbe(MetricSuite):
    name = "linear_probe"


class TestMapAtK(MetricSuite):
    name = "map_at_k"


class TestMapAtR(MetricSuite):
    name = "map_at_r"


class TestMaxNegativeDistance(MetricSuite):
    name = "max_negative_distance"


class TestMaxPositiveDistance(MetricSuite):
    name = "max_positive_distance"


class TestMeanNegativeDistance(MetricSuite):
    name = "mean_negative_distance"


class TestMeanPositiveDistance(MetricSuite):
    name = "mean_positive_distance"


class TestMeanReciprocalRank(MetricSuite):
    name = "mrr"


class TestMinNegativeDistance(MetricSuite):
    name = "min_negative_distance"


class TestMinPositiveDistance(MetricSuite):
    name = "min_positive_distance"


class TestNdcgAtK(MetricSuite):
    name = "ndcg_at_k"


class TestNegativePredictiveValue(MetricSuite):
    name = "npv"


class TestNormalizedMutualInformation(MetricSuite):
    name = "nmi"


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


class TestRocAuc(MetricSuite):
    name = "roc_auc"


class TestTarAtFar(MetricSuite):
    name = "tar_at_far"


class TestUnknownAuroc(MetricSuite):
    name = "unknown_auroc"
