"""Writers that are killed at random moments lose nothing that they acknowledged, and leave nothing half done."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = Path(__file__).parent / "programs" / "kill.py"


def kill(path, search, sync, seed, count):
    """Kill a writer `count` times during each kind of change; return how often what had been done."""
    arguments = [sys.executable, str(PROGRAM), str(path), search, sync, str(seed), str(count)]
    done = subprocess.run(arguments, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    print(json.dumps(found, indent=1, sort_keys=True))
    assert sum(found.values()) == 5 * count
    return found


def test_a_killed_writer_loses_nothing_that_it_acknowledged(in_memory, faults):
    kill(in_memory / "index", "hnsw", "always", seed=0, count=faults)


@pytest.mark.slow
@pytest.mark.parametrize(("search", "sync"), [("hnsw", "always"), ("exact", "batch"), ("hnsw", "never")])
def test_a_writer_that_is_killed_many_times_loses_nothing(in_memory, search, sync, faults):
    found = kill(in_memory / "index", search, sync, seed=1, count=3 * faults)
    assert {"add: done", "add: not done"} & set(found)
