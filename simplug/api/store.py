"""The contract of stores: the truth of an index, a record by its row."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

import attrs
import numpy as np

from simplug.kernel.component import Component


@attrs.frozen(eq=False)
class Rows:
    """Records to be written together.

    Attributes:
        rows: (n,) int64, ascending; the order in which records came.
        ids: (n,) int64, the users' own.
        labels: (n,) int64.
        embeddings: (n, d) float32.
        payloads: n payloads as bytes; empty where there is none.
    """

    rows: np.ndarray
    ids: np.ndarray
    labels: np.ndarray
    embeddings: np.ndarray
    payloads: Sequence[bytes]


class Records(ABC):
    """An open store.

    Several threads may read at once; the index lets nobody read while it commits.
    """

    @abstractmethod
    def __len__(self) -> int:
        """Return the number of records."""

    @property
    @abstractmethod
    def sequence(self) -> int:
        """The number of commits so far; it is part of what is stored."""

    @property
    @abstractmethod
    def last_row(self) -> int:
        """The highest row ever committed, removed ones included; -1 before the first. It is part of what is stored."""

    @property
    @abstractmethod
    def last_id(self) -> int:
        """The highest id ever committed, removed ones included; -1 before the first. It is part of what is stored."""

    @abstractmethod
    def commit(self, added: Rows | None, removed: np.ndarray) -> None:
        """Add records and take others away, all or nothing.

        When it returns, the change is on disk if the store is persistent, and :attr:`sequence` is one higher.

        Args:
            added: New records, with rows above :attr:`last_row`; None for none.
            removed: (n,) rows of present records.

        Raises:
            ArtifactError: It could not be written, or a removed row is not there; nothing was changed.
        """

    @abstractmethod
    def adopt(self, sequence: int, last_row: int, last_id: int) -> None:
        """Take over the counters of the store whose records were copied into this one.

        Args:
            sequence: Its :attr:`sequence`.
            last_row: Its :attr:`last_row`, at least that of this store.
            last_id: Its :attr:`last_id`, at least that of this store.
        """

    @abstractmethod
    def flush(self) -> None:
        """Bring every commit to the disk; for stores that may be told to let commits return earlier."""

    @abstractmethod
    def keys(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return rows, ids and labels of all records, in ascending order of rows.

        A record whose id or label is damaged is left out; :meth:`damage` then has it.

        Raises:
            ArtifactError: The store is damaged in such a way that records may be missing.
        """

    def damage(self) -> dict[int, str]:
        """Return the rows of the records that :meth:`keys` left out, and what is wrong with each, with its id.

        They count in the length of the store, and can be neither read nor removed.
        """
        return {}

    @abstractmethod
    def embeddings(self, rows: np.ndarray) -> np.ndarray:
        """Return the (n, d) float32 embeddings of present rows.

        Raises:
            ArtifactError: A record is damaged or not there; the message has its id or row.
        """

    @abstractmethod
    def payloads(self, rows: np.ndarray) -> list[bytes]:
        """Return the payloads of present rows.

        Raises:
            ArtifactError: A record is damaged or not there; the message has its id or row.
        """

    @abstractmethod
    def close(self) -> None:
        """Close the store; what was committed to a persistent store stays."""


class Store(Component, ABC):
    """Where the records of an index live.

    Attributes:
        persistent: Whether commits go to the disk, by default before they return; otherwise the index writes the
            records as files when it is flushed, saved or closed.
    """

    kind: ClassVar[str] = "store"
    persistent: ClassVar[bool] = False

    @abstractmethod
    def open(self, folder: Path | None, dim: int, *, create: bool = True, readonly: bool = False) -> Records:
        """Open the records in a folder; None asks for records in memory alone.

        Args:
            folder: Where a persistent store keeps its files.
            dim: The dimension of the embeddings.
            create: Whether a folder without records becomes a new, empty store instead of an error; the index asks
                for it only when it is made itself, so that lost files are never taken for an empty store.
            readonly: Whether the records are only read; then nothing is created.

        Raises:
            ArtifactError: The folder holds something else, records of another dimension, or damaged files.
            InvalidInputError: `folder` is None and the store is persistent.
        """


def no_rows() -> np.ndarray:
    """Return an empty array of rows."""
    return np.empty(0, dtype=np.int64)
