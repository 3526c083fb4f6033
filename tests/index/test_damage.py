"""Every file of an index, damaged in every way: it is noticed, or does no harm; no crash, and no wrong answer."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = Path(__file__).parent / "programs" / "damage.py"
GOOD = ("harmless", "rebuilt", "refused", "damaged records named")


def damage(folder, seed, count):
    """Damage an index of each pair `count` times in each of four ways; return how often what happened."""
    arguments = [sys.executable, str(PROGRAM), str(folder), str(seed), str(count)]
    done = subprocess.run(arguments, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    print(json.dumps(found, indent=1, sort_keys=True))
    assert sum(found.values()) == 8 * count
    return found


def test_damage_is_noticed_or_harmless(in_memory, faults):
    found = damage(in_memory, seed=0, count=faults)
    assert [how for how in found if not how.endswith(GOOD)] == []


@pytest.mark.slow
def test_much_damage_is_noticed_or_harmless(in_memory, faults):
    found = damage(in_memory, seed=1, count=15 * faults)
    assert [how for how in found if not how.endswith(GOOD)] == []
    for way in ("bit", "end", "zeros", "random"):
        kinds = {how.partition(": ")[2] for how in found if how.startswith(f"hnsw+lmdb {way}")}
        # A file that lacks its end is refused; anything else costs the records that it hits.
        assert {"harmless", "rebuilt", "refused" if way == "end" else "damaged records named"} <= kinds
