"""The contrastive loss on the signal-to-noise distance."""

from __future__ import annotations

import attrs

from simplug.api import Distance, component
from simplug_losses.contrastive import Contrastive


@attrs.frozen(kw_only=True)
class SignalToNoiseContrastive(Contrastive):
    r"""Pulls and pushes pairs by the variance of their difference over the variance of the anchor.

    .. math::
        [d_{ap} - m_{pos}]_+ \qquad\text{and}\qquad [m_{neg} - d_{an}]_+ ,
        \qquad d_{ij} = \frac{\mathrm{var}(x_i - x_j)}{\mathrm{var}(x_i)}

    The loss ``contrastive`` with another default distance, on normalised embeddings. The paper adds a penalty on the
    sum of an embedding's components: the regularizer ``zero_mean``.

    Yuan et al., "Signal-to-Noise Ratio: A Robust Distance Metric for Deep Metric Learning", CVPR 2019.
    """

    distance: Distance = component(
        "distance", default={"name": "snr", "normalize": True}, doc="how far two embeddings are apart"
    )
