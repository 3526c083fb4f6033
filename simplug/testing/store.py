"""The checks of stores."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest

from simplug.api import InvalidInputError, Records, Store
from simplug.api.store import Rows, no_rows
from simplug.kernel.config import to_config
from simplug.kernel.errors import ArtifactError, SimplugError
from simplug.testing.component import ComponentSuite
from simplug.testing.forms import form
from simplug.testing.fresh_process import run_fresh

DIM = 4


class StoreSuite(ComponentSuite):
    """Checks that a store keeps records bit by bit, and that a persistent one keeps them for another process."""

    kind: ClassVar[str] = "store"
    number_of_checks: ClassVar[int] = 38

    @pytest.fixture
    def folder(self, component: Store, tmp_path: Path) -> Path | None:
        """Where the store is opened: a folder that is not there yet, or None for one in memory."""
        return tmp_path / "records" if component.persistent else None

    @pytest.fixture
    def records(self, component: Store, folder: Path | None) -> Iterator[Records]:
        """An open, empty store."""
        with closing(component.open(folder, DIM)) as records:
            yield records

    def test_a_new_store_is_empty(self, records: Records) -> None:
        """No record, no commit, empty int64 keys."""
        assert (len(records), records.sequence) == (0, 0)
        rows, ids, labels = records.keys()
        for keys in (rows, ids, labels):
            assert form(keys) == ((0,), "int64")
        assert form(records.embeddings(rows)) == ((0, DIM), "float32")
        assert records.payloads(rows) == []

    def test_keys_come_back(self, records: Records) -> None:
        """Rows, ids and labels, int64, over the whole range."""
        added = _rows(4)
        added.ids[:] = [7, -1, 2**62, -(2**62)]
        added.labels[:] = [0, -5, 2**40, -(2**63)]
        records.commit(added, no_rows())
        for given, expected in zip(records.keys(), (added.rows, added.ids, added.labels), strict=True):
            assert given.dtype == np.int64
            np.testing.assert_array_equal(given, expected)

    def test_embeddings_come_back_bit_by_bit(self, records: Records) -> None:
        """Also tiny, huge and negative zero ones."""
        added = _rows(3)
        added.embeddings[0] = [-0.0, 1e-45, 3.4e38, np.nextafter(np.float32(1), np.float32(2))]
        records.commit(added, no_rows())
        found = records.embeddings(added.rows)
        assert form(found) == ((3, DIM), "float32")
        assert found.tobytes() == added.embeddings.tobytes()

    def test_payloads_come_back_bit_by_bit(self, records: Records) -> None:
        """Empty ones, every byte, and one of five megabytes."""
        large = np.random.default_rng(0).bytes(5_000_000)
        added = _rows(4, payloads=[b"", bytes(range(256)), large, b"\x00"])
        records.commit(added, no_rows())
        assert records.payloads(added.rows) == list(added.payloads)

    def test_rows_may_be_asked_for_in_any_order(self, records: Records) -> None:
        """Answers follow the question, also when it repeats itself or is empty."""
        added = _rows(5)
        records.commit(added, no_rows())
        asked = np.array([4, 0, 4, 2])
        np.testing.assert_array_equal(records.embeddings(asked), added.embeddings[asked])
        assert records.payloads(asked) == [added.payloads[i] for i in asked]
        assert records.embeddings(no_rows()).shape == (0, DIM)
        assert records.payloads(no_rows()) == []

    def test_every_commit_counts(self, records: Records) -> None:
        """The sequence goes up by one, whatever is in the commit."""
        records.commit(_rows(2), no_rows())
        assert records.sequence == 1
        records.commit(None, np.array([0]))
        assert records.sequence == 2
        records.commit(_rows(1, start=2), np.array([1]))
        assert records.sequence == 3

    def test_removed_records_are_gone(self, records: Records) -> None:
        """From the count and the keys; the others stay as they were."""
        added = _rows(6)
        records.commit(added, no_rows())
        records.commit(None, np.array([1, 4]))
        kept = np.array([0, 2, 3, 5])
        assert len(records) == 4
        np.testing.assert_array_equal(records.keys()[0], kept)
        np.testing.assert_array_equal(records.keys()[1], added.ids[kept])
        np.testing.assert_array_equal(records.embeddings(kept), added.embeddings[kept])
        assert records.payloads(kept) == [added.payloads[i] for i in kept]

    def test_the_highest_numbers_are_remembered(self, records: Records) -> None:
        """Rows and ids are never given twice, so the highest of each outlives its record."""
        assert (records.last_row, records.last_id) == (-1, -1)
        records.commit(_rows(3), no_rows())
        records.commit(None, np.array([2]))
        assert (records.last_row, records.last_id) == (2, 25)

    def test_a_record_that_is_not_there_is_an_error(self, records: Records) -> None:
        """A commit that removes one does nothing at all; reading one is refused."""
        records.commit(_rows(3), no_rows())
        for attempt in (
            lambda: records.commit(_rows(1, start=3), np.array([1, 7])),
            lambda: records.embeddings(np.array([0, 7])),
            lambda: records.payloads(np.array([0, 7])),
        ):
            with pytest.raises(ArtifactError):
                attempt()
        assert (len(records), records.sequence, records.last_row) == (3, 1, 2)
        np.testing.assert_array_equal(records.keys()[0], [0, 1, 2])

    def test_whole_records_are_not_damaged(self, records: Records) -> None:
        """Nothing is said of records that can be read, nor of removed ones."""
        records.commit(_rows(3), no_rows())
        records.commit(None, np.array([1]))
        assert len(records.keys()[0]) == 2
        assert records.damage() == {}

    def test_one_commit_adds_and_removes(self, records: Records) -> None:
        """An update is both at once."""
        records.commit(_rows(3), no_rows())
        fresh = _rows(2, start=3)
        records.commit(fresh, np.array([0, 2]))
        np.testing.assert_array_equal(records.keys()[0], [1, 3, 4])
        np.testing.assert_array_equal(records.embeddings(fresh.rows), fresh.embeddings)

    def test_rows_ascend_after_many_commits(self, records: Records) -> None:
        """Also across powers of two and of ten, where keys written as texts or bytes lose their order."""
        starts = [0, 9, 99, 255, 256, 65_535, 2**31, 2**40]
        for start in starts:
            records.commit(_rows(1, start=start), no_rows())
        np.testing.assert_array_equal(records.keys()[0], starts)

    def test_the_counters_of_another_store_are_taken_over(self, records: Records) -> None:
        """A copy goes on where the original was, whatever was removed there."""
        records.commit(_rows(3), no_rows())
        records.adopt(17, 40, 500)
        assert (len(records), records.sequence, records.last_row, records.last_id) == (3, 17, 40, 500)
        records.commit(_rows(1, start=41), no_rows())
        assert (len(records), records.sequence, records.last_row, records.last_id) == (4, 18, 41, 500)

    def test_ten_thousand_records_come_back(self, records: Records) -> None:
        """In the order in which they are asked for."""
        added = _rows(10_000)
        records.commit(added, no_rows())
        np.testing.assert_array_equal(records.keys()[0], added.rows)
        order = np.random.default_rng(0).permutation(10_000)
        np.testing.assert_array_equal(records.embeddings(added.rows[order]), added.embeddings[order])
        records.flush()

    def test_what_is_returned_is_a_copy(self, records: Records) -> None:
        """Writing to an answer, or to what was committed, changes no record."""
        added = _rows(3)
        expected = added.embeddings.copy(), added.labels.copy()
        records.commit(added, no_rows())
        for answer in (added.embeddings, added.labels, records.embeddings(added.rows), records.keys()[2]):
            if answer.flags.writeable:
                answer[...] = 77
        np.testing.assert_array_equal(records.embeddings(added.rows), expected[0])
        np.testing.assert_array_equal(records.keys()[2], expected[1])

    def test_threads_may_read_together(self, records: Records) -> None:
        """Many readers at once get what one gets."""
        added = _rows(200)
        records.commit(added, no_rows())
        parts = [np.arange(i, 200, 8) for i in range(8)]
        with ThreadPoolExecutor(8) as pool:
            for part, found in zip(parts, pool.map(records.embeddings, parts), strict=True):
                np.testing.assert_array_equal(found, added.embeddings[part])

    def test_reopened_records_are_there_if_the_store_is_persistent(self, component: Store, folder: Path | None) -> None:
        """What was committed stays, with its sequence; a store in memory begins anew."""
        added = _rows(5)
        with closing(component.open(folder, DIM)) as records:
            records.commit(added, no_rows())
            records.commit(None, np.array([2]))
        with closing(component.open(folder, DIM)) as records:
            if not component.persistent:
                assert (len(records), records.sequence) == (0, 0)
                return
            kept = np.array([0, 1, 3, 4])
            assert (len(records), records.sequence) == (4, 2)
            np.testing.assert_array_equal(records.keys()[0], kept)
            np.testing.assert_array_equal(records.embeddings(kept), added.embeddings[kept])
            assert records.payloads(kept) == [added.payloads[i] for i in kept]

    def test_a_fresh_process_reads_what_a_persistent_store_holds(self, component: Store, folder: Path | None) -> None:
        """Nothing that was committed is in this process alone; a store in memory is empty there."""
        with closing(component.open(folder, DIM)) as records:
            records.commit(_rows(3), no_rows())
        code = """
