"""Checkpoints on the disk: whole or not there, checked before they are used, and only the newest one stays."""

import shutil

import numpy as np
import pytest

from simplug.kernel.errors import ArtifactError, InvalidInputError
from simplug.learn.checkpoint import Checkpoint, has_checkpoint, newest_checkpoint, write_checkpoint

PARTS = {
    "weights": {"0": np.arange(6, dtype="float32").reshape(2, 3), "1": np.array(7, dtype="int64")},
    "history": {"rows": [{"epoch": 1, "loss": 0.1, "a_score": 0.2}], "best": None},
    "nothing": {},
}


@pytest.fixture
def folder(tmp_path):
    write_checkpoint(tmp_path / "checkpoints", Checkpoint(1, 5, PARTS, {"config": "abc"}))
    return tmp_path / "checkpoints"


def test_what_was_written_is_read(folder):
    found = newest_checkpoint(folder)
    assert (found.epoch, found.step, found.made_by) == (1, 5, {"config": "abc"})
    assert list(found.parts) == list(PARTS)
    assert found.parts["history"] == PARTS["history"]
    assert list(found.parts["history"]["rows"][0]) == ["epoch", "loss", "a_score"]
    for name, array in PARTS["weights"].items():
        np.testing.assert_array_equal(found.parts["weights"][name], array)
        assert found.parts["weights"][name].dtype == array.dtype


def test_the_newest_one_counts_and_the_others_go(folder):
    write_checkpoint(folder, Checkpoint(1, 10, PARTS, {}))
    write_checkpoint(folder, Checkpoint(2, 0, PARTS, {}))
    assert [path.name for path in folder.iterdir()] == ["000002-00000000"]
    assert newest_checkpoint(folder).epoch == 2


def test_one_that_was_being_written_does_not_count(folder):
    shutil.copytree(folder / "000001-00000005", folder / ".000002-00000000.1234.tmp")
    (folder / ".000002-00000000.1234.tmp" / "manifest.json").unlink()
    assert newest_checkpoint(folder).epoch == 1
    write_checkpoint(folder, Checkpoint(2, 5, PARTS, {}))
    assert [path.name for path in folder.iterdir()] == ["000002-00000005"]


def test_a_folder_without_any_has_none(tmp_path):
    assert newest_checkpoint(tmp_path / "nowhere") is None
    assert newest_checkpoint(tmp_path) is None
    assert not has_checkpoint(tmp_path)


def test_a_flipped_bit_is_found(folder):
    file = folder / "000001-00000005" / "arrays.npz"
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)
    with pytest.raises(ArtifactError, match=r"is damaged: arrays.npz is not as it was written \(sha256 differs\)"):
        newest_checkpoint(folder)


def test_a_missing_file_is_found(folder):
    (folder / "000001-00000005" / "arrays.npz").unlink()
    with pytest.raises(ArtifactError, match=r"is damaged: arrays.npz is missing"):
        newest_checkpoint(folder)


def test_objects_of_python_are_refused_and_the_older_one_stays(folder):
    parts = {"weights": {"0": np.array([{}])}}
    with pytest.raises(InvalidInputError, match="weights/0 is an array of Python objects"):
        write_checkpoint(folder, Checkpoint(3, 0, parts, {}))
    assert newest_checkpoint(folder).epoch == 1
