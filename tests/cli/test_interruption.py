from __future__ import annotations

import os
import signal
import threading

import pytest

from simplug.cli.interruption import Interruption
from simplug.cli.progress import TerminalProgress


def press():
    """Press Ctrl-C, and wait until it has been heard."""
    with pytest.raises(KeyboardInterrupt):  # noqa: PT012
        os.kill(os.getpid(), signal.SIGINT)
        threading.Event().wait(5)


def test_what_a_library_swallows_is_raised_at_the_next_step():
    with TerminalProgress() as progress, progress.stage("train", 3):
        progress.advance(1)
        press()
        with pytest.raises(KeyboardInterrupt):
            progress.advance(2)


def test_nothing_is_raised_before_and_the_handler_is_put_back():
    before = signal.getsignal(signal.SIGINT)
    with Interruption() as interruption:
        interruption.check()
        assert signal.getsignal(signal.SIGINT) is not before
    assert signal.getsignal(signal.SIGINT) is before


def test_a_thread_that_may_not_listen_does_without():
    before = signal.getsignal(signal.SIGINT)
    heard = []

    def work():
        with Interruption() as interruption:
            interruption.check()
            heard.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert heard == [before]
