"""The check of image shapes that backbones share."""

from __future__ import annotations

from simplug.api import InvalidInputError


def require_image(backbone: str, input_shape: tuple[int, ...], least: int, hint: str = "") -> None:
    """Refuse a shape that is no image with channels, or one of fewer than `least` pixels on a side.

    Raises:
        InvalidInputError: With the name of the backbone, the shape and `hint`.
    """
    if len(input_shape) != 3:
        raise InvalidInputError(
            f"backbone {backbone}: inputs are images (height, width, channels), not of shape {tuple(input_shape)}"
        )
    if min(input_shape[:2]) < least or input_shape[2] < 1:
        raise InvalidInputError(
            f"backbone {backbone}: images must have at least {least} x {least} pixels and a channel, not the shape "
            f"{tuple(input_shape)}{hint}"
        )
