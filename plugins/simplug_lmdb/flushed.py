"""The last state of a store that is known to be on the disk, while commits do not wait for it.

Without a sync at each commit LMDB promises nothing for a power loss: the operating system may write a meta page
before the pages it points to, and new pages over those of the last state that was on the disk. Both are kept from
doing harm. A reading transaction on the last flushed state, held by the environment, keeps LMDB from using its pages
again; and its meta pages lie in a file beside the database, with the name that the system gave to its present run.
Whoever opens the store and finds that file in a later run of the system puts the meta pages back: all that came
after the flush is gone, and all that came before is whole.
"""

from __future__ import annotations

import struct
from pathlib import Path
from zlib import crc32

import attrs

from simplug.api import ArtifactError, sync

_NAME = "flushed"
_MAGIC = b"simplug flushed 1"
_CHECKSUM = struct.Struct("<I")
_BOOT = Path("/proc/sys/kernel/random/boot_id")


@attrs.frozen
class Flushed:
    """What the file says.

    Attributes:
        run: The run of the system in which commits were not synced.
        metas: The bytes of both meta pages at the last flush.
    """

    run: str
    metas: bytes


def present_run() -> str | None:
    """Return the name of this run of the system; None where the system gives none."""
    try:
        return _BOOT.read_text(encoding="ascii").strip()
    except OSError:
        return None


def read(folder: Path) -> Flushed | None:
    """Return what lies in the folder of a store; None if nothing does.

    Raises:
        ArtifactError: It is damaged.
    """
    path = folder / _NAME
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as cause:
        raise ArtifactError(f"{path} cannot be read: {cause}") from cause
    head, _, rest = data[:-4].partition(b"\n")
    run, _, metas = rest.partition(b"\n")
    if head != _MAGIC or data[-4:] != _CHECKSUM.pack(crc32(data[:-4])):
        raise ArtifactError(
            f"{path} is damaged; it says how to go back to the last flush if the machine has stopped since: if it has "
            "not, remove the file"
        )
    return Flushed(run.decode("ascii"), metas)


def write(folder: Path, flushed: Flushed) -> None:
    """Put the file in its place, on the disk when this returns."""
    beside = folder / f".{_NAME}.tmp"
    data = b"\n".join([_MAGIC, flushed.run.encode("ascii"), flushed.metas])
    beside.write_bytes(data + _CHECKSUM.pack(crc32(data)))
    sync(beside)
    beside.replace(folder / _NAME)
    sync(folder)


def remove(folder: Path) -> None:
    """Take the file away: every commit is on the disk."""
    (folder / _NAME).unlink(missing_ok=True)
    sync(folder)


def put_back(file: Path, flushed: Flushed) -> None:
    """Make a database what it was at the last flush."""
    with file.open("r+b") as stream:
        stream.write(flushed.metas)
    sync(file)
