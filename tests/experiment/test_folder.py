"""The folder of a run: taken, unwritable, unfinished, complete."""

import os
from pathlib import Path

import pytest

from simplug.experiment.folder import CHECKPOINTS, INCOMPLETE, RunFolder
from simplug.experiment.run import resume
from simplug.kernel.errors import ArtifactError
from simplug.learn.checkpoint import Checkpoint, write_checkpoint


def test_a_started_folder_says_where_it_stopped(tmp_path):
    folder = RunFolder(tmp_path / "run")
    folder.check_free(overwrite=False)
    folder.start()
    folder.enter("train")
    with pytest.raises(ArtifactError, match="is incomplete: its run stopped in the stage 'train'; run it again"):
        folder.check_complete()


def test_a_folder_with_a_run_is_refused_unless_overwriting(tmp_path):
    folder = RunFolder(tmp_path / "run")
    folder.start()
    with pytest.raises(ArtifactError, match="holds a run already; pass --overwrite to replace it, or --out"):
        folder.check_free(overwrite=False)
    folder.check_free(overwrite=True)
    (folder.path / "left.txt").write_text("of the old run")
    folder.start()
    assert [path.name for path in folder.path.iterdir()] == [INCOMPLETE]


def test_overwriting_never_deletes_what_is_no_run(tmp_path):
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(ArtifactError, match="holds something that is no run"):
        RunFolder(tmp_path).check_free(overwrite=True)
    with pytest.raises(ArtifactError, match="is a file; a run needs a folder"):
        RunFolder(tmp_path / "thesis.txt").check_free(overwrite=True)


def test_an_empty_folder_and_missing_parents_are_fine(tmp_path):
    (tmp_path / "empty").mkdir()
    RunFolder(tmp_path / "empty").check_free(overwrite=False)
    RunFolder(tmp_path / "a" / "b" / "run").check_free(overwrite=False)


def test_a_place_that_cannot_be_written_is_refused():
    # The kernel's own file system refuses everybody, the superuser included.
    place = RunFolder(Path("/proc/simplug-run"))
    with pytest.raises(ArtifactError, match="cannot be written"):
        place.start()


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may write everywhere")
def test_a_folder_without_permission_is_refused(tmp_path):
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(ArtifactError, match="no permission in"):
            RunFolder(tmp_path / "run").check_free(overwrite=False)
    finally:
        tmp_path.chmod(0o700)


def test_a_folder_without_a_run_says_so(tmp_path):
    with pytest.raises(ArtifactError, match=r"holds no run: there is no manifest\.json"):
        RunFolder(tmp_path).check_complete()


def unfinished(tmp_path):
    """Return the folder of a run that has a checkpoint and had begun to write its model."""
    folder = RunFolder(tmp_path / "run")
    folder.start()
    folder.enter("index")
    for name in ("config.resolved.toml", "model.keras", ".metrics.json.1234.tmp"):
        (folder.path / name).write_text("")
    (folder.path / "index").mkdir()
    write_checkpoint(folder.path / CHECKPOINTS, Checkpoint(2, 0, {}, {}))
    return folder


def test_an_unfinished_run_with_a_checkpoint_may_be_resumed_and_messages_say_so(tmp_path):
    folder = unfinished(tmp_path)
    with pytest.raises(ArtifactError, match=r"stopped in the stage 'index'; `simplug run --resume .*run` goes on"):
        folder.check_complete()
    with pytest.raises(
        ArtifactError, match=r"--overwrite to replace it, `simplug run --resume .*run` to go on with it"
    ):
        folder.check_free(overwrite=False)
    assert folder.checkpoint().epoch == 2
    folder.resume()
    left = {path.name for path in folder.path.iterdir()}
    assert left == {"config.resolved.toml", CHECKPOINTS, INCOMPLETE}
    folder.finish()
    assert [path.name for path in folder.path.iterdir()] == ["config.resolved.toml"]


def test_what_cannot_be_resumed_is_told(tmp_path):
    with pytest.raises(ArtifactError, match="holds no run; there is nothing to resume"):
        RunFolder(tmp_path).checkpoint()
    folder = RunFolder(tmp_path / "run")
    folder.start()
    folder.enter("train")
    with pytest.raises(ArtifactError, match="stopped in the stage 'train', before its first checkpoint"):
        folder.checkpoint()
    folder = unfinished(tmp_path / "other")
    folder.finish()
    with pytest.raises(ArtifactError, match="holds a complete run; there is nothing to resume"):
        folder.checkpoint()


def test_a_changed_config_is_not_resumed(tmp_path):
    folder = unfinished(tmp_path)
    write_checkpoint(folder.path / CHECKPOINTS, Checkpoint(3, 0, {}, {"config": "0" * 64, "data": "0" * 64}))
    with pytest.raises(ArtifactError, match=r"config.resolved.toml was changed since the run began"):
        resume(folder.path)
    assert (folder.path / "model.keras").exists()
