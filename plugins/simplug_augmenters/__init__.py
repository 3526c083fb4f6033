"""Augmenters."""
