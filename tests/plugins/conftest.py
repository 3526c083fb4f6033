"""Lets the tests of plugins import what they share by name; a test's own folder is no place to import from."""

import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parent))
pytest.register_assert_rewrite("pairwise")
