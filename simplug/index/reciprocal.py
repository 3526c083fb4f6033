"""Re-ranking by k-reciprocal neighbours: two are alike when each is near the other, and so are those around them."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import attrs
import numpy as np

from simplug.index import validation
from simplug.index.index import Index
from simplug.index.neighbors import Neighbors
from simplug.index.others import others
from simplug.index.state import State
from simplug.kernel.errors import InvalidInputError

if TYPE_CHECKING:
    from scipy.sparse import csr_array

_QUERIES = 4096
"""For how many queries candidates are encoded together."""

_RECORDS = 256
"""How many records are encoded at once."""

_MEASURED = 512
"""Among how many records the scale of the distance is looked for."""


def k_reciprocal(
    index: Index,
    queries: Any,
    k: int = 10,
    *,
    k1: int = 20,
    k2: int = 6,
    weight: float = 0.3,
    candidates: int | None = None,
    scale: float | None = None,
) -> Neighbors:
    r"""Look up queries, and put the first neighbours in the order of what they have around them.

    With :math:`N(p, k)` the k nearest others of :math:`p`, and :math:`p` itself where it is a record,

    .. math::
        R(p, k) &= \{ g \in N(p, k) : p \in N(g, k) \} \\
        R^*(p) &= R(p, k_1) \cup \bigcup_{g \in R(p, k_1)} \{ R(g, k_1 / 2) :
            |R(p, k_1) \cap R(g, k_1 / 2)| \ge \tfrac{2}{3} |R(g, k_1 / 2)| \} \\
        V_{p,g} &= e^{-d(p, g)} \text{ for } g \in R^*(p) \text{, else } 0 \\
        d_J(p, g) &= 1 - \frac{\sum_j \min(\bar{V}_{p,j}, \bar{V}_{g,j})}{\sum_j \max(\bar{V}_{p,j}, \bar{V}_{g,j})} \\
        d^*(p, g) &= (1 - \lambda) \, d_J(p, g) + \lambda \, d(p, g)

    where :math:`\bar{V}_p` is the mean of :math:`V` over :math:`p` and its nearest :math:`k_2 - 1` others. Neighbours
    whose surroundings a query shares come first, those that are near many things fall back.

    Everything is worked out from lists of the nearest :math:`k_1`, of the records that candidates lead to: nothing is
    as large as all pairs. Each query is ranked by itself, so its neighbours do not depend on those it is asked
    with. Records are encoded among records, as the queries are; the authors' own program instead takes all queries
    into the gallery, divides encodings by their sums, and squares distances.

    Zhong, Zheng, Cao, Li, "Re-ranking Person Re-identification with k-reciprocal Encoding", CVPR 2017.

    Args:
        index: Where to look.
        queries: (q, d) finite numbers.
        k: How many neighbours each query gets.
        k1: How many others are near: about as many as records of a class in the gallery.
        k2: Over how many encodings, its own among them, an encoding is averaged; 1 for none but its own.
        weight: The :math:`\lambda` of the distance itself, from 0 to 1.
        candidates: How many nearest records of a query are put into a new order, at least `k`; None for the larger of
            `k` and 5 `k1`. What is not among them cannot come up.
        scale: What distances are divided by; None for the largest distance among 512 records.

    Returns:
        Arrays of shape (q, k); the distances are :math:`d^*`, from 0 to 1 and a little more, and no distances of the
        index.

    Raises:
        InvalidInputError: An argument is unusable, or the index is closed.
        ArtifactError: A record is damaged.
    """
    k, k1, k2 = (validation.neighbors_wanted(value, name) for value, name in ((k, "k"), (k1, "k1"), (k2, "k2")))
    wanted = max(k, 5 * k1) if candidates is None else validation.neighbors_wanted(candidates, "candidates")
    if wanted < k:
        raise InvalidInputError(f"candidates is {wanted}, which is less than k = {k}")
    if k2 > k1 + 1:
        raise InvalidInputError(f"k2 is {k2}; it is at most k1 + 1 = {k1 + 1}")
    if isinstance(weight, bool) or not isinstance(weight, int | float) or not 0 <= weight <= 1:
        raise InvalidInputError(f"weight must be a number from 0 to 1, not {weight!r}")
    if scale is not None and (
        isinstance(scale, bool) or not isinstance(scale, int | float) or not 0 < scale < math.inf
    ):
        raise InvalidInputError(f"scale must be a finite number above 0, not {scale!r}")
    vectors = validation.embeddings(queries, index.dim, index.distance, "queries")
    parts = []
    with index._reading() as state:
        encoder = _Encoder(state, k1, k2, scale or _largest_distance(state))
        for start in range(0, max(len(vectors), 1), _QUERIES):
            parts.append(_reranked(encoder, vectors[start : start + _QUERIES], k, max(wanted, k1), wanted, weight))
        rows, distances = (np.concatenate(column) for column in zip(*parts, strict=True))
        ids, labels = np.full_like(rows, -1), np.full_like(rows, -1)
        ids[rows >= 0], labels[rows >= 0] = state.directory.ids_and_labels(rows[rows >= 0])
    return Neighbors(ids, distances, labels)


def _reranked(
    encoder: _Encoder, queries: np.ndarray, k: int, fetched: int, candidates: int, weight: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return (q, k) rows and distances of some queries."""
    state = encoder.state
    rows, distances = state.search(state.recipe.distance.prepare(queries), fetched)
    places = encoder.places(rows)
    known = np.unique(places[places >= 0])
    encodings = encoder.averaged(known)
    found = np.full((len(queries), k), -1, dtype=np.int64)
    values = np.full((len(queries), k), np.inf, dtype=np.float32)
    for number, query in enumerate(queries):
        near = places[number][places[number] >= 0]
        if not len(near):
            continue
        among = near[:candidates]
        encoding = encoder.query(query, near, encodings)
        jaccard = _jaccard(encoding, encodings.of(among))
        both = (1 - weight) * jaccard + weight * distances[number, : len(among)] / encoder.scale
        order = np.argsort(both, kind="stable")[:k]
        found[number, : len(order)] = rows[number, order]
        values[number, : len(order)] = both[order]
    return found, values


