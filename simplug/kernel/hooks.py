"""The hook specifications: every event that a plugin can follow and everything it can contribute.

A plugin implements a hook as a function or method of the same name, marked with :data:`hookimpl`; it may accept fewer
arguments than the specification lists. ``None`` means "nothing to say". Components with a fixed name are entry
points, never hooks.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pluggy

if TYPE_CHECKING:
    import click
    import keras
    import numpy as np

    from simplug.kernel.artifacts import Manifest

hookspec = pluggy.HookspecMarker("simplug")
hookimpl = pluggy.HookimplMarker("simplug")

Register = Callable[[str, type], None]
"""What a registering hook is given: ``register(name, component_class)``."""


class RegisteringHooks:
    """One hook for each kind: components whose names are only known at run time.

    They are asked when a name is not among the entry points, and when everything is listed with ``--load``.
    """

    @hookspec
    def simplug_register_losses(self, register: Register) -> None:
        """Register losses by calling ``register(name, cls)``."""

    @hookspec
    def simplug_register_distances(self, register: Register) -> None:
        """Register distances by calling ``register(name, cls)``."""

    @hookspec
    def simplug_register_miners(self, register: Register) -> None:
        """Register miners by calling ``register(name, cls)``."""

    @hookspec
    def simplug_register_reducers(self, register: Register) -> None:
        """Register reducers by calling ``register(name, cls)``."""

    @hookspec
    def simplug_register_regularizers(self, register: Register) -> None:
        """Register regularizers by calling ``register(name, cls)``."""

    @hookspec
    def simplug_register_samplers(self, register: Register) -> None:
        """Register samplers by calling ``register(name, cls)``."""

    @hookspec
    def simplug_register_augmenters(self, register: Register) -> None:
        """Register augmenters by calling ``register(name, cls)``."""

    @hookspec
    def simplug_register_datasets(self, register: Register) -> None:
        """Register data sets by calling ``register(name, cls)``."""

    @hookspec
    def simplug_register_backbones(self, register: Register) -> None:
        """Register backbones by calling ``register(name, cls)``."""

    @hookspec
    def simplug_register_searches(self, register: Register) -> None:
        """Register searches by calling ``register(name, cls)``."""

    @hookspec
    def simplug_register_stores(self, register: Register) -> None:
        """Register stores by calling ``register(name, cls)``."""

    @hookspec
    def simplug_register_matchers(self, register: Register) -> None:
        """Register matchers by calling ``register(name, cls)``."""

    @hookspec
    def simplug_register_metrics(self, register: Register) -> None:
        """Register metrics by calling ``register(name, cls)``."""


class EventHooks:
    """What happens, told to every plugin that listens, and what plugins may contribute."""

    @hookspec
    def simplug_config_loaded(self, config: dict[str, Any], source: Path | None) -> None:
        """Look at the plain config, or edit it in place, before anything is checked or built."""

    @hookspec
    def simplug_component_built(self, kind: str, name: str, component: object) -> None:
        """A component of any kind was built from a config; nested ones come first."""

    @hookspec
    def simplug_fit_callbacks(self, config: Mapping[str, Any]) -> list[keras.callbacks.Callback] | None:
        """Offer Keras callbacks for the training of a run."""

    @hookspec
    def simplug_index_built(self, index: object) -> None:
        """The gallery of a run, or of ``SimilarityModel.index``, was indexed."""

    @hookspec
    def simplug_lookup_done(self, index: object, queries: np.ndarray, neighbors: object) -> None:
        """A lookup in an index has its result."""

    @hookspec
    def simplug_evaluated(self, scores: Mapping[str, Any]) -> None:
        """An evaluation finished, with these scores."""

    @hookspec
    def simplug_artifact_saved(self, path: Path, manifest: Manifest) -> None:
        """An artifact was written to `path` and is complete."""

    @hookspec
    def simplug_artifact_loaded(self, path: Path, manifest: Manifest) -> None:
        """An artifact was read from `path` and its files were checked."""

    @hookspec
    def simplug_cli_commands(self, cli: click.Group) -> None:
        """Add commands to the command line with ``cli.add_command``."""

    @hookspec
    def simplug_report_sections(self, run: Mapping[str, Any]) -> list[tuple[str, str]] | None:
        """Offer sections of the report of a run, as (title, HTML) pairs."""

    @hookspec
    def simplug_report_header(self) -> list[str] | None:
        """Offer lines for the head of a report and of ``simplug plugins --load``: versions, devices."""
