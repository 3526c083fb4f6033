"""By what distance a loss measures, and whether a model can be trained with it at all."""

from __future__ import annotations

from collections.abc import Iterator

from simplug.api import Distance, InvalidInputError, Loss
from simplug.kernel.component import fields_of


def distance_of(component: Loss) -> Distance | None:
    """Return the first distance that a loss or one inside it measures by, once a model can be trained with them.

    Raises:
        InvalidInputError: A reducer keeps one value an anchor; training takes one number.
    """
    distance = None
    for loss in _nested_losses(component):
        reducer = getattr(loss, "reducer", None)
        if reducer is not None and not reducer.scalar:
            raise InvalidInputError(
                f"{type(loss).__name__}.reducer keeps one value an anchor ({reducer!r}); a model is trained with a "
                "reducer that gives one number, such as 'mean'"
            )
        distance = distance or getattr(loss, "distance", None)
    return distance


def _nested_losses(component: Loss) -> Iterator[Loss]:
    """Go through a loss and the losses inside it."""
    yield component
    for field in fields_of(type(component)):
        value = getattr(component, field.name)
        for inner in value if isinstance(value, tuple) else (value,):
            if isinstance(inner, Loss):
                yield from _nested_losses(inner)
