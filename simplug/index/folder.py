"""The folder of an index: what lies where, and how it is written so that no crash leaves half of it.

====================  ============================================================================================
``manifest.json``     what the index is made of; written last, so a folder without it is no index
``store/<g>/``        the records of a persistent store, which guards them itself; the manifest says which g counts
``records/<n>/``      the records of any other store after commit n; the highest n counts
``graph/<n>/``        the search structure after commit n: only a cache, checked before use; two are kept
``calibration.json``  the cut points
``lock``              the process number of the writer
====================  ============================================================================================
"""

from __future__ import annotations

import contextlib
import json
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from simplug.api import Engine, Records
from simplug.api.store import Rows, no_rows
from simplug.evaluation.calibration import Calibration
from simplug.index.locking import WriterLock
from simplug.index.recipe import Recipe
from simplug.kernel.artifacts import MANIFEST, read_manifest, staged_folder, write_file, write_manifest
from simplug.kernel.errors import ArtifactError, SimplugError

STORE, RECORDS, GRAPH, CALIBRATION, LOCK = "store", "records", "graph", "calibration.json", "lock"
_PARTS = (STORE, RECORDS, GRAPH, CALIBRATION, LOCK)
_UNFINISHED = re.compile(r"\..+\.(tmp|old)")
_NUMBER = re.compile("0|[1-9][0-9]*")
_COPIED_AT_ONCE = 4096
_KEPT_GRAPHS = 2
_COLUMNS = ("rows", "ids", "labels", "embeddings", "payloads", "ends")


def make(path: Path, *, overwrite: bool) -> WriterLock:
    """Make the folder of a new index, without a manifest yet, and take its lock.

    Raises:
        ArtifactError: Something is there that may not be replaced.
        InvalidInputError: An index that is open for writing is there.
    """
    require_free(path, overwrite=overwrite)
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as cause:
        raise ArtifactError(f"{path} cannot be written: {cause}") from cause
    lock = WriterLock(path / LOCK)
    try:
        # The manifest goes first: what a crash leaves is then no index, instead of half of one.
        for name in (MANIFEST, *_PARTS[:-1]):
            _remove(path / name)
        clean(path)
    except BaseException:
        lock.release()
        raise
    return lock


def unmake(path: Path) -> None:
    """Remove what :func:`make` and its followers left when an index could not be made."""
    for name in (MANIFEST, *_PARTS):
        _remove(path / name)
    with contextlib.suppress(OSError):
        path.rmdir()


def require_free(path: Path, *, overwrite: bool) -> None:
    """Refuse a path where no index may be written.

    Raises:
        ArtifactError: It exists and `overwrite` is false, or it holds something other than an index.
    """
    if not path.exists():
        return
    if not path.is_dir():
        raise ArtifactError(f"{path} is a file; an index is a folder")
    inside = sorted(part.name for part in path.iterdir())
    if inside and not overwrite:
        raise ArtifactError(f"{path} exists; pass overwrite=True to replace it")
    foreign = [name for name in inside if name not in (MANIFEST, *_PARTS) and not _UNFINISHED.fullmatch(name)]
    if foreign:
        raise ArtifactError(f"{path} holds what is no part of an index ({foreign[0]}); choose another folder")
    if MANIFEST in inside:
        read_manifest(path, "index")


def finish(path: Path, recipe: Recipe) -> None:
    """Write the manifest, which makes the folder an index, or an index of other settings."""
    write_manifest(path, "index", recipe.to_config(), recipe.providers(), leave_out=_PARTS)


def store_folder(path: Path, recipe: Recipe) -> Path | None:
    """Return where the store has its files; None for a store that has none."""
    return path / STORE / str(recipe.generation) if recipe.store.persistent else None


def clean(path: Path) -> None:
    """Remove what crashes left unfinished; only for the holder of the lock."""
    for folder in (path, path / RECORDS, path / GRAPH, path / STORE):
        if folder.is_dir():
            for inside in folder.iterdir():
                if _UNFINISHED.fullmatch(inside.name):
                    _remove(inside)


def remove_other_stores(path: Path, recipe: Recipe) -> None:
    """Remove the records of other generations: a compaction that was not finished, or has been."""
    if recipe.store.persistent:
        for inside in (path / STORE).glob("*"):
            if inside != store_folder(path, recipe):
                _remove(inside)


