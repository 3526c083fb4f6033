"""Backbones that bring their inputs to 0..1."""

from __future__ import annotations


class ScalesToOne:
    """A backbone with a setting ``rescale``, by which it multiplies its inputs."""

    __slots__ = ()

    rescale: float

    @property
    def largest_input(self) -> float:
        """What `rescale` brings to 1."""
        return 1 / self.rescale
