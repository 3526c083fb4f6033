"""The store in LMDB: the component. What it opens is in :mod:`simplug_lmdb.records`."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import attrs

from simplug.api import InvalidInputError, Records, Store, option


@attrs.frozen
class Lmdb(Store):
    """Keeps records in an LMDB database on a local disk; a commit is on disk when it returns.

    Every record carries a checksum that is compared whenever it is read. The file grows as records come. LMDB must
    not be used on a network file system.
    """

    persistent: ClassVar[bool] = True

    map_size_mib: int = option(
        1024, ge=1, le=2**26, doc="address space reserved at first, in MiB; doubled whenever the records outgrow it"
    )

    def open(self, folder: Path | None, dim: int, *, create: bool = True, readonly: bool = False) -> Records:
        """Open the records in a folder; see :meth:`simplug.api.Store.open`."""
        from simplug_lmdb.records import LmdbRecords

        if folder is None:
            raise InvalidInputError("the store 'lmdb' needs a path; an index without one has the store 'memory'")
        return LmdbRecords(folder, dim, map_size=self.map_size_mib << 20, create=create, readonly=readonly)
