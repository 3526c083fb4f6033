"""Whether inputs have the scale that a backbone is made for."""

from __future__ import annotations

import warnings

import numpy as np

from simplug.api import Backbone, SimplugWarning, Split

_EXAMPLES = 64
_TOO_SMALL, _TOO_LARGE = 0.02, 2.0
"""A share of what the backbone is made for: inputs that reach less, or more, are likely a mistake."""


class InputScaleWarning(SimplugWarning):
    """Inputs are far smaller or larger than what the backbone is made for."""


def warn_of_scale(backbone: Backbone, training: Split) -> None:
    """Warn of images of 0..1 in front of a backbone for pixels of 0..255, and of the like.

    Some examples are looked at, evenly spaced.

    Args:
        backbone: The network; nothing is said when it does not tell its largest input.
        training: The examples to train on, of one input.

    Raises:
        DataError: An example cannot be read.
    """
    expected = backbone.largest_input
    if expected is None:
        return
    rows = np.unique(np.linspace(0, len(training) - 1, _EXAMPLES).astype(np.int64))
    peak = float(np.abs(np.asarray(training.read(rows), dtype=np.float64)).max())
    if peak and not _TOO_SMALL * expected < peak <= _TOO_LARGE * expected:
        warnings.warn(
            f"inputs reach {peak:.3g}, by {len(rows)} examples, and the backbone is made for values up to "
            f"{expected:.3g}; set backbone.rescale to what fits them, as its documentation says",
            InputScaleWarning,
            stacklevel=3,
        )
