"""Omniglot, from its zip files."""

from __future__ import annotations

import io
import re
import zipfile
import zlib
from collections.abc import Collection, Iterator
from pathlib import Path

import attrs
import numpy as np

from simplug.api import Data, DataError, Dataset, InvalidInputError, Split, option
from simplug_datasets.nearest import did_you_mean
from simplug_datasets.places import require_folder

_WHO = "dataset omniglot"
_DRAWING = re.compile(r"(?:.*/)?(?P<alphabet>[^/]+)/(?P<character>character\d+)/\d+_(?P<drawer>\d+)\.png")
_DRAWERS = 20
_PIXELS = 105

# What zipfile and Pillow raise for damaged bytes.
_DAMAGE = (OSError, ValueError, EOFError, SyntaxError, RuntimeError, zlib.error, zipfile.BadZipFile)


@attrs.frozen(order=True)
class _Drawing:
    """One image in a zip file; drawings stand by character, and of a character by drawer."""

    alphabet: str
    character: str
    drawer: int
    archive: Path = attrs.field(order=False)
    member: str = attrs.field(order=False)

    @property
    def label(self) -> str:
        """The name of its class."""
        return f"{self.alphabet}/{self.character}"


@attrs.frozen
class Omniglot(Dataset):
    """Characters of fifty alphabets, each drawn by twenty people, from the zip files of Omniglot (Lake et al., 2015).

    A class is a character, such as ``Greek/character01``; its group is its alphabet. Examples stand by class, and of a
    class by drawer, from 1 to 20: in a split of whole classes the drawer of row i is ``i % 20 + 1``. Classes and
    alphabets are numbered in the order of their names, over both splits together.

    Images are uint8 (n, size, size, 1): each pixel is the mean of the area that it covers of the original, which has
    105 x 105 pixels of ink or paper.

    The files are those of https://github.com/brendenlake/omniglot: ``images_background`` and ``images_evaluation``, or
    the small training sets of the challenge, ``images_background_small1`` and ``images_background_small2``. The two
    small sets share alphabets, with the same drawings: name those to test on in `test_alphabets`.

    Lake, Salakhutdinov and Tenenbaum (2015), "Human-level concept learning through probabilistic program induction",
    Science 350.
    """

    path: str = option(doc="the folder of the zip files")
    train: tuple[str, ...] = option(("images_background",), doc="the zip files to train on, without .zip")
    test: tuple[str, ...] = option(
        ("images_evaluation",), doc="the zip files to test on, without .zip; an empty list: no test split"
    )
    train_alphabets: tuple[str, ...] = option((), doc="the alphabets to train on; an empty list: all in the files")
    test_alphabets: tuple[str, ...] = option((), doc="the alphabets to test on; an empty list: all in the files")
    size: int = option(28, ge=1, le=_PIXELS, doc="the height and width of the images in pixels")
    invert: bool = option(True, doc="whether ink is 255 on paper of 0, as in MNIST; false: ink is 0, as in the files")

    def __attrs_post_init__(self) -> None:
        if not self.train:
            raise InvalidInputError("train must name a zip file to train on")

    def load(self) -> Data:
        """Read the images.

        Raises:
            DataError: A file is missing or damaged, an alphabet is in none of the files, a character lacks drawers, or
                the splits share drawings.
        """
        folder = Path(self.path).expanduser()
        require_folder(folder, _WHO)
        drawings = {"train": _chosen(folder, self.train, self.train_alphabets, "train_alphabets")}
        if self.test:
            drawings["test"] = _chosen(folder, self.test, self.test_alphabets, "test_alphabets")
            _require_apart(**drawings)
        every = [drawing for split in drawings.values() for drawing in split]
        classes = {name: label for label, name in enumerate(sorted({drawing.label for drawing in every}))}
        alphabets = {name: group for group, name in enumerate(sorted({drawing.alphabet for drawing in every}))}
        splits = {
            name: Split(
                self._images(split),
                np.array([classes[drawing.label] for drawing in split]),
                np.array([alphabets[drawing.alphabet] for drawing in split]),
            )
            for name, split in drawings.items()
        }
        names = [{number: name for name, number in numbers.items()} for numbers in (classes, alphabets)]
        return Data(splits, *names)

    def _images(self, drawings: list[_Drawing]) -> np.ndarray:
        images = np.empty((len(drawings), self.size, self.size, 1), dtype=np.uint8)
        for archive in {drawing.archive for drawing in drawings}:
            with zipfile.ZipFile(archive) as opened:
                for row, drawing in enumerate(drawings):
                    if drawing.archive == archive:
                        images[row, ..., 0] = _shrunk(_pixels(opened, drawing), self.size)
        return 255 - images if self.invert else images


