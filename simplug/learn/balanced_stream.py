"""Class-balanced batches out of any ``tf.data.Dataset``, read once from front to back."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import attrs
import numpy as np

from simplug.api import DataError, Inputs, InvalidInputError
from simplug.learn.batch_stream import with_plain_options
from simplug.learn.elements import Label, class_of, parted, require_class
from simplug.learn.waiting import StreamCounts, Waiting

if TYPE_CHECKING:
    import tensorflow as tf

_SHOWN = 5
"""How many classes a message names."""


class BalancedStream:
    """Batches of P classes with K examples each, made of the elements of a dataset as they come.

    Elements wait, by class, until P classes have K of them; those are a batch, class after class, and each element is
    in one batch at most. Classes and examples are drawn among those that wait. Elements are read in the dataset's own
    order: where it is sorted by class, shuffle it first. A dataset that ends is read again, and what waits stays.

    Iterating gives NumPy arrays; :meth:`dataset` is what ``fit`` takes. Every iteration begins anew and gives the same
    batches, if the dataset gives the same elements.

    Args:
        dataset: A dataset of single examples: dicts, tuples, of one input or several.
        label: The key of the label in a dict, its position in a tuple, or a function from an element of NumPy arrays
            to inputs and label. All other parts of an element are inputs; an input that is alone stands for itself.
        classes_per_batch: P.
        examples_per_class: K.
        seed: The same seed gives the same batches.
        classes: Only these classes, numbered in this order; the others are passed over. None takes all: labels that
            are numbers stay, texts are numbered as they first come.
        buffer_per_class: At most this many examples of a class wait; a further one takes the place of one of them.
        buffer_classes: At most this many classes wait; a further one takes the place of the one unseen for longest.
        patience: At most this many elements are read for one batch.
        repeat: Read a dataset that ends again; otherwise the batches end with it.

    Raises:
        InvalidInputError: A number is out of range, or the elements have no such label.
        DataError: The labels are neither whole numbers nor texts.
    """

    def __init__(
        self,
        dataset: tf.data.Dataset,
        label: Label = "label",
        *,
        classes_per_batch: int = 8,
        examples_per_class: int = 4,
        seed: int = 0,
        classes: Sequence[int | str] | None = None,
        buffer_per_class: int = 32,
        buffer_classes: int = 1000,
        patience: int = 100_000,
        repeat: bool = True,
    ) -> None:
        for name, value, least in (
            ("classes_per_batch", classes_per_batch, 1),
            ("examples_per_class", examples_per_class, 1),
            ("seed", seed, 0),
            ("buffer_per_class", buffer_per_class, examples_per_class),
            ("buffer_classes", buffer_classes, classes_per_batch),
            ("patience", patience, classes_per_batch * examples_per_class),
        ):
            if value < least:
                raise InvalidInputError(f"{name} must be at least {least}, not {value}")
        if classes is not None and len(set(classes)) < max(len(classes), classes_per_batch):
            raise InvalidInputError(
                f"classes names {len(set(classes))} different classes, and a batch has {classes_per_batch}; none twice"
            )
        self._elements = dataset
        self._label = label
        self._shape = (classes_per_batch, examples_per_class)
        self._seed = seed
        self._listed = classes
        self._buffers = (buffer_per_class, buffer_classes)
        self._patience = patience
        self._repeat = repeat
        self._numbers: dict[int | str, int] = {}
        self._counts = StreamCounts()
        self._check_form()

    @property
    def numbers(self) -> Mapping[int | str, int]:
        """The label in the batches of each class that has been met, by its name or number in the dataset."""
        return MappingProxyType(self._numbers)

    @property
    def counts(self) -> StreamCounts:
        """What became of the elements, in the iteration that was begun last."""
        return attrs.evolve(self._counts)

    def __iter__(self) -> Iterator[tuple[Inputs | tuple[np.ndarray, ...], np.ndarray]]:
        """Give inputs (P * K, ...), in the structure of an element, and int64 labels (P * K,).

        Raises:
            DataError: The dataset brings too few classes, is empty, has a label that is no class, or its examples
                differ in shape.
        """
        import tensorflow as tf

        counts = self._counts = StreamCounts()
        numbers = self._numbers = {name: at for at, name in enumerate(self._listed or ())}
        waiting = Waiting(*self._shape, *self._buffers, np.random.default_rng(self._seed), counts)
        since = 0
        while True:
            at_start = counts.read, counts.batches
            for element in self._elements.as_numpy_iterator():
                counts.read, since = counts.read + 1, since + 1
                example, label = parted(element, self._label)
                name = class_of(label)
                if self._listed is not None and name not in numbers:
                    counts.unlisted += 1
                else:
                    number = name if isinstance(name, int) and self._listed is None else len(numbers)
                    waiting.put(numbers.setdefault(name, number), example)
                if waiting.is_ready:
                    counts.batches, since = counts.batches + 1, 0
                    labels, examples = waiting.take()
                    yield tf.nest.map_structure(_stacked, *examples), labels
                elif since >= self._patience:
                    raise DataError(
                        f"{since} elements were read for one batch, which is the patience; {self._short(waiting)}"
                    )
            if not self._repeat:
                return
            self._check_pass(waiting, *at_start)

    def dataset(self, *, step: int = 0) -> tf.data.Dataset:
        """Return the batches as a ``tf.data.Dataset`` for ``fit``, with ``shuffle=False`` and ``steps_per_epoch``.

        Args:
            step: How many batches to leave out at first, so that a training goes on where it was broken off; the
                elements before them are read once more.

        Raises:
            InvalidInputError: `step` is negative.
        """
        import tensorflow as tf

        if step < 0:
            raise InvalidInputError(f"step must be at least 0, not {step}")

        def generate() -> Iterator[Any]:
            for number, batch in enumerate(self):
                if number >= step:
                    yield batch

        made = tf.data.Dataset.from_generator(generate, output_signature=self._form())
        if self._repeat:
            made = made.apply(tf.data.experimental.assert_cardinality(tf.data.INFINITE_CARDINALITY))
        return with_plain_options(made.prefetch(2))

    def _check_form(self) -> None:
        """Refuse elements without the label, or of parts that are no arrays, before anything is read."""
        import tensorflow as tf

        spec = self._elements.element_spec
        odd = [part for part in tf.nest.flatten(spec) if not isinstance(part, tf.TensorSpec)]
        if odd:
            raise InvalidInputError(f"elements hold {type(odd[0]).__name__}; the parts of an element are dense tensors")
        if not callable(self._label):
            found = parted(spec, self._label)[1]
            require_class(found.shape, found.dtype.as_numpy_dtype)

    def _form(self) -> Any:
        """Return the form of a batch; where a function says what is the label, the first element tells."""
        import tensorflow as tf

        count = self._shape[0] * self._shape[1]
        if callable(self._label):
            first = next(iter(self._elements.as_numpy_iterator()), None)
            if first is None:
                raise DataError("the dataset is empty")
            example = tf.nest.map_structure(np.asarray, parted(first, self._label)[0])
        else:
            example = parted(self._elements.element_spec, self._label)[0]
        inputs = tf.nest.map_structure(
            lambda part: tf.TensorSpec(tf.TensorShape([count]).concatenate(part.shape), part.dtype), example
        )
        return inputs, tf.TensorSpec((count,), tf.int64)

    def _check_pass(self, waiting: Waiting, read: int, batches: int) -> None:
        """Refuse to read a dataset again that is empty, or has too few classes for a batch."""
        if self._counts.read == read:
            raise DataError("the dataset is empty")
        if self._counts.batches == batches and len(waiting.sizes) < self._shape[0]:
            raise DataError(f"the whole dataset was read, {self._counts.read - read} elements; {self._short(waiting)}")

    def _short(self, waiting: Waiting) -> str:
        """Say which classes are short."""
        wanted, needed = self._shape
        sizes = waiting.sizes
        names = {number: name for name, number in self._numbers.items()}
        short = [(names[number], size) for number, size in sizes.items() if size < needed]
        told = [f"{name!r} with {size}" for name, size in short[:_SHOWN]]
        more = f" and {len(short) - _SHOWN} more" if len(short) > _SHOWN else ""
        listing = f"; short are {', '.join(told)}{more}" if short else ""
        return (
            f"a batch has {wanted} classes with {needed} examples, and {len(sizes) - len(short)} of the {len(sizes)} "
            f"classes that wait have as many{listing}"
        )


def _stacked(*values: Any) -> np.ndarray:
    """Return examples as one array."""
    shapes = list(dict.fromkeys(np.shape(value) for value in values))
    if len(shapes) > 1:
        raise DataError(
            f"examples of one batch have the shapes {shapes[0]} and {shapes[1]}; give them one shape with dataset.map()"
        )
    stacked: np.ndarray = np.stack(values)
    return stacked
