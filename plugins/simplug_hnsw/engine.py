"""A guarded hnswlib graph: nothing reaches the C++ code that it does not check itself and cannot bear."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import hnswlib
import numpy as np

from simplug.api import ArtifactError, Block, Distance, Engine, InvalidInputError, scan
from simplug_hnsw.nodes import Nodes

if TYPE_CHECKING:
    from simplug_hnsw.search import Hnsw

_FORMAT = 1
_GRAPH, _ABOUT = "graph.bin", "graph.json"
_FIRST_CAPACITY = 1024
_BLOCK_ROWS = 8192


class HnswEngine(Engine):
    """A graph whose nodes are vectors; rows with the same vector share a node.

    A node's label is the row it came with. A node whose last row was removed stays in the graph, marked, and is never
    returned. The distance prepares the vectors, so the graph only knows squared Euclidean distances and inner
    products; its own cosine space, which stores what it normalised in single precision, is not used.
    """

    def __init__(self, recipe: Hnsw, dim: int, distance: Distance, graph: Any, nodes: Nodes) -> None:
        self._recipe = recipe
        self._dim = dim
        self._distance = distance
        self._graph = graph
        self._nodes = nodes
        graph.set_ef(recipe.ef)
        self._count()

    def __len__(self) -> int:
        return self._size

    def _count(self) -> None:
        """Count nodes that have a row, and rows, and see whether they differ: here, because each search asks."""
        self._live = int(self._graph.get_current_count()) - len(self._nodes.removed)
        self._size = self._live + self._nodes.duplicates
        self._is_shared = not self._nodes.are_rows

    @property
    def removed(self) -> int:
        """How many removed rows still take space in the graph."""
        return len(self._nodes.removed)

    def tune(self, effort: int) -> None:
        """Set how many candidates are kept while searching."""
        self._graph.set_ef(effort)

    def add(self, rows: np.ndarray, vectors: np.ndarray) -> None:
        """Add (n,) new rows with their (n, d) float32 vectors, prepared."""
        self._require_width(vectors)
        fresh = self._nodes.add(rows, vectors, self._vectors_of_nodes)
        needed = self._graph.get_current_count() + len(fresh)
        capacity = self._graph.get_max_elements()
        if needed > capacity:
            self._graph.resize_index(max(needed, 2 * capacity))
        if len(fresh) < len(rows):
            rows, vectors = rows[fresh], vectors[fresh]
        if len(rows):
            self._graph.add_items(vectors, rows, num_threads=self._recipe.threads)
        self._count()

    def remove(self, rows: np.ndarray) -> None:
        """Take (n,) live rows away."""
        for node in self._nodes.remove(rows, self._vectors_of_nodes):
            self._graph.mark_deleted(node)
        self._count()

    def search(self, queries: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the nearest rows that the graph finds for (q, d) prepared queries, and their distances."""
        self._require_width(queries)
        reachable = min(k, self._live)
        if reachable == 0 or len(queries) == 0:
            return np.full((len(queries), k), -1, dtype=np.int64), np.full((len(queries), k), np.inf, dtype=np.float32)
        try:
            found, values = self._graph.knn_query(queries, k=reachable)
        except RuntimeError:
            # Some query reached fewer than k live nodes, and the binding then refuses the whole batch.
            found, values = self._one_by_one(queries, reachable)
        else:
            values = self._distance.from_space(values).astype(np.float32, copy=False)
        rows, distances = found.view(np.int64), values
        if self._is_shared:
            rows, distances = self._nodes.spread(rows, distances, min(k, self._size))
        if rows.shape[1] < k:
            missing = ((0, 0), (0, k - rows.shape[1]))
            rows = np.pad(rows, missing, constant_values=-1)
            distances = np.pad(distances, missing, constant_values=np.inf)
        return rows, distances

    def rows(self) -> np.ndarray:
        """Return the (n,) live rows, ascending."""
        return self._nodes.rows(self._every_node())

    def vectors(self, rows: np.ndarray) -> np.ndarray:
        """Return the (n, d) float32 vectors of live rows, as the graph got them."""
        return self._vectors_of_nodes(self._nodes.of(rows))

    def save(self, folder: Path) -> None:
        """Write the graph, which rows its nodes have, and what the graph's own file does not say.

        Raises:
            ArtifactError: The graph was not written whole, which the binding itself does not report.
        """
        path = folder / _GRAPH
        self._graph.save_index(str(path))
        written, expected = path.stat().st_size if path.exists() else 0, self._graph.index_file_size()
        if written != expected:
            raise ArtifactError(f"{path} could not be written: {written} of {expected} bytes are there")
        self._nodes.save(folder)
        settings = _settings(self._recipe, self._dim, self._distance)
        about = {**settings, "count": self._graph.get_current_count(), "bytes": expected}
        (folder / _ABOUT).write_text(json.dumps(about, indent=1) + "\n", encoding="utf-8")

    def _require_width(self, vectors: np.ndarray) -> None:
        """Refuse what would make the binding read beyond its end: it does not compare widths itself."""
        if vectors.ndim != 2 or vectors.shape[1] != self._dim:
            raise InvalidInputError(f"vectors must have shape (n, {self._dim}), not {vectors.shape}")

    def _vectors_of_nodes(self, nodes: np.ndarray) -> np.ndarray:
        if not len(nodes):
            return np.empty((0, self._dim), dtype=np.float32)
        found: np.ndarray = self._graph.get_items(nodes, return_type="numpy")
        return found

    def _one_by_one(self, queries: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        rows = np.empty((len(queries), k), dtype=np.int64)
        distances = np.empty((len(queries), k), dtype=np.float32)
        for i in range(len(queries)):
            query = queries[i : i + 1]
            try:
                rows[i], values = self._graph.knn_query(query, k=k)
            except RuntimeError:
                rows[i], distances[i] = scan(self._distance, query, self._blocks(), k)
            else:
                distances[i] = self._distance.from_space(values)
        return rows, distances

    def _blocks(self) -> Iterator[Block]:
        live = self._nodes.live(self._every_node())
        for start in range(0, len(live), _BLOCK_ROWS):
            nodes = live[start : start + _BLOCK_ROWS]
            yield Block(nodes, self._vectors_of_nodes(nodes))

    def _every_node(self) -> np.ndarray:
        return np.array(self._graph.get_ids_list(), dtype=np.int64)


def new_engine(recipe: Hnsw, dim: int, distance: Distance) -> HnswEngine:
    """Return an empty graph.

    Raises:
        InvalidInputError: The distance has no space that the graph knows.
    """
    if distance.space not in ("l2", "ip"):
        raise InvalidInputError(f"hnsw serves distances of the spaces l2 and ip, not {distance!r}")
    graph = hnswlib.Index(space=distance.space, dim=dim)
    graph.init_index(
        max_elements=_FIRST_CAPACITY, M=recipe.m, ef_construction=recipe.ef_construction, random_seed=recipe.seed
    )
    return HnswEngine(recipe, dim, distance, graph, Nodes())


def load_engine(recipe: Hnsw, folder: Path, dim: int, distance: Distance) -> HnswEngine:
    """Read a graph whose files are known to be as they were written.

    The file of a graph says neither its space nor its dimension, and one that does not fit ends the process; so both
    were written beside it, and are compared before the file is opened.

    Raises:
        ArtifactError: The graph was made for other settings, or its parts do not fit together.
    """
    try:
        about = json.loads((folder / _ABOUT).read_text(encoding="utf-8"))
        nodes = Nodes.load(folder)
        size = (folder / _GRAPH).stat().st_size
    except (OSError, ValueError) as cause:
        raise ArtifactError(f"{folder} holds no graph: {cause}") from cause
    expected = _settings(recipe, dim, distance)
    different = [key for key in expected if about.get(key) != expected[key]]
    if different:
        raise ArtifactError(
            f"{folder} holds a graph made with {different[0]} {about.get(different[0])}, not {expected[different[0]]}"
        )
    if about["bytes"] != size:
        raise ArtifactError(f"{folder / _GRAPH} has {size} bytes, not {about['bytes']}")
    graph = hnswlib.Index(space=distance.space, dim=dim)
    try:
        graph.load_index(str(folder / _GRAPH), max_elements=max(about["count"], _FIRST_CAPACITY))
    except RuntimeError as cause:
        raise ArtifactError(f"{folder / _GRAPH} is damaged: {cause}") from cause
    if graph.get_current_count() != about["count"]:
        raise ArtifactError(f"{folder / _GRAPH} has {graph.get_current_count()} nodes, not {about['count']}")
    return HnswEngine(recipe, dim, distance, graph, nodes)


def _settings(recipe: Hnsw, dim: int, distance: Distance) -> dict[str, Any]:
    """Return what a saved graph must have been made with."""
    return {
        "format": _FORMAT,
        "space": distance.space,
        "dim": dim,
        "m": recipe.m,
        "ef_construction": recipe.ef_construction,
    }