import pathlib
from simplug.kernel.config import build
from simplug.kernel.registry import registry_of
cls, table = load_class(), arguments["table"]
registry = registry_of("store")
if table["name"] not in registry:
    registry.register(table["name"], cls)
folder = arguments["folder"] and pathlib.Path(arguments["folder"])
records = build("store", table).open(folder, arguments["dim"])
rows, ids, labels = (part.tolist() for part in records.keys())
print(json.dumps([rows, ids, labels, records.embeddings(records.keys()[0]).tolist(), records.sequence]))
records.close()
"""
        table = json.loads(json.dumps(to_config(component)))
        found = run_fresh(self.registry.entry(self.name), code, table=table, folder=folder and str(folder), dim=DIM)
        expected = _rows(3 if component.persistent else 0)
        assert found[:3] == [expected.rows.tolist(), expected.ids.tolist(), expected.labels.tolist()]
        np.testing.assert_array_equal(np.array(found[3], np.float32).reshape(-1, DIM), expected.embeddings)
        assert found[4] == int(component.persistent)

    def test_another_dimension_is_refused(self, component: Store, folder: Path | None) -> None:
        """Records of one dimension are not opened as another; stores in memory have nothing to do with each other."""
        with closing(component.open(folder, DIM)) as records:
            records.commit(_rows(3), no_rows())
        if component.persistent:
            with pytest.raises(ArtifactError, match=str(DIM)):
                component.open(folder, DIM + 1)
        else:
            with closing(component.open(folder, DIM + 1)) as records:
                assert len(records) == 0

    def test_a_read_only_store_refuses_to_write(self, component: Store, folder: Path | None) -> None:
        """It reads what is there, and a commit is an error that changes nothing; memory is filled by its index."""
        with closing(component.open(folder, DIM)) as records:
            records.commit(_rows(3), no_rows())
        with closing(component.open(folder, DIM, readonly=True)) as records:
            count = len(records)
            assert count == (3 if component.persistent else 0)
            if not component.persistent:
                records.commit(_rows(1), no_rows())
                assert len(records) == 1
                return
            with pytest.raises(SimplugError):
                records.commit(_rows(1, start=3), no_rows())
            assert len(records) == count

    def test_lost_files_are_no_empty_store(self, component: Store, folder: Path | None) -> None:
        """Without `create`, or for reading alone, a persistent store refuses a folder that is not there."""
        for flags in ({"create": False}, {"readonly": True}):
            if component.persistent:
                with pytest.raises(ArtifactError):
                    component.open(folder, DIM, **flags)
                assert folder is not None
                assert not folder.exists()
            else:
                with closing(component.open(folder, DIM, **flags)) as records:
                    assert len(records) == 0

    def test_the_folder_is_asked_for_if_the_store_is_persistent(self, component: Store) -> None:
        """Without a folder there is nowhere to keep anything; a store in memory needs none."""
        if component.persistent:
            with pytest.raises(InvalidInputError):
                component.open(None, DIM)
        else:
            with closing(component.open(None, DIM)) as records:
                assert len(records) == 0


def _rows(count: int, *, start: int = 0, payloads: list[bytes] | None = None) -> Rows:
    rows = np.arange(start, start + count, dtype=np.int64)
    return Rows(
        rows=rows,
        ids=rows * 10 + 5,
        labels=rows % 3,
        embeddings=np.random.default_rng(start).normal(size=(count, DIM)).astype(np.float32),
        payloads=payloads if payloads is not None else [f"payload {row}".encode() for row in rows],
    )
