"""A guarded hnswlib graph: nothing reaches the C++ code that it does not check itself and cannot bear."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import hnswlib
import numpy as np

from simplug.api import ArtifactError, Distance, Engine, InvalidInputError, scan

if TYPE_CHECKING:
    from simplug_hnsw.search import Hnsw

_FORMAT = 1
_GRAPH, _ABOUT, _REMOVED = "graph.bin", "graph.json", "removed.npy"
_FIRST_CAPACITY = 1024
_BLOCK_ROWS = 8192


class HnswEngine(Engine):
    """Rows are the graph's labels; a removed row stays in the graph, marked, and is never returned.

    The distance prepares the vectors, so the graph only knows squared Euclidean distances and inner products; its
    own cosine space, which stores what it normalised in single precision, is not used.
    """

    def __init__(
        self, recipe: Hnsw, dim: int, distance: Distance, graph: Any = None, removed: set[int] | None = None
    ) -> None:
        if distance.space not in ("l2", "ip"):
            raise InvalidInputError(f"hnsw serves distances of the spaces l2 and ip, not {distance!r}")
        self._recipe = recipe
        self._dim = dim
        self._distance = distance
        self._space: str = distance.space
        self._removed = set() if removed is None else removed
        if graph is None:
            graph = hnswlib.Index(space=self._space, dim=dim)
            graph.init_index(
                max_elements=_FIRST_CAPACITY,
                M=recipe.m,
                ef_construction=recipe.ef_construction,
                random_seed=recipe.seed,
            )
        graph.set_ef(recipe.ef)
        self._graph = graph

    def __len__(self) -> int:
        return int(self._graph.get_current_count()) - len(self._removed)

    def add(self, rows: np.ndarray, vectors: np.ndarray) -> None:
        """Add (n,) new rows with their (n, d) float32 vectors."""
        needed = self._graph.get_current_count() + len(rows)
        capacity = self._graph.get_max_elements()
        if needed > capacity:
            self._graph.resize_index(max(needed, 2 * capacity))
        self._graph.add_items(self._prepared(vectors), rows, num_threads=self._recipe.threads)

    def remove(self, rows: np.ndarray) -> None:
        """Take (n,) live rows away."""
        for row in rows.tolist():
            self._graph.mark_deleted(row)
            self._removed.add(row)

    def search(self, queries: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the nearest rows that the graph finds for (q, d) queries, and their distances."""
        prepared = self._prepared(queries)
        reachable = min(k, len(self))
        if reachable == 0 or len(queries) == 0:
            return np.full((len(queries), k), -1, dtype=np.int64), np.full((len(queries), k), np.inf, dtype=np.float32)
        try:
            found, values = self._graph.knn_query(prepared, k=reachable)
        except RuntimeError:
            # Some query reached fewer than k live nodes, and the binding then refuses the whole batch.
            found, values = self._one_by_one(prepared, reachable)
        rows = found.astype(np.int64)
        distances = np.asarray(self._distance.from_space(values), dtype=np.float32)
        if reachable < k:
            missing = ((0, 0), (0, k - reachable))
            rows = np.pad(rows, missing, constant_values=-1)
            distances = np.pad(distances, missing, constant_values=np.inf)
        return rows, distances

    def rows(self) -> np.ndarray:
        """Return the (n,) live rows, ascending."""
        every = np.array(self._graph.get_ids_list(), dtype=np.int64)
        return np.setdiff1d(every, np.fromiter(self._removed, dtype=np.int64), assume_unique=True)

    def vectors(self, rows: np.ndarray) -> np.ndarray:
        """Return the (n, d) float32 vectors of live rows, as the graph got them."""
        if not len(rows):
            return np.empty((0, self._dim), dtype=np.float32)
        found: np.ndarray = self._graph.get_items(rows, return_type="numpy")
        return found

    @property
    def removed(self) -> int:
        """How many removed rows still take space in the graph."""
        return len(self._removed)

    def tune(self, effort: int) -> None:
        """Set how many candidates are kept while searching."""
        self._graph.set_ef(effort)

    def save(self, folder: Path) -> None:
        """Write the graph, the rows that are marked as removed, and what the graph's own file does not say.

        Raises:
            ArtifactError: The graph was not written whole, which the binding itself does not report.
        """
        path = folder / _GRAPH
        self._graph.save_index(str(path))
        written, expected = path.stat().st_size if path.exists() else 0, self._graph.index_file_size()
        if written != expected:
            raise ArtifactError(f"{path} could not be written: {written} of {expected} bytes are there")
        np.save(folder / _REMOVED, np.array(sorted(self._removed), dtype=np.int64), allow_pickle=False)
        about = {**self._about(), "count": self._graph.get_current_count(), "bytes": expected}
        (folder / _ABOUT).write_text(json.dumps(about, indent=1) + "\n", encoding="utf-8")

    def _about(self) -> dict[str, Any]:
        return {
            "format": _FORMAT,
            "space": self._space,
            "dim": self._dim,
            "m": self._recipe.m,
            "ef_construction": self._recipe.ef_construction,
        }

    def _prepared(self, vectors: np.ndarray) -> np.ndarray:
        """Return vectors as the graph must get them; the binding itself does not compare their width with its own."""
        prepared = np.ascontiguousarray(self._distance.prepare(vectors), dtype=np.float32)
        if prepared.ndim != 2 or prepared.shape[1] != self._dim:
            raise InvalidInputError(f"vectors must have shape (n, {self._dim}), not {prepared.shape}")
        return prepared

    def _one_by_one(self, prepared: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        rows = np.empty((len(prepared), k), dtype=np.int64)
        values = np.empty((len(prepared), k), dtype=np.float32)
        for i in range(len(prepared)):
            query = prepared[i : i + 1]
            try:
                rows[i], values[i] = self._graph.knn_query(query, k=k)
            except RuntimeError:
                rows[i], values[i] = scan(_MEASURES[self._space], query, self._blocks(), k)
        return rows, values

    def _blocks(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        live = self.rows()
        for start in range(0, len(live), _BLOCK_ROWS):
            rows = live[start : start + _BLOCK_ROWS]
            yield rows, self.vectors(rows)


def load_engine(recipe: Hnsw, folder: Path, dim: int, distance: Distance) -> HnswEngine:
    """Read a graph whose files are known to be as they were written.

    The file of a graph says neither its space nor its dimension, and one that does not fit ends the process; so both
    were written beside it, and are compared before the file is opened.

    Raises:
        ArtifactError: The graph was made for other settings, or its parts do not fit together.
    """
    try:
        about = json.loads((folder / _ABOUT).read_text(encoding="utf-8"))
        removed = np.load(folder / _REMOVED, allow_pickle=False)
        size = (folder / _GRAPH).stat().st_size
    except (OSError, ValueError) as cause:
        raise ArtifactError(f"{folder} holds no graph: {cause}") from cause
    engine = HnswEngine(recipe, dim, distance)
    expected = engine._about()
    different = [key for key in expected if about.get(key) != expected[key]]
    if different:
        raise ArtifactError(
            f"{folder} holds a graph made with {different[0]} {about.get(different[0])}, not {expected[different[0]]}"
        )
    if about["bytes"] != size:
        raise ArtifactError(f"{folder / _GRAPH} has {size} bytes, not {about['bytes']}")
    graph = hnswlib.Index(space=engine._space, dim=dim)
    try:
        graph.load_index(str(folder / _GRAPH), max_elements=max(about["count"], _FIRST_CAPACITY))
    except RuntimeError as cause:
        raise ArtifactError(f"{folder / _GRAPH} is damaged: {cause}") from cause
    if graph.get_current_count() != about["count"]:
        raise ArtifactError(f"{folder / _GRAPH} has {graph.get_current_count()} nodes, not {about['count']}")
    return HnswEngine(recipe, dim, distance, graph, set(removed.tolist()))


def _squared_euclidean(queries: np.ndarray, vectors: np.ndarray) -> np.ndarray:
    queries, vectors = queries.astype(np.float64), vectors.astype(np.float64)
    squares = np.sum(queries**2, axis=1)[:, None] + np.sum(vectors**2, axis=1)[None, :] - 2 * queries @ vectors.T
    clipped: np.ndarray = np.maximum(squares, 0)
    return clipped


def _one_minus_inner_product(queries: np.ndarray, vectors: np.ndarray) -> np.ndarray:
    inner: np.ndarray = queries.astype(np.float64) @ vectors.astype(np.float64).T
    return 1 - inner


_MEASURES: dict[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
    "l2": _squared_euclidean,
    "ip": _one_minus_inner_product,
}
