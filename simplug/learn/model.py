"""The similarity model: a Keras model that owns an index."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

import simplug.api.layers  # noqa: F401 - registers the layers that a saved model may hold
from simplug.api import Component, Distance, Examples, InvalidInputError, Loss, ViewNetwork
from simplug.evaluation.calibration import Calibration
from simplug.evaluation.probes import PROBES
from simplug.evaluation.scores import QueryScores, RetrievalScores, Scores
from simplug.evaluation.verification import VerificationScores
from simplug.index.index import Index
from simplug.index.neighbors import Neighbors
from simplug.kernel.artifacts import providers_of, staged_folder, write_manifest
from simplug.kernel.config import to_config
from simplug.kernel.plugins import plugins
from simplug.kernel.registry import REGISTRIES
from simplug.learn.fingerprint import fingerprint
from simplug.learn.head import Head
from simplug.learn.loss import ComponentLoss
from simplug.learn.loss_distance import distance_of
from simplug.learn.replicas import share_of_loss, shown_by_all, whole_batch
from simplug.learn.view_head import ViewHead
from simplug.learn.view_settings import AUTO, MlpOption, view_network, view_options

BATCH = 256
"""Examples embedded at once. It is fixed, so that one example gets the same embedding whatever comes with it."""

_READ_AT_ONCE = 16 * BATCH
"""Examples read at once, where they are not in memory: whole batches, as they would be of all together."""

_OWN_OPTIONS = ("distance", "projector", "predictor", "momentum")
"""The options of :meth:`SimilarityModel.compile` that Keras does not know; a saved model has them as plain values."""

WEIGHTS_FILE = "model.keras"
INDEX_FOLDER = "index"


@keras.saving.register_keras_serializable(package="simplug")
class SimilarityModel(keras.Model):  # type: ignore[misc]
    """A Keras model from inputs to embeddings, with an index of its own.

    It trains like any Keras model. What can be done with embeddings alone (search, calibration, matching, scores) is
    done by its :class:`simplug.Index`; the model embeds and delegates.

    Args:
        inputs: The input of a functional Keras model.
        outputs: Its output: embeddings of shape (n, d).
        name: As in Keras.
        **kwargs: As in Keras.
    """

    # Keras restores a functional model from its file only if the arguments have these very names.
    def __init__(self, inputs: Any, outputs: Any, name: str | None = None, **kwargs: Any) -> None:
        super().__init__(inputs, outputs, name=name, **kwargs)
        if len(self.outputs) != 1 or len(self.outputs[0].shape) != 2:
            shapes = [tuple(output.shape) for output in self.outputs]
            raise InvalidInputError(f"a similarity model has one output of shape (n, d), not {shapes}")
        self._gallery: Index | None = None
        self._head: Head | ViewHead | None = None
        self._distance: Distance = REGISTRIES["distance"].build("cosine")

    @property
    def embedding_dim(self) -> int:
        """The dimension of the embeddings."""
        return int(self.outputs[0].shape[1])

    @property
    def loss_component(self) -> Loss | None:
        """The loss component that the model was compiled with; None for a loss of Keras's own, or none."""
        return self._head.component if self._head is not None else None

    @property
    def head(self) -> Head | ViewHead | None:
        """The layer that holds what the loss keeps, such as class vectors: trained and saved with the model.

        For a loss that compares two views it also holds projector, predictor and the slowly moving copy.
        """
        return self._head

    @property
    def embedding_model(self) -> keras.Model:
        """The layers from inputs to embeddings as a plain Keras model, which shares its weights with this one.

        It is what goes to production: it knows neither index nor loss, and neither class vectors nor a projector are in
        it.
        """
        return keras.Model(self.inputs, self.outputs, name=self.name)

    @property
    def distance(self) -> Distance:
        """The distance that a new index of this model uses."""
        return self._distance

    @property
    def gallery(self) -> Index:
        """The index of the model; made in memory, with an exact search, when it is first needed."""
        return self._gallery if self._gallery is not None else self.create_index()

    def compile(
        self,
        optimizer: Any = "adam",
        loss: Any = "multi_similarity",
        *,
        distance: str | Mapping[str, Any] | Distance = "auto",
        projector: MlpOption = AUTO,
        predictor: MlpOption = AUTO,
        momentum: float | str = AUTO,
        **options: Any,
    ) -> None:
        """Prepare training; the index is not touched.

        A loss that compares two views, such as ``"simclr"``, is shown projections, and the model stays one from inputs
        to embeddings: projector, predictor and the slowly moving copy of BYOL and MoCo are in :attr:`head`. Batches for
        such a loss hold the first views of their examples and then the second, and need no labels.

        Args:
            optimizer: As in Keras.
            loss: A loss component, its name or its table; or anything that Keras takes.
            distance: The distance of an index made later. ``"auto"`` takes the loss's own, or the cosine distance.
            projector: The dense layers behind the embedding, for losses that compare two views: ``"auto"`` takes those
                of the loss's paper, smaller; settings of :class:`simplug.api.Projector` replace some of them, as
                ``{"width": 1024}``; ``"none"`` compares the embeddings themselves.
            predictor: The dense layers behind the projector on the side that learns, for SimSiam and BYOL: ``"auto"``,
                or settings of :class:`simplug.api.Predictor`.
            momentum: The share of itself that the copy keeps at each step, from 0 to below 1, for BYOL and for
                ``self_supervised`` with ``symmetric = false``; ``"auto"`` is 0.99.
            **options: As in Keras.

        Raises:
            ComponentError: The name of the loss or distance cannot be used.
            ConfigError: Their settings have mistakes.
            InvalidInputError: The loss has no use for a projector, a predictor or a momentum.
        """
        if isinstance(loss, str | Mapping | Component):
            loss = ComponentLoss(REGISTRIES["loss"].build(loss))
        component = loss.component if isinstance(loss, ComponentLoss) else None
        own = distance_of(component) if component is not None else None
        network = view_network(component, projector=projector, predictor=predictor, momentum=momentum)
        self._distance = REGISTRIES["distance"].build(distance if distance != "auto" else own or "cosine")
        self._replace_head(component, network)
        super().compile(optimizer=optimizer, loss=loss, **options)
        # Built here and not at the first step: a model saved before it is fitted has the same optimizer state as the
        # one that is made when it is loaded.
        self.optimizer.build(self.trainable_variables)

    def _replace_head(self, component: Loss | None, network: ViewNetwork | None) -> None:
        """Give the loss a layer for what it keeps, in place of that of an earlier loss."""
        if self._head is not None:
            # Keras lists a layer when it is set as an attribute, and would go on training and saving it.
            self._layers.remove(self._head)
        self._head = None
        if component is not None and network is not None:
            self._head = ViewHead(component, network, self.embedding_model, name="head")
        elif component is not None:
            head = Head(component, name="head")
            head.build([(None, self.embedding_dim), (None,)])
            self._head = head

    def get_compile_config(self) -> dict[str, Any]:
        """Return what :meth:`compile_from_config` needs, as plain values; nothing for a model that is not compiled."""
        config = super().get_compile_config()
        if not config:
            return {}
        views = view_options(self._head.network) if isinstance(self._head, ViewHead) else {}
        return {**config, "distance": to_config(self._distance), **views}

    def compile_from_config(self, config: Mapping[str, Any]) -> None:
        """Compile as :meth:`get_compile_config` says; Keras calls it when it loads the model."""
        own = {key: value for key, value in config.items() if key in _OWN_OPTIONS}
        options = {key: value for key, value in config.items() if key not in own}
        self.compile(**keras.saving.deserialize_keras_object(options), **own)

    def compute_loss(
        self, x: Any = None, y: Any = None, y_pred: Any = None, sample_weight: Any = None, training: bool = True
    ) -> Any:
        """Return the loss of a batch; a loss component gets the labels as they are, not cast to floats, or none."""
        if self._head is None:
            return super().compute_loss(x, y, y_pred, sample_weight, training)
        if sample_weight is not None:
            raise InvalidInputError("sample_weight has no meaning for pairs of examples; leave it out")
        # Read first: a head that runs the encoder once more makes Keras forget what its layers added.
        extras = self.losses
        if isinstance(self._head, ViewHead):
            value = self._head.loss_of(
                y_pred, self.embedding_model, lambda: self(x, training=training), training=training
            )
        else:
            labels, embeddings = whole_batch(self._head.component, y, y_pred)
            value = self._head.loss_of(labels, embeddings, training=training)
        total = share_of_loss(value)
        for extra in extras:
            total = total + self._aggregate_additional_loss(extra)
        return total

    def compute_metrics(self, x: Any, y: Any, y_pred: Any, sample_weight: Any = None) -> dict[str, Any]:
        """Return the values of the metrics after a batch, as in Keras."""
        return shown_by_all(super().compute_metrics(x, y, y_pred, sample_weight))

    def _maybe_symbolic_build(self, iterator: Any = None, data_batch: Any = None) -> None:
        """Tell Keras the form of a batch, which it asks for where several replicas train a model.

        Keras would draw a batch and take the mean over the replicas: labels become fractions, several processes fail,
        and data that count their epochs are one ahead.
        """
        if self._head is None:
            super()._maybe_symbolic_build(iterator=iterator, data_batch=data_batch)
        else:
            super()._maybe_symbolic_build(data_batch=(self.input, keras.KerasTensor((None,), dtype="int64")))

    def embed(self, x: Any, *, verbose: int = 0) -> np.ndarray:
        """Return the (n, d) float32 embeddings of inputs.

        Args:
            x: (n, ...) inputs; for a model of several, a dict of them by the name of the input; or
                :class:`simplug.api.Examples`, which are read a part at a time.
            verbose: As in ``keras.Model.predict``.

        Raises:
            InvalidInputError: The inputs are not those of the model.
            DataError: An example cannot be read.
        """
        if isinstance(x, Examples):
            starts = range(0, len(x), _READ_AT_ONCE)
            rows = [np.arange(at, min(at + _READ_AT_ONCE, len(x))) for at in starts]
            parts = [self.embed(x.read(some), verbose=verbose) for some in rows]
            return np.concatenate([np.empty((0, self.embedding_dim), dtype=np.float32), *parts])
        given = self._inputs_of(x)
        if len(next(iter(given.values()))) == 0:
            return np.empty((0, self.embedding_dim), dtype=np.float32)
        inputs = given if isinstance(x, Mapping) else next(iter(given.values()))
        return np.asarray(self.predict(inputs, batch_size=BATCH, verbose=verbose), dtype=np.float32)

    def _inputs_of(self, x: Any) -> dict[str, np.ndarray]:
        """Return inputs by the name of the model's input, once they are known to be those of the model."""
        names = [tensor.name for tensor in self.inputs]
        if isinstance(x, Mapping) != (len(names) > 1) or (isinstance(x, Mapping) and set(x) != set(names)):
            told = f"a dict of {', '.join(x)}" if isinstance(x, Mapping) else "one array"
            wanted = f"a dict of {', '.join(names)}" if len(names) > 1 else "one array"
            raise InvalidInputError(f"inputs are {told}; the model takes {wanted}")
        given = {name: np.asarray(x[name] if isinstance(x, Mapping) else x) for name in names}
        for tensor, array in zip(self.inputs, given.values(), strict=True):
            expected = tuple(tensor.shape)
            if array.ndim != len(expected) or any(
                want is not None and want != have for want, have in zip(expected[1:], array.shape[1:], strict=False)
            ):
                shape = ", ".join("n" if size is None else str(size) for size in expected)
                raise InvalidInputError(f"inputs have shape {array.shape}; the model takes ({shape})")
        if len({len(array) for array in given.values()}) > 1:
            lengths = ", ".join(f"{name} {len(array)}" for name, array in given.items())
            raise InvalidInputError(f"the inputs are not of one length: {lengths}")
        return given

    def create_index(
        self,
        path: str | os.PathLike[str] | None = None,
        *,
        distance: str | Mapping[str, Any] | Distance | None = None,
        **options: Any,
    ) -> Index:
        """Make a new, empty index for this model; an index it had is closed.

        Args:
            path: The folder of the index; None keeps it in memory.
            distance: None takes the model's distance.
            **options: As for :meth:`simplug.Index.create`: search, store, overwrite.
        """
        created = Index.create(path, dim=self.embedding_dim, distance=distance or self._distance, **options)
        self.attach_index(created)
        return created

    def attach_index(self, index: Index) -> None:
        """Use `index` from now on; an index that the model had is closed.

        Raises:
            InvalidInputError: Its dimension is not that of the embeddings.
        """
        if index.dim != self.embedding_dim:
            raise InvalidInputError(f"the index has dimension {index.dim}, the embeddings {self.embedding_dim}")
        if self._gallery is not None and self._gallery is not index:
            self._gallery.close()
        self._gallery = index

    def reset_index(self) -> None:
        """Forget the index, and start with an empty one in memory."""
        self.create_index()

    def index(self, x: Any, y: Any = None, data: Sequence[Any] | None = None, *, verbose: int = 0) -> np.ndarray:
        """Embed examples and add them to the index.

        Args:
            x: (n, ...) inputs.
            y: (n,) integer labels; None leaves them unlabelled.
            data: A payload for each example, given back by lookups.
            verbose: As in ``keras.Model.predict``.

        Returns:
            The (n,) int64 ids of the new records.
        """
        ids = self.gallery.add(self.embed(x, verbose=verbose), labels=y, data=data)
        plugins.hook.simplug_index_built(index=self.gallery)
        return ids

    def lookup(self, x: Any, k: int = 5, *, verbose: int = 0, **options: Any) -> Neighbors:
        """Return the k nearest records of each input; `options` as for :meth:`simplug.Index.lookup`."""
        return self.gallery.lookup(self.embed(x, verbose=verbose), k=k, **options)

    def single_lookup(self, x: Any, k: int = 5, **options: Any) -> Neighbors:
        """Return the k nearest records of one input, given without a batch axis."""
        return self.gallery.single_lookup(self.embed(np.asarray(x)[None])[0], k=k, **options)

    def fingerprint(self) -> str:
        """Return the sha256 of the weights that embeddings are made with, as 64 hexadecimal digits.

        These are ``embedding_model.weights``, in that order, hashed as :func:`simplug.learn.fingerprint.fingerprint`
        says: what training changes, and what it carries along, such as the moving means of batch normalisation. What
        the loss keeps, and the states of optimizers, metrics and random generators, are not among them. A model that
        was saved and loaded has the same fingerprint. For a large network it takes as long as to embed one image.
        """
        kept_by_loss = set() if self._head is None else {id(weight) for weight in self._head.weights}
        return fingerprint(weight for weight in self.weights if id(weight) not in kept_by_loss)

    def calibrate(self, x: Any, y: Any, *, verbose: int = 0, **options: Any) -> Calibration:
        """Choose the distance beyond which a query is unknown; `options` as for :meth:`simplug.Index.calibrate`.

        The model's :meth:`fingerprint` is kept with the cut points: they hold for these weights alone.
        """
        return self.gallery.calibrate(self.embed(x, verbose=verbose), y, model=self.fingerprint(), **options)

    def calibrate_pairs(
        self, x: Any, y: Any, *, targets: Mapping[str, Mapping[str, float]], verbose: int = 0, **options: Any
    ) -> Calibration:
        """Choose distances by what they mean for pairs; `options` as for :meth:`simplug.Index.calibrate_pairs`.

        The model's :meth:`fingerprint` is kept with the cut points, as by :meth:`calibrate`.
        """
        embeddings = self.embed(x, verbose=verbose)
        return self.gallery.calibrate_pairs(embeddings, y, targets=targets, model=self.fingerprint(), **options)

    def match(self, x: Any, cutpoint: str = "optimal", *, no_match_label: int = -1, verbose: int = 0) -> Any:
        """Return the label of each input, or `no_match_label` where it is unknown; see :meth:`simplug.Index.match`.

        Raises:
            InvalidInputError: The model has been trained, or given other weights, since it was calibrated.
        """
        self._require_calibrated_weights()
        return self.gallery.match(self.embed(x, verbose=verbose), cutpoint=cutpoint, no_match_label=no_match_label)

    def evaluate_retrieval(
        self, x: Any, y: Any, metrics: Sequence[Any] = ("recall@1",), *, verbose: int = 0, **options: Any
    ) -> RetrievalScores:
        """Score the neighbours of inputs; `options` as for :meth:`simplug.Index.evaluate_retrieval`."""
        return self.gallery.evaluate_retrieval(self.embed(x, verbose=verbose), y, metrics, **options)

    def evaluate_verification(
        self,
        x: Any,
        y: Any,
        metrics: Sequence[Any] = ("roc_auc", "eer", "tar@far"),
        *,
        verbose: int = 0,
        **options: Any,
    ) -> VerificationScores:
        """Score pairs of inputs and records; `options` as for :meth:`simplug.Index.evaluate_verification`."""
        return self.gallery.evaluate_verification(self.embed(x, verbose=verbose), y, metrics, **options)

    def evaluate_open_set(
        self,
        x: Any,
        y: Any,
        metrics: Sequence[Any] = ("unknown_auroc", "detection@false_alarm", "identification@false_alarm"),
        *,
        verbose: int = 0,
        **options: Any,
    ) -> Scores:
        """Score how unknown inputs are told from known; `options` as for :meth:`simplug.Index.evaluate_open_set`."""
        return self.gallery.evaluate_open_set(self.embed(x, verbose=verbose), y, metrics, **options)

    def evaluate_probe(
        self, x: Any, y: Any, metrics: Sequence[Any] = PROBES, *, verbose: int = 0, **options: Any
    ) -> QueryScores:
        """Score classifiers that learn from the records; `options` as for :meth:`simplug.Index.evaluate_probe`."""
        return self.gallery.evaluate_probe(self.embed(x, verbose=verbose), y, metrics, **options)

    def evaluate_classification(self, x: Any, y: Any, *, verbose: int = 0, **options: Any) -> Any:
        """Score the matches of inputs at each cut point; see :meth:`simplug.Index.evaluate_classification`.

        Raises:
            InvalidInputError: The model has been trained, or given other weights, since it was calibrated.
        """
        self._require_calibrated_weights()
        return self.gallery.evaluate_classification(self.embed(x, verbose=verbose), y, **options)

    def _require_calibrated_weights(self) -> None:
        """Refuse cut points of other weights; those that were made without the model are the caller's to judge."""
        calibration = self.gallery.calibration
        if calibration is not None and calibration.model is not None and calibration.model != self.fingerprint():
            raise InvalidInputError(
                "the model has been trained or given other weights since it was calibrated; its records and cut points "
                "are of the old ones: index and calibrate again"
            )

    def index_size(self) -> int:
        """Return the number of records in the index."""
        return len(self.gallery)

    def index_summary(self) -> dict[str, Any]:
        """Return what the index is made of, its size, and how often and how fast it was asked."""
        return self.gallery.stats()

    def to_data_frame(self, limit: int | None = None) -> Any:
        """Return the records of the index as a pandas data frame.

        Args:
            limit: At most this many records, the oldest first.

        Raises:
            SimplugError: pandas is not installed.
        """
        return self.gallery.to_data_frame(limit)

    def save(self, filepath: str | os.PathLike[str], overwrite: bool = True, **options: Any) -> None:
        """Save the model.

        Args:
            filepath: A name that ends in ``.keras`` gets the model alone, as Keras writes it. Any other name becomes a
                folder with the model and its index, to be read by :func:`simplug.load`.
            overwrite: Replace what is there; the old folder goes only when the new one is complete.
            **options: As in Keras, for a ``.keras`` file.

        Raises:
            ArtifactError: `overwrite` is false and the folder exists, or it cannot be written.
        """
        path = Path(filepath)
        if path.suffix == ".keras":
            super().save(path, overwrite=overwrite, **options)
            return
        if options:
            raise InvalidInputError(f"{', '.join(options)}: only for a path that ends in .keras")
        config = {"distance": to_config(self._distance), "has_index": self._gallery is not None}
        with staged_folder(path, overwrite=overwrite) as folder:
            super().save(folder / WEIGHTS_FILE)
            if self._gallery is not None:
                self._gallery.save(folder / INDEX_FOLDER)
            providers = providers_of(self._distance, self.loss_component)
            # The index has a manifest of its own and checks itself.
            write_manifest(folder, "model", config, providers, leave_out=(INDEX_FOLDER,))
