"""LMDB environments: one a file and process, grown when full, never used after a fork."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import lmdb

from simplug.api import ArtifactError, InvalidInputError
from simplug_lmdb.datafile import extend, missing_bytes

DATA = "data.mdb"
_MAX_READERS = 1024
_RETRIES = 20

T = TypeVar("T")

_open: dict[Path, Environment] = {}
"""The environments of this process, by real path."""

_opening = threading.Lock()


class Environment:
    """An open environment; LMDB allows one a file and process, so those that only read share it."""

    def __init__(self, folder: Path, *, map_size: int, readonly: bool) -> None:
        self.folder = folder
        self.readonly = readonly
        self._users = 0
        self._process = os.getpid()
        options: dict[str, Any] = {"lib_version": 0} if _has_two_engines() else {}
        try:
            self._lmdb = lmdb.open(
                str(folder),
                map_size=map_size,
                max_dbs=4,
                max_readers=_MAX_READERS,
                readonly=readonly,
                create=not readonly,
                **options,
            )
            # Readers that were killed keep old pages from being used again until somebody clears their places.
            self._lmdb.reader_check()
        except lmdb.Error as cause:
            raise ArtifactError(f"{folder} cannot be opened: {cause}") from cause

    @classmethod
    def acquire(cls, folder: Path, *, map_size: int, readonly: bool) -> Environment:
        """Open the environment of a folder, or share the one that reads it already.

        Raises:
            InvalidInputError: It is open in this process, and one of the two uses writes.
        """
        key = folder.resolve()
        with _opening:
            known = _open.get(key)
            if known is not None and known._process != os.getpid():
                known = None
            if known is not None and not (known.readonly and readonly):
                raise InvalidInputError(
                    f"{folder} is open in this process already; close that index first, or share it between threads"
                )
            if known is None:
                known = _open[key] = cls(folder, map_size=map_size, readonly=readonly)
            known._users += 1
            return known

    def release(self) -> None:
        """Close the environment when nobody uses it any more."""
        with _opening:
            self._users -= 1
            if self._users:
                return
            for key in [key for key, known in _open.items() if known is self]:
                del _open[key]
            if self._process == os.getpid():
                self._lmdb.close()

    def database(self, name: bytes) -> Any:
        """Open a database of the environment, which is made if the environment is not read only."""
        return self._lmdb.open_db(name, create=not self.readonly)

    @contextlib.contextmanager
    def reading(self) -> Iterator[Any]:
        """Give a read transaction, for the block alone.

        Raises:
            ArtifactError: LMDB finds the file damaged.
        """
        self._require_own_process()
        try:
            try:
                transaction = self._lmdb.begin()
            except lmdb.MapResizedError:
                # Another process has let the file grow beyond what is mapped here.
                self._lmdb.set_mapsize(0)
                transaction = self._lmdb.begin()
            with transaction:
                yield transaction
        except lmdb.Error as cause:
            raise ArtifactError(f"{self.folder / DATA} cannot be read: {cause}") from cause

    def write(self, change: Callable[[Any], T]) -> T:
        """Run `change` in a write transaction, again with twice the room whenever there is too little.

        Raises:
            ArtifactError: It could not be written; nothing was changed.
        """
        self._require_own_process()
        while True:
            try:
                with self._lmdb.begin(write=True) as transaction:
                    result = change(transaction)
                break
            except lmdb.MapFullError:
                self._lmdb.reader_check()
                self._grow()
            except lmdb.MapResizedError:
                self._lmdb.set_mapsize(0)
            except lmdb.Error as cause:
                raise ArtifactError(f"{self.folder / DATA} cannot be written: {cause}") from cause
        missing = missing_bytes(self.folder / DATA)
        if missing:
            extend(self.folder / DATA, missing)
        return result

    def _grow(self) -> None:
        size = 2 * self._lmdb.info()["map_size"]
        try:
            self._lmdb.set_mapsize(size)
        except (lmdb.Error, OverflowError) as cause:
            raise ArtifactError(f"{self.folder / DATA} cannot grow to {size >> 20} MiB: {cause}") from cause

    def _require_own_process(self) -> None:
        if self._process != os.getpid():
            raise InvalidInputError(
                f"{self.folder} was opened in process {self._process} and cannot be used after a fork, in process "
                f"{os.getpid()}; open it there"
            )


def wait_for_whole_file(path: Path) -> int:
    """Return how many bytes a file lacks, after giving a living writer the time to add them."""
    for _ in range(_RETRIES):
        missing = missing_bytes(path)
        if not missing:
            return 0
        time.sleep(0.01)
    return missing


def _has_two_engines() -> bool:
    """Say whether this py-lmdb brings two engines, and so has to be told which data format new files get."""
    return int(lmdb.__version__.split(".")[0]) >= 3
