"""Records as one file, for other programs and other indexes: NumPy's ``.npz``, or Arrow's ``.arrow`` and ``.feather``.

Both hold the columns ``id``, ``label`` and ``embedding``, which anything that reads such files can use, and the data
of the records as :mod:`simplug.index.payload` encodes it. In ``.npz`` all encoded data is one array of bytes, ``data``,
and ``data_end`` says where that of each record ends; in Arrow it is a column of bytes, ``data``, and ``crc32`` is a
checksum of each record, which ``.npz`` has of its own. Nothing is ever unpickled.
"""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import attrs
import numpy as np

from simplug.api import Distance
from simplug.index import payload, validation
from simplug.index.state import State
from simplug.kernel.artifacts import staged_file
from simplug.kernel.errors import ArtifactError, InvalidInputError, SimplugError

FORMAT = 1
"""The format that is written; a higher one is refused."""

_AT_ONCE = 4096
_ARROW = (".arrow", ".feather")
_COLUMNS = {"id": np.int64, "label": np.int64, "embedding": np.float32, "data": np.uint8, "data_end": np.int64}
_UNREADABLE = (OSError, ValueError, EOFError, MemoryError, RuntimeError, zipfile.BadZipFile, zlib.error)
"""What reading a damaged archive raises; NotImplementedError, for a method of compression, is a RuntimeError."""

_ABOUT = {"format": np.int64, "dim": np.int64}


@attrs.frozen(eq=False)
class Part:
    """Records in the order of rows.

    Attributes:
        ids: (n,) int64.
        labels: (n,) int64.
        embeddings: (n, d) float32.
        payloads: n payloads as bytes.
    """

    ids: np.ndarray
    labels: np.ndarray
    embeddings: np.ndarray
    payloads: list[bytes]


def write(state: State, path: Path, *, overwrite: bool) -> None:
    """Write all records into a file; see :meth:`simplug.Index.export`."""
    if path.suffix not in (".npz", *_ARROW):
        raise InvalidInputError(f"{path} must end in .npz, {' or '.join(_ARROW)}")
    arrow = _arrow() if path.suffix in _ARROW else None
    if path.exists() and not overwrite:
        raise ArtifactError(f"{path} exists; pass overwrite=True to replace it")
    with staged_file(path) as file:
        if arrow is None:
            _write_npz(state, file)
        else:
            _write_arrow(state, file, arrow)


def read(path: Path, dim: int, distance: Distance) -> Part:
    """Read a file that :func:`write` wrote, and check everything in it.

    Raises:
        ArtifactError: There is no such file, it is damaged, something else, or of a newer format.
        InvalidInputError: Its records have another dimension, or `distance` cannot measure one.
    """
    if not path.is_file():
        raise ArtifactError(f"{path} cannot be read: there is no such file")
    if path.suffix not in (".npz", *_ARROW):
        raise InvalidInputError(f"{path} must end in .npz, {' or '.join(_ARROW)}")
    found, given_dim = _read_npz(path) if path.suffix == ".npz" else _read_arrow(path, _arrow())
    if given_dim != dim:
        raise InvalidInputError(f"{path} holds embeddings of dimension {given_dim}, not {dim}")
    try:
        if not len(found.ids) == len(found.labels) == len(found.embeddings) == len(found.payloads):
            raise ArtifactError(f"{path} is damaged: its columns differ in length")
        validation.ids(found.ids)
        for id_, value in zip(found.ids.tolist(), found.payloads, strict=True):
            payload.decode(value, f"{path}: the data of id {id_}")
    except InvalidInputError as cause:
        raise ArtifactError(f"{path} is damaged: {cause}") from cause
    vectors = validation.embeddings(found.embeddings, dim, distance, f"{path}: embeddings")
    return attrs.evolve(found, embeddings=vectors)


def data_frame(columns: Mapping[str, Any]) -> Any:
    """Return columns as a pandas data frame.

    Raises:
        SimplugError: pandas is not installed.
    """
    try:
        import pandas as pd
    except ImportError:
        raise SimplugError("to_data_frame needs pandas: pip install pandas") from None
    return pd.DataFrame(columns)


def parts(state: State) -> Iterator[Part]:
    """Yield all records, some thousands at a time."""
    rows, ids, labels = state.directory.records()
    for start in range(0, len(rows), _AT_ONCE):
        some = slice(start, start + _AT_ONCE)
        yield Part(ids[some], labels[some], state.embeddings(rows[some]), state.payloads(rows[some]))


def _write_npz(state: State, file: Path) -> None:
    rows, ids, labels = state.directory.records()
    lengths = [len(value) for part in parts(state) for value in part.payloads]
    ends = np.cumsum(lengths, dtype=np.int64)
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED, allowZip64=True) as archive:
        for name, value in (("format", FORMAT), ("dim", state.recipe.dim)):
            _write_member(archive, name, _ABOUT[name], (), iter([np.int64(value)]))
        for name, column in (("id", ids), ("label", labels), ("data_end", ends)):
            _write_member(archive, name, _COLUMNS[name], column.shape, iter([column]))
        shape = (len(rows), state.recipe.dim)
        _write_member(archive, "embedding", np.float32, shape, (part.embeddings for part in parts(state)))
        data = (np.frombuffer(b"".join(part.payloads), dtype=np.uint8) for part in parts(state))
        _write_member(archive, "data", np.uint8, (sum(lengths),), data)


