"""Records as one file, as a data frame and one by one: nothing is lost, and what is damaged or foreign is refused."""

import sys

import numpy as np
import pytest

from simplug.index.index import Index
from simplug.kernel.errors import ArtifactError, InvalidInputError, SimplugError

PAYLOADS = [None, b"\0\1", "text", 7, 2**70, 0.5, True, [1, "a"], {"a": {"b": np.arange(3)}}, np.float32(2), ""]


def installed(name):
    try:
        __import__(name)
    except ImportError:
        return False
    return True


arrow = pytest.param(
    ".arrow", marks=pytest.mark.skipif(not installed("pyarrow"), reason="pyarrow is not installed: pip install pyarrow")
)
SUFFIXES = [".npz", arrow]


@pytest.fixture
def filled(tmp_path, vectors):
    """An index of 150 records, some of which were removed and updated."""
    with Index.create(tmp_path / "index", dim=8) as index:
        data = [PAYLOADS[i % len(PAYLOADS)] for i in range(200)]
        index.add(vectors, labels=np.arange(200) % 5 - 1, data=data, ids=np.arange(200) * 3)
        index.remove(np.arange(50) * 6)
        index.update([3, 9], labels=[77, 78])
        yield index


def assert_same(index, other):
    ids = index.to_columns()["id"]
    assert np.array_equal(other.to_columns()["id"], ids)
    ours, theirs = index.get(ids), other.get(ids)
    assert np.array_equal(ours.labels, theirs.labels)
    assert np.array_equal(ours.embeddings, theirs.embeddings)
    assert index._state.payloads(index._state.rows_of(ids)) == other._state.payloads(other._state.rows_of(ids))


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_exported_records_are_imported_as_they_were(filled, tmp_path, suffix, pair):
    file = tmp_path / f"records{suffix}"
    filled.export(file)
    with Index.create(tmp_path / "other", dim=8, **pair) as other:
        assert other.import_records(file).tolist() == filled.to_columns()["id"].tolist()
        assert_same(filled, other)
        found = other.lookup(filled.to_columns()["embedding"][:5], k=1)
        assert found.ids[:, 0].tolist() == filled.to_columns()["id"][:5].tolist()
    assert sorted(inside.name for inside in tmp_path.iterdir()) == ["index", "other", file.name]


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_an_empty_index_is_exported_and_imported(tmp_path, suffix):
    file = tmp_path / f"records{suffix}"
    with Index.create(None, dim=8) as index, Index.create(None, dim=8) as other:
        index.export(file)
        assert other.import_records(file).tolist() == []
        assert len(other) == 0


def test_the_npz_is_read_by_numpy_alone(filled, tmp_path):
    filled.export(tmp_path / "records.npz")
    with np.load(tmp_path / "records.npz", allow_pickle=False) as file:
        columns = filled.to_columns()
        assert np.array_equal(file["id"], columns["id"])
        assert np.array_equal(file["label"], columns["label"])
        assert np.array_equal(file["embedding"], np.stack(columns["embedding"]))
        assert (file["format"], file["dim"]) == (1, 8)
        assert len(file["data"]) == file["data_end"][-1]


@pytest.mark.skipif(not installed("pyarrow"), reason="pyarrow is not installed: pip install pyarrow")
def test_the_arrow_file_is_read_by_pyarrow_alone(filled, tmp_path):
    import pyarrow.feather

    filled.export(tmp_path / "records.feather")
    table = pyarrow.feather.read_table(tmp_path / "records.feather")
    columns = filled.to_columns()
    assert table["id"].to_pylist() == columns["id"].tolist()
    assert np.array_equal(np.array(table["embedding"].to_pylist(), dtype=np.float32), np.stack(columns["embedding"]))


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_an_import_is_all_or_none(filled, tmp_path, suffix):
    file = tmp_path / f"records{suffix}"
    filled.export(file)
    with Index.create(None, dim=8) as other:
        other.add(np.ones((1, 8)), ids=[3])
        with pytest.raises(InvalidInputError, match="ids holds 3, which the index has already"):
            other.import_records(file)
        assert len(other) == 1
    with (
        Index.create(None, dim=9) as other,
        pytest.raises(InvalidInputError, match="holds embeddings of dimension 8, not 9"),
    ):
        other.import_records(file)
    with pytest.raises(InvalidInputError, match="ids holds"):
        filled.import_records(file)


