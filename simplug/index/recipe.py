"""What an index is made of: its dimension, and the components that measure, search and store."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs

from simplug.api import Distance, Search, Store
from simplug.index import validation
from simplug.kernel.artifacts import Manifest, provider_hint, providers_of
from simplug.kernel.config import to_config
from simplug.kernel.errors import ArtifactError, ComponentError, ConfigError, InvalidInputError
from simplug.kernel.registry import registry_of


@attrs.frozen
class Recipe:
    """The settings of an index. They never change, but that tuning sets the effort of the search.

    Attributes:
        dim: The dimension of the embeddings.
        distance: How far two embeddings are apart.
        search: How neighbours are found.
        store: Where records live.
        uuid: The identity of the index; parts of its folder that belong to another are not used.
        generation: How often the store was written anew.
    """

    dim: int
    distance: Distance
    search: Search
    store: Store
    uuid: str
    generation: int = 0

    def to_config(self) -> dict[str, Any]:
        """Return the recipe as plain values, for the manifest."""
        components = {"distance": self.distance, "search": self.search, "store": self.store}
        tables = {name: to_config(part) for name, part in components.items()}
        return {"dim": self.dim, "uuid": self.uuid, "generation": self.generation, **tables}

    def providers(self) -> dict[str, str]:
        """Return the distribution and version behind each component."""
        return providers_of(self.distance, self.search, self.store)


def recipe(dim: Any, distance: Any, search: Any, store: Any, *, has_path: bool, uuid: str) -> Recipe:
    """Build the parts of a new index from names, tables or instances; None asks for what suits best.

    Raises:
        InvalidInputError: The search cannot serve the distance, the store needs a path, or `dim` is unusable.
        ComponentError: A name cannot be used.
        ConfigError: A component has wrong settings.
    """
    dim = validation.dimension(dim)
    chosen_distance: Distance = registry_of("distance").build(distance)
    if search is None:
        has_space = chosen_distance.space in ("l2", "ip")
        search = "hnsw" if has_path and has_space else "exact"
    chosen_search: Search = registry_of("search").build(search)
    chosen_store: Store = registry_of("store").build(store or ("lmdb" if has_path else "memory"))
    require_served(chosen_search, chosen_distance)
    if chosen_store.persistent and not has_path:
        name = to_config(chosen_store)["name"]
        raise InvalidInputError(f"the store '{name}' needs a path, and path is None; without one use store='memory'")
    return Recipe(dim, chosen_distance, chosen_search, chosen_store, uuid)


def recipe_from(manifest: Manifest, folder: Path) -> Recipe:
    """Build the parts of a saved index from its manifest.

    Raises:
        ArtifactError: The manifest does not describe an index.
        ComponentError: A component is not installed; the message says which distribution had it.
    """
    config = manifest.config
    tables: dict[str, Mapping[str, Any]] = {name: config.get(name, {}) for name in ("distance", "search", "store")}
    has_identity = isinstance(config.get("uuid"), str) and type(config.get("generation")) is int
    if not has_identity or not all(isinstance(table, dict) for table in tables.values()):
        raise ArtifactError(f"{folder} is damaged: its manifest does not describe an index")
    try:
        with provider_hint(manifest):
            parts = {name: registry_of(name).build(table) for name, table in tables.items()}
        dim = validation.dimension(config.get("dim"))
        built = Recipe(dim, uuid=config["uuid"], generation=config["generation"], **parts)
    except (ConfigError, InvalidInputError) as cause:
        raise ArtifactError(f"{folder} is damaged: {cause}") from cause
    require_served(built.search, built.distance)
    return built


def require_served(search: Search, distance: Distance) -> None:
    """Refuse a search that cannot serve a distance.

    Raises:
        InvalidInputError: It cannot; the message names the distances that it can serve.
    """
    if search.spaces is None or distance.space in search.spaces:
        return
    served = [name for name in registry_of("distance").names() if _space(name) in search.spaces]
    raise InvalidInputError(
        f"the search '{to_config(search)['name']}' cannot serve the distance '{to_config(distance)['name']}'; it "
        f"serves {', '.join(served) or 'none that is installed'}; search='exact' serves any"
    )


def _space(name: str) -> str | None:
    """Return the space of a distance; None where it has none or cannot be used."""
    try:
        space: str | None = registry_of("distance").get(name).space
    except ComponentError:
        return None
    return space