def copy_records(source: Records, target: Records) -> None:
    """Copy all records, and what the store remembers of removed ones, into an empty store.

    Raises:
        ArtifactError: A record is damaged; a copy would lose it without a word.
    """
    rows, ids, labels = source.keys()
    for message in source.damage().values():
        raise ArtifactError(message)
    for start in range(0, len(rows), _COPIED_AT_ONCE):
        part = slice(start, start + _COPIED_AT_ONCE)
        copied = Rows(rows[part], ids[part], labels[part], source.embeddings(rows[part]), source.payloads(rows[part]))
        target.commit(copied, no_rows())
    target.adopt(source.sequence, source.last_row, source.last_id)
    target.flush()


def write_copy(path: Path, recipe: Recipe, records: Records, engine: Engine) -> None:
    """Write records and search structure into an empty folder."""
    with contextlib.closing(recipe.store.open(store_folder(path, recipe), recipe.dim)) as copy:
        copy_records(records, copy)
        if not recipe.store.persistent:
            write_records(path, recipe, copy)
    if recipe.search.persistent:
        save_graph(path, recipe, engine, records.sequence)


def write_records(path: Path, recipe: Recipe, records: Records) -> None:
    """Write the records of a store that is not persistent as files, and remove those of earlier commits."""
    final = path / RECORDS / str(records.sequence)
    if not final.exists():
        rows, ids, labels = records.keys()
        payloads = records.payloads(rows)
        ends = np.cumsum([len(payload) for payload in payloads], dtype=np.int64)
        joined = np.frombuffer(b"".join(payloads), dtype=np.uint8)
        columns: tuple[np.ndarray, ...] = (rows, ids, labels, records.embeddings(rows), joined, ends)
        with staged_folder(final) as staging:
            for name, column in zip(_COLUMNS, columns, strict=True):
                try:
                    np.save(staging / f"{name}.npy", column, allow_pickle=False)
                except OSError as cause:
                    raise ArtifactError(f"{final} cannot be written: {cause}") from cause
            config = {
                "uuid": recipe.uuid,
                "sequence": records.sequence,
                "last_row": records.last_row,
                "last_id": records.last_id,
            }
            write_manifest(staging, "records", config, {})
    for older in (path / RECORDS).iterdir():
        if older != final:
            _remove(older)


def read_records(path: Path, recipe: Recipe, records: Records) -> None:
    """Read the records that :func:`write_records` wrote into an empty store.

    Raises:
        ArtifactError: There are none, or they are damaged.
    """
    found = _numbered(path / RECORDS)
    if not found:
        raise ArtifactError(f"{path} is damaged: its records are missing")
    folder = path / RECORDS / str(found[0])
    try:
        config, columns = _columns(folder)
    except ArtifactError:
        if folder.exists():
            raise
        # A writer in another process has replaced them by newer ones meanwhile.
        read_records(path, recipe, records)
        return
    if config.get("uuid") != recipe.uuid or config.get("sequence") != found[0]:
        raise ArtifactError(f"{folder} belongs to another index")
    rows, ids, labels, embeddings, payloads, ends = columns
    if len({len(column) for column in (rows, ids, labels, embeddings, ends)}) > 1 or embeddings.shape[1] != recipe.dim:
        raise ArtifactError(f"{folder} is damaged: its columns do not fit together")
    if len(rows):
        starts = np.concatenate([[0], ends[:-1]])
        texts = [payloads[start:end].tobytes() for start, end in zip(starts, ends, strict=True)]
        records.commit(Rows(rows, ids, labels, embeddings, texts), no_rows())
    records.adopt(config["sequence"], config["last_row"], config["last_id"])


def _columns(folder: Path) -> tuple[Mapping[str, Any], list[np.ndarray]]:
    config = read_manifest(folder, "records").config
    try:
        return config, [np.load(folder / f"{name}.npy", allow_pickle=False) for name in _COLUMNS]
    except (OSError, ValueError) as cause:
        raise ArtifactError(f"{folder} is damaged: {cause}") from cause


