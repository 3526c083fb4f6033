"""Votes of neighbours for the label that they have."""

from __future__ import annotations

import numpy as np


def elect(labels: np.ndarray, distances: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the label with the heaviest votes, and the weighted mean of the distances of those who voted for it.

    Among labels with equal votes, the one whose nearest neighbour is nearest wins.

    Args:
        labels: (q, k) labels of the neighbours, nearest first.
        distances: (q, k) their distances; a place with inf is empty and does not vote.
        weights: (q, k) positive weights of the votes; those of empty places mean nothing.

    Returns:
        (q,) int64 labels and (q,) float64 distances; -1 and inf where nobody votes.
    """
    queries = len(labels)
    matched = np.full(queries, -1, dtype=np.int64)
    mean = np.full(queries, np.inf)
    query, place = np.nonzero(np.isfinite(distances))
    if query.size == 0:
        return matched, mean
    names, code = np.unique(labels[query, place], return_inverse=True)
    # One candidate is one label of one query; the first of its votes, in the order of places, is its nearest.
    candidates, first, vote = np.unique(query * len(names) + code, return_index=True, return_inverse=True)
    weight = weights[query, place]
    votes = np.bincount(vote, weights=weight)
    owner = candidates // len(names)
    order = np.lexsort((first, -votes, owner))
    voting, winner = np.unique(owner[order], return_index=True)
    chosen = order[winner]
    totals = np.bincount(vote, weights=weight * distances[query, place])
    matched[voting] = names[candidates[chosen] % len(names)]
    mean[voting] = totals[chosen] / votes[chosen]
    return matched, mean
