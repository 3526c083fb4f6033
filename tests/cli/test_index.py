"""`simplug index`: what is done with an index in a folder."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest
from click.testing import CliRunner

from simplug.cli.main import cli
from simplug.index.index import Index


@pytest.fixture
def run():
    runner = CliRunner()

    def invoke(*arguments, status=0):
        shown = runner.invoke(cli, ["index", *map(str, arguments)], prog_name="simplug")
        assert shown.exit_code == status, shown.output
        return shown

    return invoke


@pytest.fixture
def folder(tmp_path):
    """An index of 300 records, a third of which were removed since the graph was built."""
    rng = np.random.default_rng(0)
    with Index.create(tmp_path / "index", dim=8) as index:
        index.add(
            rng.normal(size=(450, 8)), labels=np.arange(450) % 9, data=[{"i": i, "x": b"x" * 500} for i in range(450)]
        )
        index.flush()
        index.remove(np.arange(150))
    return tmp_path / "index"


def test_stats_say_what_an_index_is(run, folder):
    lines = dict(line.split(maxsplit=1) for line in run("stats", folder).stdout.splitlines())
    assert (lines["size"], lines["labels"], lines["dim"], lines["distance"]) == ("300", "9", "8", "cosine")
    assert lines["search"].startswith("hnsw m=16 ")
    assert lines["bytes"].startswith("store ")
    assert lines["removed"] == "150"
    assert lines["opened"].startswith("loaded the saved search structure")
    shown = json.loads(run("stats", folder, "--json").stdout)
    assert (shown["size"], shown["search"]["name"], shown["store"]["name"]) == (300, "hnsw", "lmdb")


def test_a_whole_index_is_verified_with_status_0(run, folder):
    assert run("verify", folder).stdout == f"{folder}: ok; 300 records, self-recall 1.0000\n"
    shown = json.loads(run("verify", folder, "--json").stdout)
    assert shown == {"ok": True, "records": 300, "damaged": {}, "problems": [], "self_recall": 1.0}


def test_damaged_records_are_listed_by_id_with_status_1(run, folder):
    with Index.open(folder) as index:
        place = 350
        wanted = index.get([place]).embeddings[0].tobytes()
    (file,) = folder.glob("store/*/data.mdb")
    data = bytearray(file.read_bytes())
    at = data.rindex(wanted)
    while at >= 0:
        data[at] ^= 4
        at = data.rfind(wanted)
    file.write_bytes(data)
    shown = run("verify", folder, status=1).stdout.splitlines()
    assert f"damaged: id {place}: " in shown[0]
    assert shown[-1].startswith(f"{folder}: 1 damaged record, 0 other problems; 300 records")
    assert list(json.loads(run("verify", folder, "--json", status=1).stdout)["damaged"]) == [str(place)]


def test_damaged_files_are_named_with_status_1(run, folder):
    (folder / "calibration.json").write_text("{")
    shown = run("verify", folder, status=1).stdout
    assert shown.startswith("problem: ")
    assert "calibration.json is damaged" in shown
    assert "0 damaged records, 1 other problem; 300 records" in shown


def test_compact_gives_space_back(run, folder):
    assert run("compact", folder).stdout.startswith(f"{folder}: 300 records, ")
    stats = json.loads(run("stats", folder, "--json").stdout)
    assert stats["removed"] == 0
    assert run("verify", folder).stdout.startswith(f"{folder}: ok; 300 records")


def test_rebuild_makes_the_search_anew(run, folder):
    assert run("rebuild", folder).stdout == f"{folder}: built anew from 300 records\n"
    assert json.loads(run("stats", folder, "--json").stdout)["removed"] == 0


def test_tune_says_what_it_measured_and_sets_it(run, folder):
    shown = run("tune", folder, "--recall", 0.9, "-k", 3, "--sample", 50).stdout.splitlines()
    (chosen,) = (line for line in shown if line.endswith("<- set"))
    effort = int(chosen.split()[1])
    assert shown[-1] == f"{folder}: the effort was 64 and is {effort}"
    assert json.loads(run("stats", folder, "--json").stdout)["search"]["ef"] == effort
    again = json.loads(run("tune", folder, "--recall", 0.9, "-k", 3, "--json").stdout)
    assert again["before"] == effort
    assert again["chosen"]["recall"] >= 0.9


def test_export_writes_a_file_that_can_be_imported(run, folder, tmp_path):
    file = tmp_path / "records.npz"
    assert run("export", folder, file).stdout.startswith(f"{file}: 300 records, ")
    with Index.create(None, dim=8) as other, Index.open(folder, readonly=True) as index:
        other.import_records(file)
        assert np.array_equal(other.get(range(150, 450)).embeddings, index.get(range(150, 450)).embeddings)
    assert "exists" in run("export", folder, file, status=1).stderr
    run("export", folder, file, "--overwrite")
    assert "must end in .npz" in run("export", folder, tmp_path / "records.csv", status=1).stderr


@pytest.mark.parametrize("command", ["stats", "verify", "compact", "rebuild", "tune", "export"])
def test_what_is_no_index_is_a_short_error(run, tmp_path, command):
    more = [tmp_path / "file.npz"] if command == "export" else []
    shown = run(command, tmp_path / "nowhere", *more, status=1)
    assert shown.stderr == f"error: {tmp_path / 'nowhere'} is no saved index: there is no such folder\n"
    assert shown.stdout == ""


@pytest.fixture
def writer(folder):
    """A process that has the index open for writing."""
    code = (
        "import sys\nfrom simplug.index.index import Index\nwith Index.open(sys.argv[1]):\n print()\n sys.stdin.read()"
    )
    command = [sys.executable, "-u", "-c", code, str(folder)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        process.stdout.readline()
        yield process
        process.stdin.close()
        assert process.wait(30) == 0


def test_what_only_reads_goes_on_beside_a_writer_and_the_rest_names_it(run, folder, tmp_path, writer):
    run("stats", folder)
    run("verify", folder)
    run("export", folder, tmp_path / "records.npz")
    for command in ("compact", "rebuild", "tune"):
        assert f"is open for writing in process {writer.pid}" in run(command, folder, status=1).stderr


@pytest.mark.parametrize("command", ["stats", "verify"])
def test_a_command_on_an_index_imports_no_tensorflow(folder, command):
    code = (
        "import sys\nfrom simplug.cli.main import cli\n"
        f"cli({['index', command, str(folder)]!r}, standalone_mode=False)\n"
        "heavy = {'tensorflow', 'keras', 'torch', 'jax', 'sklearn', 'scipy', 'matplotlib', 'PIL'}\n"
        "sys.stderr.write(','.join(heavy & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
