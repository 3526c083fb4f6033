"""What to try when a training has collapsed: it depends on the sign and on the loss."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from simplug.api import Component, Loss
from simplug.kernel.component import fields_of
from simplug.kernel.registry import REGISTRIES

Sign = Literal["spread", "rank", "margin"]
"""The embeddings point the same way; they fill few dimensions; the loss is what it is for equal embeddings."""

_HARDEST = ("batch_hard", "batch_easy_hard", "tfa_triplet_hard")
"""Miners and losses that take the hardest pairs of a batch alone."""


def advice(sign: Sign, loss: Loss | None, learning_rate: float) -> list[str]:
    """Return what to try, the likeliest first, as parts of a sentence.

    Args:
        sign: What was seen.
        loss: The loss component; None for a loss of Keras's own.
        learning_rate: The learning rate at that time.
    """
    lower = f"a learning rate below {learning_rate:.3g}, with warm-up"
    if loss is None:
        return [lower, "embeddings of length 1 (a UnitNormalization layer at the end)"]
    if loss.compares == "views":
        return [*_for_views(sign), lower]
    if loss.compares == "classes":
        return [lower, "gradients of limited norm (clipnorm)", "a smaller scale or margin of the loss"]
    return [*_for_pairs(sign, loss, lower)]


def _for_views(sign: Sign) -> Iterator[str]:
    if sign == "rank":
        yield "a loss that pulls dimensions apart: vicreg or barlow_twins"
        yield "a wider projector"
    else:
        yield (
            "for SimSiam and BYOL, projector and predictor as they are by default, so that no gradient reaches the "
            "view that is compared with"
        )
        yield (
            "a loss that equal embeddings do not please: one with a variance term (vicreg, barlow_twins) or with "
            "negatives (simclr)"
        )
    yield "augmentations that leave more of each example"


def _for_pairs(sign: Sign, loss: Loss, lower: str) -> Iterator[str]:
    names = set(_names_in(loss))
    if names & set(_HARDEST):
        yield (
            "semi-hard negatives in place of the hardest: the loss tfa_triplet_semihard, or the miner triplet_margin "
            'with triplets = "semi_hard"'
        )
    yield lower
    if sign == "rank":
        yield "more classes in a batch"
        yield "less weight decay"
        return
    yield "larger batches, of more classes"
    distance = getattr(loss, "distance", None)
    if distance is not None and getattr(distance, "normalize", True) is False:
        yield "a distance between embeddings of length 1: normalize = true, or cosine"


def _names_in(component: Component) -> Iterator[str]:
    """Yield the names of a component and of those within it."""
    yield REGISTRIES[component.kind].name_of(type(component))
    for field in fields_of(type(component)):
        value = getattr(component, field.name)
        for inner in value if isinstance(value, tuple) else (value,):
            if isinstance(inner, Component):
                yield from _names_in(inner)
