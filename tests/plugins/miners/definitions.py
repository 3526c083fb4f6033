"""The miners as their definitions have them: float64 NumPy, one anchor, pair or triplet at a time."""

import math

import numpy as np
from pairwise import triplets_of


def pairs_of(chosen, shape):
    positive, negative = np.zeros(shape), np.zeros(shape)
    for a, p, n in chosen:
        positive[a, p] = negative[a, n] = 1
    return positive, negative


def in_band(distances, positive, negative, low, high):
    return [(a, p, n) for a, p, n in triplets_of(positive, negative) if low < distances[a, n] - distances[a, p] <= high]


def triplet_margin(distances, positive, negative, margin=0.2, triplets="all", band=(-math.inf, math.inf)):
    low, high = {
        "all": (-math.inf, margin),
        "easy": (margin, math.inf),
        "semi_hard": (0, margin),
        "hard": (-math.inf, 0),
    }[triplets]
    low, high = max(low, band[0]), min(high, band[1])
    return pairs_of(in_band(distances, positive, negative, low, high), distances.shape)


def angular(distances, positive, negative, among, angle):
    """Places the three points in a plane and measures from the midpoint."""
    chosen = []
    for a, p, n in triplets_of(positive, negative):
        side, to_a, to_p = distances[a, p], distances[a, n], among[p, n]
        if side == 0:
            continue
        x = (to_a**2 - to_p**2 + side**2) / (2 * side)
        height = math.sqrt(max(to_a**2 - x**2, 0))
        from_center = math.hypot(x - side / 2, height)
        if math.degrees(math.atan2(side, 2 * from_center)) > angle:
            chosen.append((a, p, n))
    return pairs_of(chosen, distances.shape)


def batch_easy_hard(distances, positive, negative, pos, neg, pos_range=(-math.inf, math.inf), neg_range=None):
    neg_range = (-math.inf, math.inf) if neg_range is None else neg_range
    kept_positive, kept_negative = np.zeros_like(positive), np.zeros_like(negative)
    for a, d in enumerate(distances):
        near = [j for j in np.flatnonzero(positive[a]) if pos_range[0] <= d[j] <= pos_range[1]]
        far = [j for j in np.flatnonzero(negative[a]) if neg_range[0] <= d[j] <= neg_range[1]]
        one = {"easy": min, "hard": max, "semihard": max}
        other = {"easy": max, "hard": min, "semihard": min}
        if "all" in (pos, neg):
            chosen_near = near if pos == "all" or not near else [one[pos](near, key=d.__getitem__)]
            chosen_far = far if neg == "all" or not far else [other[neg](far, key=d.__getitem__)]
        else:
            if pos == "semihard" and far:
                limit = d[other[neg](far, key=d.__getitem__)]
                near = [j for j in near if d[j] < limit]
            if neg == "semihard" and near:
                limit = d[one[pos](near, key=d.__getitem__)]
                far = [j for j in far if d[j] > limit]
            if not near or not far:
                continue
            chosen_near, chosen_far = [one[pos](near, key=d.__getitem__)], [other[neg](far, key=d.__getitem__)]
        kept_positive[a, chosen_near] = 1
        kept_negative[a, chosen_far] = 1
    return kept_positive, kept_negative


def hdc(distances, positive, negative, ratio):
    kept = []
    for mask, sign in ((positive, -1), (negative, 1)):
        order = sorted(zip(*np.nonzero(mask), strict=True), key=lambda place: sign * distances[place])
        chosen = np.zeros_like(mask)
        for place in order[: math.ceil(round(ratio * len(order), 9))]:
            chosen[place] = 1
        kept.append(chosen)
    return tuple(kept)