def save_graph(path: Path, recipe: Recipe, engine: Engine, sequence: int) -> None:
    """Save the search structure with what it was made from, and remove all older ones but one."""
    with staged_folder(path / GRAPH / str(sequence), overwrite=True) as staging:
        try:
            engine.save(staging)
        except OSError as cause:
            raise ArtifactError(f"{path / GRAPH} cannot be written: {cause}") from cause
        write_manifest(staging, "graph", {"uuid": recipe.uuid, "sequence": sequence}, recipe.providers())
    for older in _numbered(path / GRAPH)[_KEPT_GRAPHS:]:
        _remove(path / GRAPH / str(older))


def load_graph(path: Path, recipe: Recipe, sequence: int) -> tuple[Engine | None, int, list[str]]:
    """Return the newest saved search structure that can be used.

    Its files are compared with their hashes before any of them is opened.

    Args:
        path: The folder of the index.
        recipe: What the index is made of.
        sequence: That of the records; a structure may be older, and is never newer.

    Returns:
        The structure, None if there is none; its sequence; why newer ones cannot be used.
    """
    reasons = []
    for number in _numbered(path / GRAPH):
        folder = path / GRAPH / str(number)
        try:
            config = read_manifest(folder, "graph").config
            if config.get("uuid") != recipe.uuid or config.get("sequence") != number:
                reasons.append("a saved search structure belongs to another index")
            elif number > sequence:
                reasons.append("a saved search structure is newer than the records")
            else:
                return recipe.search.load(folder, recipe.dim, recipe.distance), number, reasons
        except (SimplugError, OSError, ValueError, TypeError, KeyError) as cause:
            reasons.append(f"a saved search structure is damaged ({cause})")
    return None, -1, reasons or ["no search structure was saved"]


def remove_graphs(path: Path, *, but: int | None = None) -> None:
    """Remove the saved search structures, which are not to be trusted, but for one."""
    for number in _numbered(path / GRAPH):
        if number != but:
            _remove(path / GRAPH / str(number))


def sizes(path: Path) -> dict[str, int]:
    """Return how many bytes each part of the folder takes on the disk, as far as it is there."""
    found = {}
    for name in (STORE, RECORDS, GRAPH):
        files = [file.stat() for file in (path / name).rglob("*") if file.is_file()]
        if files:
            # Of a file with holes only what is there counts.
            found[name] = sum(stat.st_blocks * 512 for stat in files)
    return found


def problems(path: Path) -> list[str]:
    """Compare the files of the folder, but for those of the store, with their hashes, and say what is wrong."""
    found = []
    for number in _numbered(path / GRAPH):
        found += _problem(path / GRAPH / str(number), "graph")
    for number in _numbered(path / RECORDS)[:1]:
        found += _problem(path / RECORDS / str(number), "records")
    found += _problem(path, "index")
    try:
        read_calibration(path)
    except ArtifactError as cause:
        found.append(str(cause))
    return found


def _problem(folder: Path, artifact: str) -> list[str]:
    try:
        read_manifest(folder, artifact)
    except ArtifactError as cause:
        return [str(cause)]
    return []


def write_calibration(path: Path, calibration: Calibration) -> None:
    """Write the calibration with its hash: a flipped digit would still be JSON."""
    text = calibration.to_json()
    body = {"sha256": _hash(text), "calibration": text}
    write_file(path / CALIBRATION, (json.dumps(body, indent=1) + "\n").encode())


def read_calibration(path: Path) -> Calibration | None:
    """Return the calibration; None if there is none.

    Raises:
        ArtifactError: The file is damaged.
    """
    file = path / CALIBRATION
    try:
        body: Any = json.loads(file.read_bytes())
        text = body["calibration"]
        if body["sha256"] != _hash(text):
            raise ArtifactError(f"{file} is damaged: it is not as it was written (sha256 differs)")
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as cause:
        raise ArtifactError(f"{file} is damaged: {type(cause).__name__}: {cause}") from cause
    return Calibration.from_json(text)


def _numbered(folder: Path) -> list[int]:
    """Return the numbers that folders inside one have as names, the highest first."""
    return sorted((int(inside.name) for inside in folder.glob("*") if _NUMBER.fullmatch(inside.name)), reverse=True)


def _hash(text: str) -> str:
    import hashlib

    return hashlib.sha256(text.encode()).hexdigest()


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        with contextlib.suppress(FileNotFoundError):
            path.unlink()
