"""Kill the writer of an index at random moments, and compare what is left with what it had told.

``kill.py FOLDER SEARCH SYNC SEED COUNT`` kills a writer COUNT times during each kind of change; it prints how often the
change that was under way had been done, or not, as JSON. The first record that is not as it should be is an error.
"""

from __future__ import annotations

import collections
import json
import os
import signal
import sys
import time
from pathlib import Path

import numpy as np
from simplug_lmdb import codec

from simplug.index.index import Index

DIM, K, FEW = 8, 5, 200
KINDS = ("add", "update", "remove", "flush", "compact")


def change(seed, step, model, next_id):
    """Return a change of an index: its kind and its arguments, always the same ones for the same model."""
    rng = np.random.default_rng([seed, step])
    kind = KINDS[int(rng.choice(5, p=[0.35, 0.2, 0.2, 0.15, 0.1]))]
    if kind in ("update", "remove") and len(model) < FEW:
        kind = "add"
    if kind in ("flush", "compact"):
        return kind, {}
    if kind == "add":
        count = int(rng.integers(1, 120))
        ids = np.arange(next_id, next_id + count)
    else:
        ids = rng.choice(sorted(model), size=int(rng.integers(1, 40 if kind == "update" else 90)), replace=False)
    if kind == "remove":
        return kind, {"ids": ids}
    vectors = rng.normal(size=(len(ids), DIM)).astype(np.float32)
    data = [bytes(rng.integers(3000)) for _ in ids]
    return kind, {"ids": ids, "embeddings": vectors, "labels": rng.integers(0, 9, len(ids)), "data": data}


def changed(model, kind, arguments):
    """Return the records, as id to embedding, label and data, after a change."""
    after = dict(model)
    if kind == "remove":
        for id_ in arguments["ids"].tolist():
            del after[id_]
    elif kind in ("add", "update"):
        for i, id_ in enumerate(arguments["ids"].tolist()):
            embedding, label = arguments["embeddings"][i], int(arguments["labels"][i])
            after[id_] = embedding.tobytes(), label, arguments["data"][i]
    return after


def write(path, seed, model, next_id, tell):
    """Change an index until somebody ends this process; tell when a change begins and when it is acknowledged."""
    index = Index.open(path)
    step = 0
    while True:
        kind, arguments = change(seed, step, model, next_id)
        os.write(tell, f"begin {kind}\n".encode())
        getattr(index, kind)(**arguments)
        os.write(tell, b"end\n")
        model = changed(model, kind, arguments)
        next_id = max(next_id, max(model, default=-1) + 1)
        step += 1


def killed(path, seed, model, next_id, wanted, rng):
    """Run a writer and kill it during a change of the wanted kind; return how many changes it acknowledged."""
    heard, tell = os.pipe()
    writer = os.fork()
    if not writer:
        try:
            write(path, seed, model, next_id, tell)
        finally:
            os._exit(1)
    os.close(tell)
    with os.fdopen(heard) as stream:
        lines = []
        begun, earlier = 0, int(rng.integers(1, 4))
        for line in stream:
            lines.append(line)
            begun += line == f"begin {wanted}\n"
            if begun >= earlier and len(lines) > 4:
                break
        # Most changes take some milliseconds; a compaction takes tens of them.
        time.sleep(rng.uniform(0, 0.06 if wanted == "compact" else 0.012))
        os.kill(writer, signal.SIGKILL)
        lines += stream.readlines()
    status = os.waitpid(writer, 0)[1]
    assert os.WIFSIGNALED(status), "the writer ended by itself"
    return lines.count("end\n"), lines[-1].startswith("begin")


def left(index):
    """Return the records of an index as :func:`changed` does."""
    columns = index.to_columns()
    return {
        id_: (embedding.tobytes(), label, data)
        for id_, embedding, label, data in zip(
            columns["id"].tolist(), columns["embedding"], columns["label"].tolist(), columns["data"], strict=True
        )
    }


def compare_lookups(index, model, rng):
    """Ask for some records' neighbours, and compare them with an exact search over all that are left."""
    ids = np.array(sorted(model))
    vectors = np.stack([np.frombuffer(model[id_][0], np.float32) for id_ in ids.tolist()])
    queries = vectors[rng.choice(len(ids), 20)]
    found = index.lookup(queries, k=K)
    measured = index.distance.numpy(queries, vectors)
    np.testing.assert_allclose(found.distances, np.sort(measured, axis=1)[:, :K], atol=1e-5)
    own = np.take_along_axis(measured, np.searchsorted(ids, found.ids), axis=1)
    np.testing.assert_allclose(found.distances, own, atol=1e-5)
    assert found.labels.tolist() == [[model[id_][1] for id_ in row] for row in found.ids.tolist()]


def main(path, search, sync, seed, count):
    """Kill a writer during each kind of change, again and again, on one index."""
    rng = np.random.default_rng(seed)
    settings = {"name": "hnsw", "ef": 1000} if search == "hnsw" else search
    # Most additions then take several transactions, as those of many thousand records do.
    codec._SLICE_BYTES = 1 << 15
    Index.create(path, dim=DIM, search=settings, store={"name": "lmdb", "sync": sync, "batch": 7}).close()
    model, next_id = {}, 0
    outcomes = collections.Counter()
    for number, wanted in enumerate(KINDS * count):
        acknowledged, interrupted = killed(path, number, model, next_id, wanted, rng)
        for step in range(acknowledged):
            model = changed(model, *change(number, step, model, next_id))
            next_id = max(next_id, max(model, default=-1) + 1)
        kind, arguments = change(number, acknowledged, model, next_id)
        with Index.open(path) as index:
            found = left(index)
            after = changed(model, kind, arguments) if interrupted else model
            assert found in (model, after), f"after {acknowledged} changes, {kind} of round {number} is half there"
            how = "makes no difference" if after == model else "done" if found == after else "not done"
            outcomes[f"{kind}: {how}" if interrupted else "between changes"] += 1
            model, next_id = found, max(next_id, max(after, default=-1) + 1)
            if model:
                compare_lookups(index, model, rng)
            assert index.verify().ok
        assert sorted(file.name for file in (path / "store").iterdir()) == [str(generation(path))]
        if len(model) > 3 * FEW:
            with Index.open(path) as index:
                gone = rng.choice(sorted(model), size=2 * FEW, replace=False)
                index.remove(gone)
            model = changed(model, "remove", {"ids": gone})
    print(json.dumps(outcomes))


def generation(path):
    """Return the number of the store that the manifest names."""
    return json.loads((path / "manifest.json").read_text())["config"]["generation"]


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], sys.argv[3], int(sys.argv[4]), int(sys.argv[5]))