def test_embeddings_that_the_distance_cannot_measure_are_refused(tmp_path):
    with Index.create(None, dim=2, distance="euclidean") as index, Index.create(None, dim=2) as other:
        index.add([[1, 0], [0, 0]])
        index.export(tmp_path / "records.npz")
        with pytest.raises(InvalidInputError, match=r"records.npz: embeddings\[1\] is zero"):
            other.import_records(tmp_path / "records.npz")


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_file_is_replaced_only_on_demand(filled, tmp_path, suffix):
    file = tmp_path / f"records{suffix}"
    file.write_bytes(b"precious")
    with pytest.raises(ArtifactError, match="exists; pass overwrite=True"):
        filled.export(file)
    assert file.read_bytes() == b"precious"
    filled.export(file, overwrite=True)
    with Index.create(None, dim=8) as other:
        other.import_records(file)
        assert len(other) == len(filled)


def test_what_cannot_be_exported_or_imported_is_said(filled, tmp_path):
    with pytest.raises(InvalidInputError, match=r"must end in .npz, .arrow or .feather"):
        filled.export(tmp_path / "records.csv")
    with pytest.raises(ArtifactError, match="there is no such file"):
        filled.import_records(tmp_path / "nowhere.npz")
    (tmp_path / "records.csv").write_text("id")
    with pytest.raises(InvalidInputError, match=r"must end in .npz, .arrow or .feather"):
        filled.import_records(tmp_path / "records.csv")
    with pytest.raises(ArtifactError, match="cannot be written"):
        filled.export(tmp_path / "nowhere" / "records.npz")


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_an_export_that_fails_leaves_what_was_there(filled, tmp_path, suffix, monkeypatch):
    file = tmp_path / f"records{suffix}"
    file.write_bytes(b"precious")
    monkeypatch.setattr(
        type(filled._state.records), "embeddings", lambda *_: (_ for _ in ()).throw(ArtifactError("id 9 is damaged"))
    )
    with pytest.raises(ArtifactError, match="id 9 is damaged"):
        filled.export(file, overwrite=True)
    assert file.read_bytes() == b"precious"
    assert sorted(inside.name for inside in tmp_path.iterdir()) == ["index", file.name]


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_damaged_file_is_refused_or_its_records_are_whole(filled, tmp_path, suffix, faults):
    file = tmp_path / f"records{suffix}"
    filled.export(file)
    whole = file.read_bytes()
    rng = np.random.default_rng(0)
    outcomes = {"refused": 0, "harmless": 0}
    for i in range(60 * faults):
        data = bytearray(whole)
        at = int(rng.integers(len(data)))
        match i % 3:
            case 0:
                data[at] ^= 1 << int(rng.integers(8))
            case 1:
                del data[at:]
            case 2:
                page = slice(at, at + 512)
                data[page] = rng.bytes(len(data[page]))
        file.write_bytes(data)
        with Index.create(None, dim=8) as other:
            try:
                other.import_records(file)
            except ArtifactError:
                outcomes["refused"] += 1
                assert len(other) == 0
            else:
                outcomes["harmless"] += 1
                assert_same(filled, other)
    assert outcomes["refused"] > outcomes["harmless"]


