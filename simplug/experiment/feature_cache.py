"""Training on cached features: what is frozen of a backbone is run once, and the rest is trained on what came out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import attrs
import keras

from simplug.api import InvalidInputError, Split
from simplug.kernel.errors import ConfigError, Problem
from simplug.learn.evaluation_callback import EvaluationCallback
from simplug.learn.features import cached_features, split_frozen
from simplug.learn.model import SimilarityModel


@attrs.frozen(eq=False)
class CutModel:
    """A model in two: the frozen part in front, and the part that is trained.

    Attributes:
        whole: The model from examples to embeddings. It shares its layers with both parts.
        trunk: The frozen part, from examples to features.
        head: The part that is trained, from features to embeddings.
        folder: Where features are kept.
    """

    whole: SimilarityModel
    trunk: keras.Model
    head: SimilarityModel
    folder: Path

    @classmethod
    def of(cls, whole: SimilarityModel, folder: str) -> CutModel:
        """Cut a model that is not compiled yet.

        Raises:
            ConfigError: Nothing is frozen in front, or the model cannot be cut there.
        """
        mistake = "asks for a backbone whose first layers are frozen, as by freeze = ['trunk']"
        try:
            trunk, head = split_frozen(whole)
        except InvalidInputError as cause:
            raise ConfigError([Problem("train.cache_features", f"{mistake}: {cause}")]) from cause
        if not trunk.weights:
            # Such as the scaling of pixels, in front of layers that are all trained.
            raise ConfigError([Problem("train.cache_features", f"{mistake}; this one trains all of its weights")])
        named = SimilarityModel(head.inputs, head.outputs, name=f"{whole.name}_head")
        return cls(whole, trunk, named, Path(folder).expanduser())

    def features(self, split: Split) -> Split:
        """Return a split with the features of its examples in their place, computed now or read from the folder.

        Raises:
            ArtifactError: The folder cannot be written.
            DataError: An example cannot be read, or its features are not finite.
        """
        return cached_features(self.trunk, split, self.folder)

    def show_features(self, callbacks: Sequence[keras.callbacks.Callback]) -> None:
        """Give callbacks that embed examples their features instead: the model that they follow is the head."""
        for callback in callbacks:
            if isinstance(callback, EvaluationCallback):
                callback.replace_inputs(lambda inputs, labels: self.features(Split(inputs, labels)).inputs)

    def trained(self, compile_model: Callable[[SimilarityModel], None]) -> SimilarityModel:
        """Return the whole model with what training has left in the head, what its loss and optimizer keep included.

        Args:
            compile_model: Compiles a model as the head was.
        """
        compile_model(self.whole)
        for ours, theirs in zip(_kept(self.whole), _kept(self.head), strict=True):
            ours.assign(theirs)
        return self.whole


def _kept(model: SimilarityModel) -> list[keras.Variable]:
    """Return what a model keeps beside the layers from inputs to embeddings.

    The state of the optimizer is by the position of weights that are trained. They stand in the same order in the whole
    and in the part, since Keras orders layers by how far they are from the output.
    """
    return [*(model.head.variables if model.head is not None else []), *model.optimizer.variables]
