"""The losses as their papers define them: float64 NumPy, one pair or triplet at a time."""

import numpy as np


def multi_similarity(distances, positive, negative, alpha=2.0, beta=50.0, base=0.5):
    values = []
    for d, p, n in zip(distances, positive, negative, strict=True):
        s = 1 - d
        pull = np.log(1 + sum(np.exp(-alpha * (s[j] - base)) for j in np.flatnonzero(p))) / alpha
        push = np.log(1 + sum(np.exp(beta * (s[j] - base)) for j in np.flatnonzero(n))) / beta
        values.append(pull + push)
    return np.mean(values)


def mine_multi_similarity(distances, positive, negative, epsilon=0.1):
    kept_positive, kept_negative = np.zeros_like(positive), np.zeros_like(negative)
    for i, d in enumerate(distances):
        near = [d[j] for j in np.flatnonzero(negative[i])]
        far = [d[j] for j in np.flatnonzero(positive[i])]
        if near and far:
            kept_positive[i] = positive[i] * (d > min(near) - epsilon)
            kept_negative[i] = negative[i] * (d < max(far) + epsilon)
    return kept_positive, kept_negative


def contrastive(distances, positive, negative, pos_margin=0.0, neg_margin=1.0):
    pulls = np.maximum(distances[positive > 0] - pos_margin, 0)
    pushes = np.maximum(neg_margin - distances[negative > 0], 0)
    return sum(part.sum() / max(np.count_nonzero(part > 0), 1) for part in (pulls, pushes))


def triplet(distances, positive, negative, margin=0.2, mean_over="active"):
    hinges = [
        max(0.0, d[p] - d[n] + margin)
        for d, is_p, is_n in zip(distances, positive, negative, strict=True)
        for p in np.flatnonzero(is_p)
        for n in np.flatnonzero(is_n)
    ]
    counted = [h for h in hinges if h > 0] if mean_over == "active" else hinges
    return sum(hinges) / max(len(counted), 1)


def relation(labels, ref_labels=None):
    columns = labels if ref_labels is None else ref_labels
    same = (labels[:, None] == columns[None, :]).astype(float)
    negative = 1 - same
    if ref_labels is None:
        np.fill_diagonal(same, 0)
    return same, negative
