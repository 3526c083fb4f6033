"""Every loss of simplug, through the conformance suite."""

from __future__ import annotations

from typing import ClassVar

from simplug.testing import LossSuite

CLASSES = {"num_classes": 6}
PAIR_LOSSES = {"losses": ["contrastive", "multi_similarity"], "weights": [1.0, 0.5]}


class TestAdaCos(LossSuite):
    name = "adacos"
    config = CLASSES


class TestAngular(LossSuite):
    name = "angular"


class TestArcFace(LossSuite):
    name = "arcface"
    config = CLASSES


class TestBarlowTwins(LossSuite):
    name = "barlow_twins"


class TestByol(LossSuite):
    name = "byol"


class TestCentroidTriplet(LossSuite):
    name = "centroid_triplet"


class TestCircle(LossSuite):
    name = "circle"


class TestCircleClassLevel(LossSuite):
    name = "circle_cl"
    config = CLASSES


class TestContrastive(LossSuite):
    name = "contrastive"


class TestCosFace(LossSuite):
    name = "cosface"
    config = CLASSES


class TestCrossBatchMemory(LossSuite):
    name = "cross_batch_memory"


class TestDynamicSoftMargin(LossSuite):
    name = "dynamic_soft_margin"


class TestFastAP(LossSuite):
    name = "fast_ap"


class TestGeneralizedLiftedStructure(LossSuite):
    name = "generalized_lifted_structure"


class TestHistogram(LossSuite):
    name = "histogram"


class TestInstance(LossSuite):
    name = "instance"


class TestIntraPairVariance(LossSuite):
    name = "intra_pair_variance"


class TestLargeMarginSoftmax(LossSuite):
    name = "large_margin_softmax"
    config = CLASSES


class TestLiftedStructure(LossSuite):
    name = "lifted_structure"


class TestManifold(LossSuite):
    name = "manifold"
    config = CLASSES


class TestMargin(LossSuite):
    name = "margin"


class TestMultiNegativesRank(LossSuite):
    name = "multi_negatives_rank"


class TestMultiSimilarity(LossSuite):
    name = "multi_similarity"


class TestMultiple(LossSuite):
    name = "multiple"
    config = PAIR_LOSSES


class TestNPairs(LossSuite):
    name = "n_pairs"
    expected_failures: ClassVar[dict[str, str]] = {
        "test_the_order_of_the_batch_does_not_matter": "the first two examples of a class are its pair",
        "test_the_order_of_the_references_does_not_matter": "the first reference of a class is its positive",
    }


class TestNca(LossSuite):
    name = "nca"


class TestNormalizedSoftmax(LossSuite):
    name = "normalized_softmax"
    config = CLASSES


class TestNTXent(LossSuite):
    name = "nt_xent"


class TestP2SGrad(LossSuite):
    name = "p2s_grad"
    config = CLASSES


class TestPN(LossSuite):
    name = "pn"


class TestPNP(LossSuite):
    name = "pnp"


class TestProxyAnchor(LossSuite):
    name = "proxy_anchor"
    config = CLASSES


class TestProxyNca(LossSuite):
    name = "proxy_nca"
    config = CLASSES


class TestRankedList(LossSuite):
    name = "ranked_list"


class TestSelfSupervised(LossSuite):
    name = "self_supervised"


class TestSignalToNoiseContrastive(LossSuite):
    name = "signal_to_noise"


class TestSimClr(LossSuite):
    name = "simclr"


class TestSimSiam(LossSuite):
    name = "simsiam"


class TestSmoothAP(LossSuite):
    name = "smooth_ap"


class TestSoftNearestNeighbor(LossSuite):
    name = "soft_nearest_neighbor"


class TestSoftTriple(LossSuite):
    name = "soft_triple"
    config = CLASSES


class TestSphereFace(LossSuite):
    name = "sphereface"
    config = CLASSES


class TestSubCenterArcFace(LossSuite):
    name = "sub_center_arcface"
    config = CLASSES


class TestSupCon(LossSuite):
    name = "sup_con"


class TestTfaContrastive(LossSuite):
    name = "tfa_contrastive"


class TestTfaLiftedStruct(LossSuite):
    name = "tfa_lifted_struct"


class TestTfaNPairs(LossSuite):
    name = "tfa_npairs"


class TestTfaTripletHard(LossSuite):
    name = "tfa_triplet_hard"


class TestTfaTripletSemihard(LossSuite):
    name = "tfa_triplet_semihard"


class TestThresholdConsistentMargin(LossSuite):
    name = "threshold_consistent_margin"


class TestTriplet(LossSuite):
    name = "triplet"


class TestTupletMargin(LossSuite):
    name = "tuplet_margin"


class TestVicReg(LossSuite):
    name = "vicreg"
