from __future__ import annotations

import os
import subprocess
import sys

import pytest

PROGRAM = """
import simplug
from simplug.api import DataError
try:
    simplug.datasets.build("mnist").load()
except DataError as error:
    print(error)
"""


@pytest.mark.slow
def test_a_download_that_fails_says_how_to_do_without(tmp_path):
    # Nothing listens on the discard port, so the download fails at once, wherever the test runs.
    proxies = dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"), "http://127.0.0.1:9")
    environment = os.environ | proxies | {"KERAS_HOME": str(tmp_path), "no_proxy": "", "NO_PROXY": ""}
    done = subprocess.run([sys.executable, "-c", PROGRAM], env=environment, capture_output=True, text=True, check=True)
    assert "dataset mnist: the download failed" in done.stdout
    assert "with the files at hand, set path to their folder" in done.stdout
