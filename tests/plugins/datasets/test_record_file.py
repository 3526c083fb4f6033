from __future__ import annotations

import gzip
import struct

import numpy as np
import pytest
from records import frame
from simplug_datasets.crc32c import crc32c, masked_crc32c
from simplug_datasets.record_file import UnreadableRecordError, read_record, records

from simplug.api import DataError

POLYNOMIAL = 0x82F63B78


def bit_by_bit(data):
    """Return the checksum from its definition: division by the polynomial, the bits of each byte from the lowest."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (POLYNOMIAL if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


@pytest.mark.parametrize(
    ("data", "crc"),
    [
        (b"", 0),
        (b"123456789", 0xE3069283),
        (bytes(32), 0x8A9136AA),  # this and the rest are the vectors of RFC 3720, B.4
        (b"\xff" * 32, 0x62A8AB43),
        (bytes(range(32)), 0x46DD794E),
        (bytes(range(31, -1, -1)), 0x113FDB5C),
    ],
)
def test_checksums_are_those_of_the_standard(data, crc):
    assert crc32c(data) == crc


@pytest.mark.parametrize("length", [1, 4, 15, 16, 17, 511, 512, 513, 1023, 1024, 1025, 3000])
def test_checksums_of_each_length_follow_the_definition(length):
    data = np.random.default_rng(length).integers(0, 256, length, dtype=np.uint8).tobytes()
    assert crc32c(data) == bit_by_bit(data)


def test_a_masked_checksum_is_turned_by_15_bits_with_a_constant_added():
    assert masked_crc32c(b"123456789") == ((0xE3069283 >> 15 | 0xE3069283 << 17) + 0xA282EAD8) & 0xFFFFFFFF


DATA = [b"one", b"", b"three" * 200, b"four"]


@pytest.fixture
def path(tmp_path):
    (tmp_path / "shard").write_bytes(b"".join(map(frame, DATA)))
    return tmp_path / "shard"


def read(path, **options):
    return list(records(path, **{"checksums": True, **options}))


def test_records_are_found_in_order_and_read_again_by_their_place(path):
    found = read(path)
    assert [record.data for record in found] == DATA
    for record in reversed(found):
        assert read_record(path, record.offset, len(record.data), checksums=True) == record.data


def test_damaged_data_are_noticed_and_the_next_record_is_read(path):
    content = bytearray(path.read_bytes())
    content[len(frame(DATA[0])) + len(frame(DATA[1])) + 500] ^= 1
    path.write_bytes(content)
    found = [record.data for record in read(path)]
    assert found[:2] + found[3:] == [DATA[0], DATA[1], DATA[3]]
    assert str(found[2]) == "the checksum of its data is wrong"
    assert isinstance(read(path, checksums=False)[2].data, bytes)


def test_a_damaged_length_ends_the_file(path):
    content = bytearray(path.read_bytes())
    content[len(frame(DATA[0]))] ^= 1
    path.write_bytes(content)
    found = read(path)
    assert len(found) == 2
    assert str(found[1].data) == "the checksum of its length is wrong; the rest of the file is lost"


def test_no_flipped_byte_passes_unseen(path):
    whole = path.read_bytes()
    for place in range(len(whole)):
        damaged = bytearray(whole)
        damaged[place] ^= 0xFF
        path.write_bytes(bytes(damaged))
        assert any(isinstance(record.data, UnreadableRecordError) for record in read(path)), place


def test_a_file_cut_at_any_byte_gives_the_whole_records_before(path):
    whole = path.read_bytes()
    ends = np.cumsum([len(frame(data)) for data in DATA])
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        found = read(path)
        count = int((ends <= length).sum())
        assert [record.data for record in found[:count]] == DATA[:count]
        assert len(found) == count + (length not in (0, *ends.tolist()))
        assert all("the file ends after" in str(record.data) for record in found[count:])


def test_a_length_beyond_the_file_is_not_believed(path):
    length = struct.pack("<Q", 2**62)
    path.write_bytes(length + struct.pack("<I", masked_crc32c(length)) + b"data")
    assert "the file ends after" in str(read(path)[0].data)


def test_a_packed_file_and_a_missing_one_are_refused(path, tmp_path):
    path.write_bytes(gzip.compress(path.read_bytes()))
    with pytest.raises(DataError, match=r"shard is packed with gzip, so its records cannot be found; unpack it"):
        read(path)
    with pytest.raises(DataError, match=r"none cannot be read: No such file"):
        read(tmp_path / "none")


def test_a_record_that_is_not_where_it_was_is_unreadable(path):
    for offset, length in ((0, 4), (1, 3), (10**6, 3)):
        with pytest.raises(UnreadableRecordError):
            read_record(path, offset, length, checksums=True)
