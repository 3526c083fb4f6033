from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARK = Path(__file__).parents[2] / "benchmarks" / "input.py"


@pytest.mark.slow
def test_every_part_of_the_benchmark_of_input_runs_without_the_peer(tmp_path):
    figures = tmp_path / "figures.json"
    command = [sys.executable, str(BENCHMARK), "--quick", "--rounds", "1", "--json", str(figures)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("seed 0\n")
    measured = json.loads(figures.read_text())
    assert list(measured) == ["sampler", "tfrecord", "waiting", "decode"]
    assert all(row["simplug"] > 0 for row in (*measured["sampler"], *measured["decode"]))
    few, many = measured["tfrecord"]
    assert many["examples"] == 2 * few["examples"]
    # Twice the records need no more memory to draw from; the numbers of twice the labels alone would be 0.16 MB.
    assert abs(many["draw MB"] - few["draw MB"]) < 1
    assert all(0 <= share < 1 for name, share in measured["waiting"].items() if name.startswith("blocked"))
