"""Where the records of TFRecord files lie, by class: found once, and kept in files that are mapped into memory.

The records of a class are a range of rows, so that whoever draws by class needs to know where each class begins, and
nothing about each record. Making the index needs memory for the classes, not for the records: what is found goes to a
file, block by block, and from there to its place. The index lies in a folder of its own, which is written beside its
place, flushed to the disk and then given its name. The name holds a hash of all that the index depends on: the options,
and the path, size and time of each file. An index that does not fit any more has another name, and is removed when the
new one is there; one that is damaged is made again.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs
import numpy as np

from simplug.api import DataError, sync
from simplug.api.holding_out import held_out_count
from simplug_datasets.record_file import UnreadableRecordError, records
from simplug_datasets.unreadable import Unreadable

FORMAT = 2
PLACE = np.dtype([("shard", "<u4"), ("length", "<u4"), ("offset", "<u8")])
"""The number of a record's file, the bytes of its data, and where it begins."""

_ENTRY = np.dtype([("label", "<i8"), ("group", "<i8"), ("place", PLACE)])
_BLOCK = 65536
_CONTENTS = "index.json"
_PREFIX = ".simplug-index"


@attrs.frozen
class Found:
    """What a record is, before classes have their numbers.

    Attributes:
        label: The label: a whole number from 0 on, or a text.
        group: The category likewise; None where none is asked for.
    """

    label: int | bytes
    group: int | bytes | None


@attrs.frozen(eq=False)
class IndexedSplit:
    """The records of a split, by class and of a class in the order of the files; all arrays are mapped files.

    Attributes:
        labels: (n,) int64, ascending.
        groups: (n,) int64, or None.
        places: (n,) of type :data:`PLACE`.
    """

    labels: np.ndarray
    groups: np.ndarray | None
    places: np.ndarray


@attrs.frozen(eq=False)
class RecordIndex:
    """What was found in the files.

    Attributes:
        splits: The splits by name.
        class_names: The names of the classes, where labels were texts.
        group_names: The names of the categories, where they were texts.
        total: The number of records, those that cannot be read among them.
    """

    splits: Mapping[str, IndexedSplit]
    class_names: Mapping[int, str]
    group_names: Mapping[int, str]
    total: int


@attrs.frozen
class IndexRecipe:
    """All that an index depends on.

    Attributes:
        who: The data set, for the messages of errors.
        shards: The files of each split.
        options: The settings of the data set that decide what is found, as JSON holds them.
        examine: Given a record's data and where they lie, says what they are, or raises
            :class:`UnreadableRecordError`.
        checksums: Whether to check the data of each record.
        test_fraction: The share of each class of ``train`` to hold out as ``test``.
        seed: The same seed holds out the same records.
    """

    who: str
    shards: Mapping[str, Sequence[Path]]
    options: Mapping[str, Any]
    examine: Callable[[bytes, str], Found]
    checksums: bool
    test_fraction: float
    seed: int

    @property
    def names(self) -> tuple[str, str]:
        """The beginning of the name of its folder, by the options, and the rest, by the files as they are now."""
        options = {**self.options, "checksums": self.checksums, "test": self.test_fraction, "seed": self.seed}
        paths = {name: [str(path.absolute()) for path in shards] for name, shards in self.shards.items()}
        stats = [path.stat() for shards in self.shards.values() for path in shards]
        return _hash([FORMAT, options, paths]), _hash([[stat.st_size, stat.st_mtime_ns] for stat in stats])


def open_index(recipe: IndexRecipe, folder: Path, unreadable: Unreadable) -> RecordIndex:
    """Return the index of some files, made now if there is none, or none that fits.

    Args:
        recipe: What it is of.
        folder: Where it is kept.
        unreadable: Takes note of damaged records, also of those that were found when the index was made.

    Raises:
        DataError: A file or a record cannot be read, or the index cannot be written.
    """
    options, files = recipe.names
    target = folder / f"{_PREFIX}-{options}-{files}"
    found = _read(target, unreadable)
    if found is not None:
        return found
    staging = folder / f"{_PREFIX}-{uuid.uuid4().hex[:8]}.tmp"
    try:
        staging.mkdir(parents=True)
        contents = _make(recipe, staging, unreadable)
        (staging / _CONTENTS).write_text(json.dumps(contents), encoding="utf-8")
        _publish(staging, target)
        for stale in folder.glob(f"{_PREFIX}-{options}-*"):
            if stale != target:
                shutil.rmtree(stale, ignore_errors=True)
    except OSError as error:
        raise DataError(
            f"{recipe.who}: the index of the records cannot be written to {folder}: {error.strerror or error}\n"
            "set cache to a folder that can be written to"
        ) from error
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    found = _read(target, None)
    if found is None:
        raise DataError(f"{recipe.who}: the index of the records in {target} cannot be read back")
    return found


