"""The store in LMDB: the component. What it opens is in :mod:`simplug_lmdb.records`."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar, Literal

import attrs

from simplug.api import InvalidInputError, Records, Store, option


@attrs.frozen
class Lmdb(Store):
    """Keeps records in an LMDB database on a local disk; a commit is on disk when it returns, if `sync` says so.

    Every record carries a checksum that is compared whenever it is read, and the pages of the file are checked before
    LMDB follows them. The file grows as records come. LMDB must not be used on a network file system.

    What `sync` can lose:

    - ``"always"``: nothing. Each commit waits for the disk.
    - ``"batch"``: nothing when the process is killed. When the machine stops, by a power loss or in any other way,
      before the index is closed, all commits since the last flush, of which there are at most `batch`; the store is
      then what it was at that flush, as a whole. Between flushes no space is used again, so the file may be larger.
      A folder copied to another machine from a process that did not close it also goes back to the last flush.
      Where the system does not tell its runs apart, as only Linux does, it is the same as ``"always"``.
    - ``"never"``: nothing when the process is killed. A power loss may cost any commit since the last flush, and
      leave a store that cannot be opened at all: the system writes pages in any order, and nothing guards against
      that. It is for records that can be had again.
    """

    persistent: ClassVar[bool] = True

    map_size_mib: int = option(
        1024, ge=1, le=2**26, doc="address space reserved at first, in MiB; doubled whenever the records outgrow it"
    )
    sync: Literal["always", "batch", "never"] = option(
        "always",
        choices=("always", "batch", "never"),
        doc="when commits reach the disk: always before they return; in a batch, so that a power loss costs those "
        "since the last flush; or never until a flush, so that a power loss may cost the whole store",
    )
    batch: int = option(100, ge=1, doc="how many commits go to the disk together, if sync is 'batch'")

    def open(self, folder: Path | None, dim: int, *, create: bool = True, readonly: bool = False) -> Records:
        """Open the records in a folder; see :meth:`simplug.api.Store.open`."""
        from simplug_lmdb.records import LmdbRecords

        if folder is None:
            raise InvalidInputError("the store 'lmdb' needs a path; an index without one has the store 'memory'")
        unsynced = {"always": 0, "batch": self.batch, "never": None}[self.sync]
        return LmdbRecords(
            folder, dim, map_size=self.map_size_mib << 20, create=create, readonly=readonly, unsynced=unsynced
        )