def changed(file, **columns):
    with np.load(file, allow_pickle=False) as found:
        np.savez(file, **(dict(found) | columns))


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"format": np.int64(2)}, "has format 2; this version of simplug reads up to format 1"),
        ({"extra": np.zeros(1)}, "holds no records of an index: it has data, data_end, dim, embedding, extra"),
        ({"id": np.arange(150.0)}, "id is float64"),
        ({"id": np.zeros(150, dtype=np.int64)}, "is damaged: ids holds 0 more than once"),
        ({"id": np.arange(150) - 1}, r"is damaged: ids\[0\] is -1"),
        ({"label": np.arange(3)}, "its columns differ in length"),
        ({"data_end": np.arange(150)}, "its columns do not fit together"),
        ({"data_end": np.full(150, -1)}, "its columns do not fit together"),
        ({"dim": np.int64(9)}, "its columns do not fit together"),
        ({"id": np.array([{}], dtype=object)}, "damaged or no .npz"),
        (
            {"data": np.frombuffer(b"x", dtype=np.uint8), "data_end": np.ones(150, dtype=np.int64)},
            "the data of id 15 is damaged",
        ),
    ],
)
def test_a_file_that_does_not_fit_together_is_refused(filled, tmp_path, columns, message):
    file = tmp_path / "records.npz"
    filled.export(file)
    changed(file, **columns)
    with Index.create(None, dim=8) as other:
        with pytest.raises(ArtifactError, match=message):
            other.import_records(file)
        assert len(other) == 0


def test_a_foreign_file_is_refused(filled, tmp_path):
    np.savez(tmp_path / "foreign.npz", x=np.zeros(3))
    with pytest.raises(ArtifactError, match="holds no records of an index: it has x"):
        filled.import_records(tmp_path / "foreign.npz")
    (tmp_path / "text.npz").write_text("no archive")
    with pytest.raises(ArtifactError, match=r"damaged or no \.npz"):
        filled.import_records(tmp_path / "text.npz")


@pytest.mark.skipif(not installed("pyarrow"), reason="pyarrow is not installed: pip install pyarrow")
def test_a_foreign_arrow_file_is_refused(filled, tmp_path):
    import pyarrow
    import pyarrow.feather

    pyarrow.feather.write_feather(pyarrow.table({"x": [1]}), str(tmp_path / "foreign.feather"))
    with pytest.raises(ArtifactError, match="holds no records of an index: it has x"):
        filled.import_records(tmp_path / "foreign.feather")
    (tmp_path / "text.arrow").write_text("no arrow")
    with pytest.raises(ArtifactError, match="damaged or no Arrow file"):
        filled.import_records(tmp_path / "text.arrow")


def test_a_missing_library_is_named(filled, tmp_path, monkeypatch):
    for name in ("pandas", "pyarrow"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(SimplugError, match="to_data_frame needs pandas: pip install pandas"):
        filled.to_data_frame()
    with pytest.raises(SimplugError, match="Arrow files need pyarrow: pip install pyarrow"):
        filled.export(tmp_path / "records.arrow")
    assert [inside.name for inside in tmp_path.iterdir()] == ["index"]


@pytest.mark.skipif(not installed("pandas"), reason="pandas is not installed: pip install pandas")
def test_a_data_frame_has_a_row_a_record(filled):
    frame = filled.to_data_frame(limit=10)
    columns = filled.to_columns(limit=10)
    assert frame.columns.tolist() == ["id", "label", "embedding", "data"]
    assert frame["id"].tolist() == columns["id"].tolist()
    assert frame["label"].tolist() == columns["label"].tolist()
    assert np.array_equal(np.stack(frame["embedding"]), np.stack(columns["embedding"]))
    assert len(filled.to_data_frame()) == 150


def test_records_are_iterated_in_the_order_of_rows(filled):
    columns = filled.to_columns()
    records = list(filled)
    assert [record.id for record in records] == columns["id"].tolist()
    assert [record.label for record in records] == columns["label"].tolist()
    assert np.array_equal([record.embedding for record in records], columns["embedding"])
    assert [type(record.data) for record in records] == [type(value) for value in columns["data"]]
    assert [record.id for record in records][-2:] == [3, 9]


def test_iterating_an_index_that_changes_is_refused(filled):
    for change in (lambda: filled.remove([3]), lambda: filled.add(np.ones((1, 8))), filled.close):
        records = iter(filled)
        next(records)
        change()
        with pytest.raises(InvalidInputError, match=r"was changed while its records were iterated|is closed"):
            next(records)