def _read(target: Path, unreadable: Unreadable | None) -> RecordIndex | None:
    """Return an index that is there and whole."""
    try:
        contents = json.loads((target / _CONTENTS).read_bytes())
        for name, digest in contents["files"].items():
            with (target / name).open("rb") as stream:
                if hashlib.file_digest(stream, "sha256").hexdigest() != digest:
                    return None
        splits = {name: _mapped(target / name) for name in contents["splits"]}
        classes, groups = (dict(enumerate(contents[part])) for part in ("class_names", "group_names"))
    except (OSError, ValueError, KeyError, TypeError):
        return None
    if unreadable is not None:
        unreadable.recall(contents["unreadable"], contents["named"])
    return RecordIndex(splits, classes, groups, contents["total"])


def _mapped(folder: Path) -> IndexedSplit:
    groups = folder / "groups.npy"
    return IndexedSplit(
        _open(folder / "labels.npy"), _open(groups) if groups.is_file() else None, _open(folder / "places.npy")
    )


def _open(path: Path) -> np.ndarray:
    """Return a mapped array; a plain one over it, as each look at a memmap makes another memmap."""
    return np.asarray(np.load(path, mmap_mode="r", allow_pickle=False))


def _publish(staging: Path, target: Path) -> None:
    for file in (*staging.rglob("*"), staging):
        sync(file)
    try:
        staging.rename(target)
    except OSError:
        if _read(target, None) is not None:  # Another process was faster.
            return
        shutil.rmtree(target)
        staging.rename(target)
    sync(target.parent)


def _hash(values: Any) -> str:
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:16]


