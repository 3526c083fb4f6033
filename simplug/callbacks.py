"""Callbacks for Keras: evaluation and a watch for collapse while a model is trained, averaged weights, TensorBoard.

Each is loaded when it is first asked for, as ``simplug.callbacks.EvaluationCallback``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from simplug.learn.averaging import AveragedWeights as AveragedWeights
    from simplug.learn.collapse import CollapseCallback as CollapseCallback
    from simplug.learn.collapse import CollapseWarning as CollapseWarning
    from simplug.learn.evaluation_callback import EvaluationCallback as EvaluationCallback
    from simplug.learn.tensorboard import NeighborPictures as NeighborPictures
    from simplug.learn.tensorboard import Projection as Projection
else:
    from simplug.kernel.lazy import lazy_names

    __all__, __getattr__, __dir__ = lazy_names(
        __name__,
        {
            "simplug.learn.averaging": ["AveragedWeights"],
            "simplug.learn.collapse": ["CollapseCallback", "CollapseWarning"],
            "simplug.learn.evaluation_callback": ["EvaluationCallback"],
            "simplug.learn.tensorboard": ["NeighborPictures", "Projection"],
        },
    )
