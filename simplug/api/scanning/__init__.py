"""Exact neighbours by looking at every vector: a fast, coarse pass leaves few pairs to be measured exactly."""

from simplug.api.scanning.block import Block, sums_of_squares
from simplug.api.scanning.every_vector import scan

__all__ = ["Block", "scan", "sums_of_squares"]