def _write_member(
    archive: zipfile.ZipFile, name: str, dtype: Any, shape: tuple[int, ...], blocks: Iterator[Any]
) -> None:
    """Write an array block by block, so that it is never in memory as a whole."""
    with archive.open(f"{name}.npy", "w", force_zip64=True) as stream:
        about = {"descr": np.dtype(dtype).newbyteorder("<").str, "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(stream, about)
        for block in blocks:
            stream.write(np.ascontiguousarray(block, dtype=np.dtype(dtype).newbyteorder("<")).tobytes())


def _read_npz(path: Path) -> tuple[Part, int]:
    try:
        with zipfile.ZipFile(path) as archive:
            names = {name.removesuffix(".npy") for name in archive.namelist()}
            if names != _COLUMNS.keys() | _ABOUT.keys():
                raise ArtifactError(
                    f"{path} holds no records of an index: it has {', '.join(sorted(names)) or 'nothing'}"
                )
            bad = archive.testzip()
            if bad is not None:
                raise ArtifactError(f"{path} is damaged: {bad} is not as it was written")
            columns = {name: _read_member(archive, name) for name in names}
    except _UNREADABLE as cause:
        raise ArtifactError(f"{path} is damaged or no .npz: {cause}") from cause
    for name, dtype in (_COLUMNS | _ABOUT).items():
        axes = 0 if name in _ABOUT else 1 + (name == "embedding")
        if columns[name].dtype != dtype or columns[name].ndim != axes:
            raise ArtifactError(f"{path} is damaged: {name} is {columns[name].dtype} of shape {columns[name].shape}")
    _require_known(path, int(columns["format"]))
    data, ends, dim = columns["data"].tobytes(), columns["data_end"], int(columns["dim"])
    starts = np.concatenate([[0], ends[:-1]]) if len(ends) else ends
    if (starts > ends).any() or (ends[-1] if len(ends) else 0) != len(data) or columns["embedding"].shape[1] != dim:
        raise ArtifactError(f"{path} is damaged: its columns do not fit together")
    payloads = [data[start:end] for start, end in zip(starts.tolist(), ends.tolist(), strict=True)]
    return Part(columns["id"], columns["label"], columns["embedding"], payloads), dim


def _read_member(archive: zipfile.ZipFile, name: str) -> np.ndarray:
    with archive.open(f"{name}.npy") as stream:
        array: np.ndarray = np.lib.format.read_array(stream, allow_pickle=False)
        if stream.read(1):
            raise ValueError(f"{name}.npy is longer than it says")
        return array


def _write_arrow(state: State, file: Path, arrow: Any) -> None:
    kinds = [
        ("id", arrow.int64()),
        ("label", arrow.int64()),
        ("embedding", arrow.list_(arrow.float32(), state.recipe.dim)),
        ("data", arrow.large_binary()),
        ("crc32", arrow.uint32()),
    ]
    about = {"simplug.format": str(FORMAT), "simplug.dim": str(state.recipe.dim)}
    schema = arrow.schema(kinds, metadata=about)
    with arrow.OSFile(str(file), "wb") as sink, arrow.ipc.new_file(sink, schema) as writer:
        for part in parts(state):
            embeddings = arrow.FixedSizeListArray.from_arrays(
                arrow.array(part.embeddings.reshape(-1)), state.recipe.dim
            )
            data = arrow.array(part.payloads, arrow.large_binary())
            columns = [arrow.array(part.ids), arrow.array(part.labels), embeddings, data, arrow.array(_checks(part))]
            writer.write_batch(arrow.record_batch(columns, schema=schema))


def _read_arrow(path: Path, arrow: Any) -> tuple[Part, int]:
    try:
        with arrow.OSFile(str(path), "rb") as source:
            table = arrow.ipc.open_file(source).read_all()
        table.validate(full=True)
        about = table.schema.metadata or {}
        if b"simplug.format" not in about:
            raise ArtifactError(f"{path} holds no records of an index: it has {', '.join(table.schema.names)}")
        _require_known(path, int(about[b"simplug.format"]))
        dim = int(about[b"simplug.dim"])
        embeddings = table["embedding"].combine_chunks()
        columns = [table[name].to_numpy() for name in ("id", "label", "crc32")]
        vectors = embeddings.flatten().to_numpy(zero_copy_only=False).reshape(len(table), dim)
        part = Part(columns[0], columns[1], vectors, table["data"].to_pylist())
        found = _checks(part)
    except (arrow.ArrowException, OSError, ValueError, TypeError, KeyError, MemoryError, AttributeError) as cause:
        raise ArtifactError(f"{path} is damaged or no Arrow file: {cause}") from cause
    wrong = found != columns[2]
    if wrong.any():
        raise ArtifactError(f"{path} is damaged: the record with id {part.ids[wrong][0]} is not as it was written")
    return part, dim


def _checks(part: Part) -> np.ndarray:
    """Return a checksum of each record, (n,) uint32."""
    numbers = np.stack([part.ids, part.labels], axis=1).astype("<i8")
    vectors = np.ascontiguousarray(part.embeddings, dtype="<f4")
    heads = zip(numbers, vectors, part.payloads, strict=True)
    checks = [zlib.crc32(data, zlib.crc32(vector, zlib.crc32(number))) for number, vector, data in heads]
    return np.array(checks, dtype=np.uint32)


def _require_known(path: Path, number: int) -> None:
    if not 1 <= number <= FORMAT:
        raise ArtifactError(f"{path} has format {number}; this version of simplug reads up to format {FORMAT}")


def _arrow() -> Any:
    try:
        import pyarrow
        import pyarrow.ipc
    except ImportError:
        raise SimplugError("Arrow files need pyarrow: pip install pyarrow") from None
    return pyarrow