def _pixels(archive: zipfile.ZipFile, drawing: _Drawing) -> np.ndarray:
    """Return a drawing as it is in its file, uint8 (105, 105): ink is 0 and paper 255."""
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(io.BytesIO(archive.read(drawing.member))) as opened:
            image = opened.convert("L")
    except _DAMAGE as error:
        reason = "it is no picture, or a damaged one" if isinstance(error, UnidentifiedImageError) else error
        raise DataError(f"{_WHO}: {drawing.member} in {drawing.archive} cannot be read: {reason}") from error
    if image.size != (_PIXELS, _PIXELS):
        raise DataError(
            f"{_WHO}: {drawing.member} in {drawing.archive} has {image.height} x {image.width} pixels; the "
            f"drawings of Omniglot have {_PIXELS} x {_PIXELS}"
        )
    pixels: np.ndarray = np.asarray(image)
    return pixels


def _shrunk(pixels: np.ndarray, size: int) -> np.ndarray:
    """Return an image of which each pixel is the mean of the area that it covers."""
    if size == len(pixels):
        return pixels
    shrunk: np.ndarray = np.rint(_averaged(_averaged(pixels, size).T, size).T)
    return shrunk


def _averaged(lines: np.ndarray, count: int) -> np.ndarray:
    """Return means over `count` stretches of equal length along the first axis, parts of lines counted as parts."""
    sums = np.concatenate([np.zeros((1, lines.shape[1])), np.cumsum(lines, axis=0, dtype=np.float64)])
    edges = np.arange(count + 1) * (len(lines) / count)
    whole = np.minimum(edges.astype(np.int64), len(lines) - 1)
    part = (edges - whole)[:, None]
    until = (1 - part) * sums[whole] + part * sums[whole + 1]
    means: np.ndarray = (until[1:] - until[:-1]) * (count / len(lines))
    return means


def _chosen(folder: Path, archives: Collection[str], alphabets: Collection[str], option_name: str) -> list[_Drawing]:
    """Return the drawings of a split in order; one that lies in several of the files is taken from the first."""
    found: dict[tuple[str, int], _Drawing] = {}
    for archive in archives:
        for drawing in _drawings(_path(folder, archive)):
            found.setdefault((drawing.label, drawing.drawer), drawing)
    present = sorted({drawing.alphabet for drawing in found.values()})
    for alphabet in alphabets:
        if alphabet not in present:
            raise DataError(
                f"{_WHO}: {option_name} names '{alphabet}', which is in none of {', '.join(archives)}"
                f"{did_you_mean(alphabet, present)}\nalphabets there: {', '.join(present)}"
            )
    chosen = sorted(drawing for drawing in found.values() if not alphabets or drawing.alphabet in alphabets)
    _require_drawers(chosen)
    return chosen


def _path(folder: Path, archive: str) -> Path:
    path = folder / f"{archive.removesuffix('.zip')}.zip"
    if not path.is_file():
        present = sorted(file.stem for file in folder.glob("*.zip"))
        hint = did_you_mean(archive, present)
        unpacked = (
            "; its folder is there, and the file is read as it is, not unpacked"
            if path.with_suffix("").is_dir()
            else ""
        )
        raise DataError(f"{_WHO}: {path} is missing{unpacked or hint}\nzip files there: {', '.join(present) or 'none'}")
    return path


def _drawings(archive: Path) -> Iterator[_Drawing]:
    try:
        with zipfile.ZipFile(archive) as opened:
            members = opened.namelist()
    except _DAMAGE as error:
        raise DataError(f"{_WHO}: {archive} is no zip file, or a damaged one: {error}") from error
    matches = [match for member in members if (match := _DRAWING.fullmatch(member))]
    if not matches:
        raise DataError(f"{_WHO}: {archive} holds no drawing, such as Greek/character01/0394_01.png")
    for match in matches:
        yield _Drawing(match["alphabet"], match["character"], int(match["drawer"]), archive, match[0])


def _require_drawers(drawings: list[_Drawing]) -> None:
    """Refuse a character that not each of the drawers has drawn: rows would no longer tell the drawer."""
    drawers: dict[str, list[int]] = {}
    for drawing in drawings:
        drawers.setdefault(drawing.label, []).append(drawing.drawer)
    short = {label: found for label, found in drawers.items() if found != list(range(1, _DRAWERS + 1))}
    if short:
        label, found = next(iter(short.items()))
        raise DataError(
            f"{_WHO}: {len(short)} of {len(drawers)} characters lack drawings, such as {label}, which has "
            f"{len(found)} of {_DRAWERS}; the zip file is not whole"
        )


def _require_apart(train: list[_Drawing], test: list[_Drawing]) -> None:
    shared = {drawing.alphabet for drawing in train} & {drawing.alphabet for drawing in test}
    if shared:
        rest = sorted({drawing.alphabet for drawing in test} - shared)
        raise DataError(
            f"{_WHO}: the splits share the drawings of {', '.join(sorted(shared))}; "
            f"set test_alphabets to others: {', '.join(rest) or 'the files to test on have none'}"
        )
