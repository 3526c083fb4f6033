"""What is wrong with a path that the user named."""

from __future__ import annotations

from pathlib import Path

from simplug.api import DataError
from simplug_datasets.nearest import did_you_mean


def require_folder(folder: Path, who: str) -> None:
    """Refuse a path that is no folder.

    Args:
        folder: The path.
        who: The data set, such as ``dataset image_folder``.

    Raises:
        DataError: It is missing, with the nearest name that is there, or it is a file.
    """
    if not folder.is_dir():
        raise DataError(f"{who}: {folder} {_fault(folder, 'a folder')}")


def unreadable_file(path: Path, error: OSError, who: str) -> DataError:
    """Return what is to be said about a file that could not be opened."""
    if isinstance(error, FileNotFoundError | NotADirectoryError | IsADirectoryError):
        return DataError(f"{who}: {path} {_fault(path, 'a file')}")
    return DataError(f"{who}: {path} cannot be read: {error.strerror or error}")


def _fault(path: Path, wanted: str) -> str:
    if path.exists():
        return f"is a {'folder' if path.is_dir() else 'file'}; it should be {wanted}"
    place = "" if path.is_absolute() else f" in {Path.cwd()}"
    if not path.parent.is_dir():
        first = next(folder for folder in reversed(path.parents) if not folder.is_dir())
        return f"is missing{place}: there is no folder {first}"
    names = sorted(other.name for other in path.parent.iterdir())
    return f"is missing{place}{did_you_mean(path.name, names)}"