class _Numbers:
    """Whole numbers for labels or categories: themselves, or for texts the order in which they are met."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._texts: dict[bytes, int] = {}
        self._are_texts: bool | None = None

    def add(self, value: int | bytes) -> int:
        """Return the number of a value for now.

        Raises:
            UnreadableRecordError: It is a text where others were numbers, or the reverse.
        """
        is_text = isinstance(value, bytes)
        if self._are_texts is None:
            self._are_texts = is_text
        if is_text != self._are_texts:
            kinds = ("a text", "numbers") if is_text else ("a number", "texts")
            raise UnreadableRecordError(f"its {self._what} {value!r} is {kinds[0]}, and those before are {kinds[1]}")
        return self._texts.setdefault(value, len(self._texts)) if isinstance(value, bytes) else value

    @property
    def names(self) -> list[str]:
        """The texts, in the order of their final numbers."""
        return [text.decode(errors="replace") for text in sorted(self._texts)]

    def final(self, numbers: np.ndarray) -> np.ndarray:
        """Return the final numbers: texts count in sorted order."""
        if not self._texts:
            return numbers
        ranks = np.empty(len(self._texts), dtype=np.int64)
        ranks[[self._texts[text] for text in sorted(self._texts)]] = np.arange(len(self._texts))
        final: np.ndarray = ranks[numbers]
        return final


def _make(recipe: IndexRecipe, folder: Path, unreadable: Unreadable) -> dict[str, Any]:
    """Write the arrays of an index, and return what is to be said about it."""
    labels, groups = _Numbers("label"), _Numbers("category")
    splits = list(recipe.shards)
    first_shard, total, has_groups = 0, 0, False
    for split in splits:
        scan = _Scan(recipe, split, first_shard, labels, groups, unreadable)
        (folder / split).mkdir()
        scan.write(folder / split / "entries")
        first_shard += len(recipe.shards[split])
        total += scan.total
        has_groups = has_groups or scan.has_groups
        if not scan.counts:
            where = recipe.shards[split][0].parent
            if not scan.total:
                raise DataError(f"{recipe.who}: the files for {split} in {where} hold no record")
            raise DataError(
                f"{recipe.who}: none of the {scan.total} records for {split} in {where} can be read:\n  "
                + "\n  ".join(unreadable.named)
            )
        # The numbers of texts are final when all splits have been scanned; the counts by number are needed then.
        (folder / split / "counts.json").write_text(json.dumps(list(scan.counts.items())), encoding="utf-8")
    for split in splits:
        _sort(folder / split, labels, groups, has_groups)
    if "test" not in splits and recipe.test_fraction:
        splits = ["train", "test"]
        _hold_out(folder, recipe)
    digests = {}
    for file in sorted(folder.glob("*/*.npy")):
        with file.open("rb") as stream:
            digests[f"{file.parent.name}/{file.name}"] = hashlib.file_digest(stream, "sha256").hexdigest()
    return {
        "splits": splits,
        "class_names": labels.names,
        "group_names": groups.names,
        "files": digests,
        "unreadable": unreadable.count,
        "named": unreadable.named,
        "total": total,
    }


class _Scan:
    """Goes through the files of a split once."""

    def __init__(
        self,
        recipe: IndexRecipe,
        split: str,
        first_shard: int,
        labels: _Numbers,
        groups: _Numbers,
        unreadable: Unreadable,
    ) -> None:
        self._recipe = recipe
        self._shards = recipe.shards[split]
        self._first_shard = first_shard
        self._labels = labels
        self._groups = groups
        self._unreadable = unreadable
        self.counts: dict[int, int] = {}
        self.total = 0
        self.has_groups = False

    def write(self, path: Path) -> None:
        """Write the entries of the records in the order of the files."""
        with path.open("wb") as stream:
            block = []
            for entry in self._entries():
                block.append(entry)
                if len(block) == _BLOCK:
                    stream.write(np.array(block, dtype=_ENTRY).tobytes())
                    block.clear()
            stream.write(np.array(block, dtype=_ENTRY).tobytes())

    def _entries(self) -> Iterator[tuple[int, int, tuple[int, int, int]]]:
        for number, shard in enumerate(self._shards, self._first_shard):
            for record in records(shard, checksums=self._recipe.checksums):
                self.total += 1
                where = f"{shard}, record at byte {record.offset}"
                try:
                    if isinstance(record.data, UnreadableRecordError):
                        raise record.data
                    found = self._recipe.examine(record.data, where)
                    label = self._labels.add(found.label)
                    group = -1 if found.group is None else self._groups.add(found.group)
                except UnreadableRecordError as error:
                    self._unreadable.add(where, error)
                    continue
                self.has_groups = self.has_groups or found.group is not None
                self.counts[label] = self.counts.get(label, 0) + 1
                yield label, group, (number, len(record.data), record.offset)


def _sort(folder: Path, labels: _Numbers, groups: _Numbers, has_groups: bool) -> None:
    """Bring the entries of a split into the order of their classes, a block at a time."""
    counts = np.array(json.loads((folder / "counts.json").read_text(encoding="utf-8")), dtype=np.int64)
    final = labels.final(counts[:, 0])
    order = np.argsort(final)
    classes, sizes = final[order], counts[order, 1]
    total = int(sizes.sum())
    free = np.cumsum(sizes) - sizes
    arrays = {name: _new(folder / f"{name}.npy", dtype, total) for name, dtype in _arrays(has_groups).items()}
    for block in _blocks(folder / "entries"):
        block_labels = labels.final(block["label"])
        ranks = np.searchsorted(classes, block_labels)
        by_class = np.argsort(ranks, kind="stable")
        present, starts, lengths = np.unique(ranks[by_class], return_index=True, return_counts=True)
        rows = np.empty(len(block), dtype=np.int64)
        rows[by_class] = np.repeat(free[present] - starts, lengths) + np.arange(len(block))
        free[present] += lengths
        arrays["labels"][rows] = block_labels
        arrays["places"][rows] = block["place"]
        if has_groups:
            arrays["groups"][rows] = groups.final(block["group"])
    (folder / "entries").unlink()
    (folder / "counts.json").unlink()


def _hold_out(folder: Path, recipe: IndexRecipe) -> None:
    """Part the split ``train`` in two: of each class the same share, drawn at random, becomes ``test``."""
    whole = folder / "train"
    kept = folder / "kept"
    split = _mapped(whole)
    is_test = np.lib.format.open_memmap(folder / "is_test.npy", mode="w+", dtype=bool, shape=split.labels.shape)
    rng = np.random.default_rng(recipe.seed)
    for start, stop in _runs(split.labels):
        count = held_out_count(stop - start, recipe.test_fraction)
        is_test[start + rng.permutation(stop - start)[:count]] = True
    held_out = int(np.count_nonzero(is_test))
    if not held_out:
        raise DataError(
            f"{recipe.who}: the test split is empty; every class keeps a record to train on, and none has a second "
            "one. Set test_fraction = 0 for no test split"
        )
    for part, value, count in ((kept, False, len(is_test) - held_out), (folder / "test", True, held_out)):
        part.mkdir()
        for file in whole.glob("*.npy"):
            source = _open(file)
            target, at = _new(part / file.name, source.dtype, count), 0
            for start in range(0, len(source), _BLOCK):
                rows = source[start : start + _BLOCK][is_test[start : start + _BLOCK] == value]
                target[at : at + len(rows)] = rows
                at += len(rows)
    (folder / "is_test.npy").unlink()
    shutil.rmtree(whole)
    kept.rename(whole)


def _runs(labels: np.ndarray) -> Iterator[tuple[int, int]]:
    """Yield where each class begins and ends, for ascending labels."""
    begin = 0
    for start in range(0, len(labels), _BLOCK):
        block = labels[start : start + _BLOCK + 1]
        for end in (np.flatnonzero(block[1:] != block[:-1]) + start + 1).tolist():
            yield begin, end
            begin = end
    yield begin, len(labels)


def _blocks(path: Path) -> Iterator[np.ndarray]:
    with path.open("rb") as stream:
        while content := stream.read(_BLOCK * _ENTRY.itemsize):
            yield np.frombuffer(content, dtype=_ENTRY)


def _arrays(has_groups: bool) -> dict[str, np.dtype]:
    int64 = np.dtype("<i8")
    return {"labels": int64, "places": PLACE} | ({"groups": int64} if has_groups else {})


def _new(path: Path, dtype: np.dtype, count: int) -> np.ndarray:
    return np.lib.format.open_memmap(path, mode="w+", dtype=dtype, shape=(count,))
