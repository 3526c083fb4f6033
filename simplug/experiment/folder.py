"""The folder of a run: refused when it is taken, marked while it is unfinished, complete when it has a manifest."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import attrs

from simplug.kernel.artifacts import MANIFEST, write_file
from simplug.kernel.errors import ArtifactError
from simplug.learn.checkpoint import Checkpoint, has_checkpoint, newest_checkpoint

CONFIG = "config.resolved.toml"
MODEL = "model.keras"
INDEX = "index"
METRICS = "metrics.json"
HISTORY = "history.csv"
REPORT = "report.html"
CARD = "model_card.md"
CHECKPOINTS = "checkpoints"
"""A folder that is there while a run is unfinished: what it goes on from."""

TENSORBOARD = "tensorboard"
"""A folder for TensorBoard, if the config asks for one. It is no part of the result, and may be deleted."""

INCOMPLETE = "INCOMPLETE"
"""A file that is there from the first moment of a run to the last; it names the stage the run is in."""


@attrs.frozen
class RunFolder:
    """The folder of one run.

    Attributes:
        path: Where it is.
    """

    path: Path

    def check_free(self, *, overwrite: bool) -> None:
        """Refuse a place that cannot take the run, before any work is done.

        Raises:
            ArtifactError: The folder exists and `overwrite` is false, it holds something that is no run, or the place
                cannot be written.
        """
        if self.path.exists():
            if not self.path.is_dir():
                raise ArtifactError(f"{self.path} is a file; a run needs a folder")
            if any(self.path.iterdir()) and not self._holds_run():
                raise ArtifactError(f"{self.path} holds something that is no run; choose another folder with --out")
            if any(self.path.iterdir()) and not overwrite:
                going_on = f", `simplug run --resume {self.path}` to go on with it" if self.is_resumable else ""
                raise ArtifactError(
                    f"{self.path} holds a run already; pass --overwrite to replace it{going_on}, or --out for another "
                    "folder"
                )
        above = next(parent for parent in (self.path, *self.path.absolute().parents) if parent.exists())
        if not os.access(above, os.W_OK | os.X_OK):
            raise ArtifactError(f"{self.path} cannot be written: no permission in {above}")

    def start(self) -> None:
        """Make the folder, empty but for its mark; an earlier run in it is deleted.

        Raises:
            ArtifactError: It cannot be written.
        """
        try:
            if self.path.exists():
                shutil.rmtree(self.path)
            self.path.mkdir(parents=True)
        except OSError as cause:
            raise ArtifactError(f"{self.path} cannot be written: {cause}") from cause
        self.enter("start")

    def enter(self, stage: str) -> None:
        """Note the stage that the run is in."""
        write_file(self.path / INCOMPLETE, f"{json.dumps({'stage': stage})}\n".encode())

    def finish(self) -> None:
        """Take the mark and the checkpoints away; the manifest has been written."""
        (self.path / INCOMPLETE).unlink()
        shutil.rmtree(self.path / CHECKPOINTS, ignore_errors=True)

    @property
    def is_resumable(self) -> bool:
        """Whether there is an unfinished run with a checkpoint; neither is checked."""
        return (self.path / INCOMPLETE).exists() and has_checkpoint(self.path / CHECKPOINTS)

    def checkpoint(self) -> Checkpoint:
        """Return what an unfinished run goes on from.

        Raises:
            ArtifactError: There is no unfinished run, it has no checkpoint yet, or the checkpoint is damaged.
        """
        if not self._holds_run():
            raise ArtifactError(f"{self.path} holds no run; there is nothing to resume")
        if not (self.path / INCOMPLETE).exists():
            raise ArtifactError(f"{self.path} holds a complete run; there is nothing to resume")
        found = newest_checkpoint(self.path / CHECKPOINTS)
        if found is None:
            raise ArtifactError(
                f"the run in {self.path} stopped in the stage '{self._stage()}', before its first checkpoint; run its "
                "config again with --overwrite"
            )
        return found

    def resume(self) -> None:
        """Remove what the run had begun to write since its checkpoint.

        Raises:
            ArtifactError: Something cannot be removed.
        """
        kept = {CONFIG, INCOMPLETE, CHECKPOINTS, TENSORBOARD}
        try:
            for path in self.path.iterdir():
                if path.is_dir() and path.name not in kept:
                    shutil.rmtree(path)
                elif path.name not in kept:
                    path.unlink()
        except OSError as cause:
            raise ArtifactError(f"{self.path} cannot be written: {cause}") from cause

    def check_complete(self) -> None:
        """Refuse a folder whose run did not come to its end.

        Raises:
            ArtifactError: There is no run, or an unfinished one; the message names the stage it stopped in.
        """
        if (self.path / INCOMPLETE).exists():
            remedy = f"`simplug run --resume {self.path}` goes on" if self.is_resumable else "run it again"
            raise ArtifactError(f"{self.path} is incomplete: its run stopped in the stage '{self._stage()}'; {remedy}")
        if not (self.path / MANIFEST).is_file():
            raise ArtifactError(f"{self.path} holds no run: there is no {MANIFEST}")

    def _stage(self) -> str:
        """Return the stage that an unfinished run is or was in."""
        try:
            return str(json.loads((self.path / INCOMPLETE).read_text())["stage"])
        except (OSError, ValueError, KeyError, TypeError):
            return "unknown"

    def _holds_run(self) -> bool:
        return (self.path / INCOMPLETE).exists() or (self.path / CONFIG).exists()
