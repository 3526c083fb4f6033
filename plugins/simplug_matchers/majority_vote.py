"""The match is the label that most neighbours have."""

from __future__ import annotations

import attrs
import numpy as np

from simplug.api import Matcher


@attrs.frozen
class MajorityVote(Matcher):
    """Takes the label that most neighbours have, and the mean distance of the neighbours that have it.

    Among labels with as many votes, the one whose nearest neighbour is nearest wins. Places that no neighbour fills
    do not vote. The distance is that of the voters for the label alone, so far neighbours with other labels do not
    push a match beyond the cut point; TensorFlow Similarity takes the mean over all k neighbours.
    """

    def match(self, labels: np.ndarray, distances: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return (q,) labels and (q,) mean distances from (q, k) labels and distances."""
        queries = len(labels)
        matched = np.full(queries, -1, dtype=np.int64)
        mean = np.full(queries, np.inf)
        query, place = np.nonzero(np.isfinite(distances))
        if query.size == 0:
            return matched, mean
        names, code = np.unique(labels[query, place], return_inverse=True)
        # One candidate is one label of one query; the first of its votes, in the order of places, is its nearest.
        candidates, first, vote = np.unique(query * len(names) + code, return_index=True, return_inverse=True)
        votes = np.bincount(vote)
        owner = candidates // len(names)
        order = np.lexsort((first, -votes, owner))
        voting, winner = np.unique(owner[order], return_index=True)
        chosen = order[winner]
        totals = np.bincount(vote, weights=distances[query, place])
        matched[voting] = names[candidates[chosen] % len(names)]
        mean[voting] = totals[chosen] / votes[chosen]
        return matched, mean
