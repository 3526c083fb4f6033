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
from simplug_lmdb import flushed
from simplug_lmdb.datafile import extend, meta_pages, metas, missing_bytes
from simplug_lmdb.pages import Pages

DATA = "data.mdb"
_MAX_READERS = 1024
_RETRIES = 20

T = TypeVar("T")

_open: dict[Path, Environment] = {}
"""The environments of this process, by real path."""

_opening = threading.Lock()


class Environment:
    """An open environment; LMDB allows one a file and process, so those that only read share it.

    `unsynced` is how many commits may wait for the disk, for the environment of a writer: 0 lets none wait, None any
    number of them.
    """

    def __init__(self, folder: Path, *, map_size: int, readonly: bool, unsynced: int | None = 0) -> None:
        self.folder = folder
        self.readonly = readonly
        self._users = 0
        self._process = os.getpid()
        self._run = flushed.present_run()
        # Where the system does not say that it was started anew, nobody could tell when to go back to the last flush.
        self._unsynced = 0 if unsynced and self._run is None else unsynced
        self._waiting = 0
        self._pin: Any = None
        options: dict[str, Any] = {"lib_version": 0} if _has_two_engines() else {}
        # A writer that did not close the store may have left commits that are not on the disk yet.
        self._owes_flush = flushed.read(folder) is not None
        try:
            self._lmdb = lmdb.open(
                str(folder),
                map_size=map_size,
                max_dbs=4,
                max_readers=_MAX_READERS,
                readonly=readonly,
                create=not readonly,
                sync=readonly or self._unsynced == 0,
                **options,
            )
        except lmdb.Error as cause:
            raise ArtifactError(f"{folder} cannot be opened: {cause}") from cause
        try:
            # Readers that were killed keep old pages from being used again until somebody clears their places.
            self._lmdb.reader_check()
            if self._owes_flush or self._unsynced:
                self.flush()
        except lmdb.Error as cause:
            self._lmdb.close()
            raise ArtifactError(f"{folder} cannot be opened: {cause}") from cause
        except BaseException:
            self._lmdb.close()
            raise

    @classmethod
    def acquire(cls, folder: Path, *, map_size: int, readonly: bool, unsynced: int | None = 0) -> Environment:
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
                known = cls(folder, map_size=map_size, readonly=readonly, unsynced=unsynced)
                _open[key] = known
            known._users += 1
            return known

    def release(self) -> None:
        """Close the environment when nobody uses it any more.

        Raises:
            ArtifactError: What waited for the disk could not be brought there; the environment is closed.
        """
        with _opening:
            self._users -= 1
            if self._users:
                return
            for key in [key for key, known in _open.items() if known is self]:
                del _open[key]
            if self._process != os.getpid():
                return
            try:
                if self._pin is not None:
                    self.flush()
                    self._pin.abort()
                    flushed.remove(self.folder)
            except OSError as cause:
                raise ArtifactError(f"{self.folder} cannot be written: {cause}") from cause
            finally:
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
            with self._begin() as transaction:
                yield transaction
        except lmdb.Error as cause:
            raise ArtifactError(f"{self.folder / DATA} cannot be read: {cause}") from cause

    @contextlib.contextmanager
    def pages(self) -> Iterator[tuple[Any, Pages]]:
        """Give a read transaction and the pages of its snapshot, for the block alone.

        Raises:
            ArtifactError: The file is damaged.
        """
        for _ in range(_RETRIES):
            with self.reading() as transaction:
                # A writer may have replaced the meta page since the transaction began.
                found = [meta for meta in metas(self.folder / DATA) if meta.transaction == transaction.id()]
                if found:
                    with Pages(self.folder / DATA, found[-1]) as pages:
                        yield transaction, pages
                    return
        raise ArtifactError(f"{self.folder / DATA} is damaged: no meta page is that of its newest state")

    def write(self, change: Callable[[Any], T], *, room: int = 0) -> T:
        """Run `change` in a write transaction, again with twice the room whenever there is too little.

        Args:
            change: What to do with the transaction.
            room: How many bytes it is expected to take, for which room is made beforehand.

        Raises:
            ArtifactError: It could not be written; nothing was changed.
        """
        self._require_own_process()
        if not (self.folder / DATA).exists():
            raise ArtifactError(f"{self.folder / DATA} was removed while it was open; nothing can be written any more")
        if room:
            self._make_room(room)
        while True:
            try:
                with self._lmdb.begin(write=True) as transaction:
                    result = change(transaction)
                break
            except lmdb.MapFullError:
                self._lmdb.reader_check()
                self._grow(2 * self._lmdb.info()["map_size"])
            except lmdb.MapResizedError:
                self._grow(0)
            except lmdb.Error as cause:
                raise ArtifactError(f"{self.folder / DATA} cannot be written: {cause}") from cause
        missing = missing_bytes(self.folder / DATA)
        if missing:
            extend(self.folder / DATA, missing)
        self._waiting += 1
        if self._unsynced and self._waiting >= self._unsynced:
            self.flush()
        return result

    def flush(self) -> None:
        """Bring every commit to the disk.

        Raises:
            ArtifactError: It could not be done.
        """
        if self.readonly or (self._unsynced == 0 and not self._owes_flush):
            return
        try:
            self._lmdb.sync(True)
            if self._unsynced and self._run is not None:
                # In this order: until the file names the new state, the old one has to stay whole.
                flushed.write(self.folder, flushed.Flushed(self._run, meta_pages(self.folder / DATA)))
                pin = self._lmdb.begin()
                if self._pin is not None:
                    self._pin.abort()
                self._pin = pin
            else:
                flushed.remove(self.folder)
                self._owes_flush = False
        except (lmdb.Error, OSError) as cause:
            raise ArtifactError(f"{self.folder / DATA} cannot be brought to the disk: {cause}") from cause
        self._waiting = 0

    def _begin(self) -> Any:
        try:
            return self._lmdb.begin()
        except lmdb.MapResizedError:
            # Another process has let the file grow beyond what is mapped here.
            self._lmdb.set_mapsize(0)
            return self._lmdb.begin()

    def _make_room(self, room: int) -> None:
        info, (_, newer) = self._lmdb.info(), metas(self.folder / DATA)
        needed = (newer.last_page + 1) * newer.page_size + room
        size = info["map_size"]
        while size < needed:
            size *= 2
        if size != info["map_size"]:
            self._grow(size)

    def _grow(self, size: int) -> None:
        """Set the size of the map; 0 asks for what another process has made it."""
        try:
            if self._pin is not None:
                # No transaction survives this, and without one the flushed state is not safe.
                self.flush()
                self._pin.abort()
                self._pin = None
            self._lmdb.set_mapsize(size)
            if self._unsynced:
                self._pin = self._lmdb.begin()
        except (lmdb.Error, OverflowError) as cause:
            raise ArtifactError(f"{self.folder / DATA} cannot grow to {size >> 20} MiB: {cause}") from cause

    def _require_own_process(self) -> None:
        if self._process != os.getpid():
            raise InvalidInputError(
                f"{self.folder} was opened in process {self._process} and cannot be used after a fork, in process "
                f"{os.getpid()}; open it there"
            )


def go_back_if_needed(folder: Path, *, readonly: bool) -> None:
    """Make a store what it was at its last flush, if the machine has stopped since and commits did not wait for it.

    Raises:
        ArtifactError: It is needed, and this is a reader, or it cannot be done.
    """
    last = flushed.read(folder)
    if last is None or last.run == flushed.present_run():
        return
    if readonly:
        raise ArtifactError(
            f"{folder / DATA} was being written when the machine stopped; open the index for writing to go back to "
            "its last flush"
        )
    try:
        flushed.put_back(folder / DATA, last)
    except OSError as cause:
        raise ArtifactError(f"{folder / DATA} cannot be written: {cause}") from cause


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
