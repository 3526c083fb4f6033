"""The folder of a run: refused when it is taken, marked while it is unfinished, complete when it has a manifest."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import attrs

from simplug.kernel.artifacts import MANIFEST, write_file
from simplug.kernel.errors import ArtifactError

CONFIG = "config.resolved.toml"
MODEL = "model.keras"
INDEX = "index"
METRICS = "metrics.json"
HISTORY = "history.csv"
REPORT = "report.html"
CARD = "model_card.md"
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
                raise ArtifactError(
                    f"{self.path} holds a run already; pass --overwrite to replace it, or --out for another folder"
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
        """Take the mark away; the manifest has been written."""
        (self.path / INCOMPLETE).unlink()

    def check_complete(self) -> None:
        """Refuse a folder whose run did not come to its end.

        Raises:
            ArtifactError: There is no run, or an unfinished one; the message names the stage it stopped in.
        """
        if (self.path / INCOMPLETE).exists():
            try:
                stage = json.loads((self.path / INCOMPLETE).read_text())["stage"]
            except (OSError, ValueError, KeyError, TypeError):
                stage = "unknown"
            raise ArtifactError(f"{self.path} is incomplete: its run stopped in the stage '{stage}'; run it again")
        if not (self.path / MANIFEST).is_file():
            raise ArtifactError(f"{self.path} holds no run: there is no {MANIFEST}")

    def _holds_run(self) -> bool:
        return (self.path / INCOMPLETE).exists() or (self.path / CONFIG).exists()