def _jaccard(encoding: np.ndarray, others: csr_array) -> np.ndarray:
    """Return the (m,) distances of one (n,) encoding to (m, n) others, from 0 to 1."""
    owner = np.repeat(np.arange(others.shape[0]), np.diff(others.indptr))
    shared = np.bincount(owner, np.minimum(encoding[others.indices], others.data), minlength=others.shape[0])
    together = encoding.sum() + others.sum(axis=1) - shared
    jaccard: np.ndarray = 1 - shared / together
    return jaccard


@attrs.frozen(eq=False)
class _Encodings:
    """The encodings of some records.

    Attributes:
        known: (m,) places of the records, ascending.
        single: (s, n) encodings V of records among which are these and their nearest.
        single_places: (s,) their places, ascending.
        mean: (m, n) averaged encodings.
    """

    known: np.ndarray
    single: csr_array
    single_places: np.ndarray
    mean: csr_array

    def of(self, places: np.ndarray) -> csr_array:
        """Return the averaged encodings of known places."""
        return self.mean[np.searchsorted(self.known, places)]

    def single_of(self, places: np.ndarray) -> csr_array:
        """Return the encodings of known places as they are."""
        return self.single[np.searchsorted(self.single_places, places)]


class _Encoder:
    """Lists of the nearest of records, as far as they are needed, and encodings made of them.

    A place is the number of a live record, in the order of rows.

    Attributes:
        state: The open index.
        scale: What distances are divided by.
    """

    def __init__(self, state: State, k1: int, k2: int, scale: float) -> None:
        self.state = state
        self.scale = scale
        self._rows = state.directory.records()[0]
        self._k1, self._k2, self._half = k1, k2, round(k1 / 2) + 1
        count = len(self._rows)
        self._listed = np.zeros(count, dtype=bool)
        self._nearest = np.full((count, k1 + 1), -1, dtype=np.int32)
        self._radius = np.full(count, np.inf, dtype=np.float32)
        self._halved = np.zeros(count, dtype=bool)
        self._reciprocal_half = np.full((count, self._half), -1, dtype=np.int32)

    def places(self, rows: np.ndarray) -> np.ndarray:
        """Return the places of rows, of any shape; -1 stays."""
        return np.where(rows >= 0, np.searchsorted(self._rows, rows), -1)

    def averaged(self, known: np.ndarray) -> _Encodings:
        """Return the encodings of (m,) ascending places."""
        from scipy.sparse import csr_array

        around = self._lists(known)[:, : self._k2]
        single_places = np.unique(around[around >= 0])
        single = self._single(single_places)
        filled = around >= 0
        counts = filled.sum(axis=1)
        shares = np.repeat(1 / np.maximum(counts, 1), counts)
        columns = np.searchsorted(single_places, around[filled])
        pointers = np.concatenate([[0], np.cumsum(counts)])
        mixing = csr_array((shares, columns, pointers), shape=(len(known), len(single_places)))
        return _Encodings(known, single, single_places, (mixing @ single).tocsr())

    def query(self, query: np.ndarray, near: np.ndarray, encodings: _Encodings) -> np.ndarray:
        """Return the averaged encoding, (n,), of a (d,) query with these places of neighbours, nearest first."""
        first = near[: self._k1]
        distance = self.state.recipe.distance
        # A record has a query among its nearest if that is nearer than the last of them.
        towards = distance.numpy(self._vectors(first), query[None])[:, 0].astype(np.float32)
        reciprocal = first[towards < self._radius[first]]
        members = np.unique(self._expanded(reciprocal[None])[1])
        encoding = np.zeros(len(self._rows))
        if len(members):
            encoding[members] = self._weights(query[None], self._vectors(members))[0]
        nearest = near[: self._k2 - 1]
        if len(nearest):
            encoding += np.asarray(encodings.single_of(nearest).sum(axis=0)).ravel()
        return encoding / (1 + len(nearest))

    def _single(self, places: np.ndarray) -> csr_array:
        """Return the (m, n) encodings V of (m,) places."""
        from scipy.sparse import csr_array

        columns, data, counts = [], [], []
        for start in range(0, len(places), _RECORDS):
            part = places[start : start + _RECORDS]
            owner, members = self._expanded(self._reciprocal(part))
            distinct, inside = np.unique(members, return_inverse=True)
            weights = self._weights(self._vectors(part), self._vectors(distinct))
            data.append(weights[owner, inside])
            columns.append(members)
            counts.append(np.bincount(owner, minlength=len(part)))
        shape = (len(places), len(self._rows))
        if not len(places):
            return csr_array(shape)
        pointers = np.concatenate([[0], np.cumsum(np.concatenate(counts))])
        return csr_array((np.concatenate(data), np.concatenate(columns), pointers), shape=shape)

    def _weights(self, vectors: np.ndarray, others: np.ndarray) -> np.ndarray:
        """Return (m, r) weights of (r, d) others in the encodings of (m, d) vectors."""
        weights: np.ndarray = np.exp(-self.state.recipe.distance.numpy(vectors, others) / self.scale)
        return weights

    def _expanded(self, reciprocal: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the members of R* of m records, given their (m, a) reciprocal neighbours, -1 where there is none.

        Returns:
            (e,) numbers of the record from 0 to m - 1, ascending, and (e,) places, ascending for each.
        """
        halves = np.full((*reciprocal.shape, self._half), -1, dtype=np.int32)
        halves[reciprocal >= 0] = self._halves(reciprocal[reciprocal >= 0])
        there = halves >= 0
        shared = (halves[..., None] == reciprocal[:, None, None, :]).any(axis=3) & there
        joins = 3 * shared.sum(axis=2) >= 2 * there.sum(axis=2)
        halves[~joins] = -1
        every = np.concatenate([reciprocal[:, :, None], halves], axis=2).reshape(len(reciprocal), -1)
        owner, column = np.nonzero(every >= 0)
        keys = np.unique(owner * len(self._rows) + every[owner, column])
        return np.divmod(keys, len(self._rows))

    def _reciprocal(self, places: np.ndarray) -> np.ndarray:
        """Return R(p, k1) of (m,) places, (m, k1 + 1) with -1 where there is none."""
        near = self._lists(places)
        back = np.full((*near.shape, near.shape[1]), -1, dtype=np.int32)
        back[near >= 0] = self._lists(near[near >= 0])
        return np.where((back == places[:, None, None]).any(axis=2), near, -1)

    def _halves(self, places: np.ndarray) -> np.ndarray:
        """Return R(p, k1 / 2) of (m,) places, (m, k1 / 2 + 1) with -1 where there is none."""
        missing = np.unique(places[~self._halved[places]])
        for start in range(0, len(missing), _RECORDS):
            part = missing[start : start + _RECORDS]
            near = self._lists(part)[:, : self._half]
            back = np.full((*near.shape, self._half), -1, dtype=np.int32)
            back[near >= 0] = self._lists(near[near >= 0])[:, : self._half]
            self._reciprocal_half[part] = np.where((back == part[:, None, None]).any(axis=2), near, -1)
            self._halved[part] = True
        halves: np.ndarray = self._reciprocal_half[places]
        return halves

    def _lists(self, places: np.ndarray) -> np.ndarray:
        """Return the places that are nearest to (m,) places, (m, k1 + 1), itself first; -1 where there is none."""
        missing = np.unique(places[~self._listed[places]])
        for start in range(0, len(missing), _QUERIES):
            part = missing[start : start + _QUERIES]
            prepared = self.state.recipe.distance.prepare(self._vectors(part))
            rows, distances = self.state.search(prepared, self._k1 + 1)
            self._nearest[part, 0] = part
            self._nearest[part, 1:] = self.places(others(rows, self._rows[part]))
            missed = ~(rows == self._rows[part, None]).any(axis=1)
            self._radius[part] = np.where(missed, distances[:, -2], distances[:, -1])
            self._listed[part] = True
        lists: np.ndarray = self._nearest[places]
        return lists

    def _vectors(self, places: np.ndarray) -> np.ndarray:
        return self.state.embeddings(self._rows[places])


def _largest_distance(state: State) -> float:
    """Return the largest of the distances among some records, as a size; 1 where there is none above 0."""
    rows = state.directory.records()[0]
    rows = rows[:: -(-len(rows) // _MEASURED)] if len(rows) else rows
    if len(rows) < 2:
        return 1.0
    vectors = state.embeddings(rows)
    return float(np.abs(state.recipe.distance.numpy(vectors, vectors)).max()) or 1.0
