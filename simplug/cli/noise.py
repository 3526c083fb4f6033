"""TensorFlow's start-up notes, kept off the terminal."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

from simplug.kernel.errors import SimplugError


@contextmanager
def hidden() -> Iterator[None]:
    """Hide what is written to the process's stderr, by C++ code too; an error that is not the user's brings it back.

    TensorFlow writes some notes before its log level counts, so setting the level alone leaves them.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    sys.stderr.flush()
    terminal = os.dup(2)
    with tempfile.TemporaryFile() as hidden_text:
        os.dup2(hidden_text.fileno(), 2)
        try:
            yield
        except SimplugError:
            raise
        except BaseException:
            hidden_text.seek(0)
            os.write(terminal, hidden_text.read())
            raise
        finally:
            os.dup2(terminal, 2)
            os.close(terminal)
