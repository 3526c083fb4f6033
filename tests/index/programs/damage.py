"""Damage the files of an index, many times, and see what becomes of it: a program, so that a crash ends a child alone.

``damage.py FOLDER SEED COUNT`` makes one index of each pair and damages it COUNT times in each way; it prints how
often each way ended how, as JSON. An outcome that is neither harmless nor noticed has the name of what happened.
"""

from __future__ import annotations

import collections
import json
import os
import shutil
import signal
import sys
import traceback
from pathlib import Path

import numpy as np

from simplug.index.index import Index
from simplug.kernel.errors import ArtifactError, InvalidInputError, SimplugError

DIM, PAGE, K = 8, 4096, 5
PAIRS = [({"name": "hnsw", "ef": 400}, "lmdb"), ({"name": "exact"}, "memory")]


class WrongError(Exception):
    """An answer is not that of the records that were written."""


def make(path, search, store):
    """Make an index with some history and two saved graphs; return its records by id."""
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(400, DIM)).astype(np.float32)
    with Index.create(path, dim=DIM, search=search, store=store) as index:
        index.add(vectors[:300], labels=np.arange(300) % 7, data=[{"n": n, "b": bytes(n)} for n in range(300)])
        index.remove(range(40, 60))
        index.update([3, 4], embeddings=vectors[300:302], data=[bytes(20_000), "small"])
        index.flush()
        index.add(vectors[302:])
        columns = index.to_columns()
    return {
        id_: (label, np.asarray(embedding), data)
        for id_, label, embedding, data in zip(
            columns["id"].tolist(), columns["label"].tolist(), columns["embedding"], columns["data"], strict=True
        )
    }


def damage(file, way, rng):
    """Damage a file in one way, at a random place."""
    data = bytearray(file.read_bytes())
    if not data:
        return
    page = slice(int(rng.integers((len(data) - 1) // PAGE + 1)) * PAGE, None)
    page = slice(page.start, min(page.start + PAGE, len(data)))
    if way == "bit":
        data[rng.integers(len(data))] ^= 1 << int(rng.integers(8))
    elif way == "end":
        del data[rng.integers(len(data)) :]
    elif way == "zeros":
        data[page] = bytes(page.stop - page.start)
    else:
        data[page] = rng.bytes(page.stop - page.start)
    file.write_bytes(data)


def check(index, model):
    """Compare everything with what was written; return the ids of the records that cannot be read."""
    reports = " ".join(index._state.damaged.values())
    broken = set()
    for id_, (label, embedding, data) in model.items():
        try:
            found = index.get([id_])
        except (ArtifactError, InvalidInputError) as error:
            if f"id {id_} " not in f"{error} {reports}":
                raise WrongError(f"id {id_} cannot be read and nothing names it: {error} {reports}") from error
            broken.add(id_)
            continue
        if found.labels[0] != label or found.data[0] != data or found.embeddings[0].tobytes() != embedding.tobytes():
            raise WrongError(f"id {id_} is not what was written")
    if set(index._state.directory.records()[1].tolist()) - set(model):
        raise WrongError("an id that was never written")
    queries = np.stack([embedding for _, embedding, _ in model.values()])[::7]
    found = index.lookup(queries, k=K)
    for place in {*found.ids[found.filled].tolist()} - set(model):
        raise WrongError(f"id {place} is found, and was never written or is removed")
    names = np.array(sorted((set(model) - broken) | {*found.ids[found.filled].tolist()}))
    measured = index.distance.numpy(queries, np.stack([model[id_][1] for id_ in names.tolist()]))
    true = np.sort(measured, axis=1)[:, :K]
    if not np.allclose(found.distances[:, : true.shape[1]], true, atol=1e-5):
        raise WrongError("a lookup does not find what an exact search finds")
    place = {id_: column for column, id_ in enumerate(names.tolist())}
    for row, ids in enumerate(found.ids.tolist()):
        for column, id_ in enumerate(ids):
            own = measured[row, place[id_]] if id_ >= 0 else np.inf
            if id_ >= 0 and not np.isclose(found.distances[row, column], own, atol=1e-5):
                raise WrongError(f"the distance of id {id_} is not its own")
            if id_ >= 0 and found.labels[row, column] != model[id_][0]:
                raise WrongError(f"the label of id {id_} is not its own")
    return broken


def outcome(path, model):
    """Open a damaged index, read all of it, change it and read it again."""
    try:
        index = Index.open(path)
    except SimplugError:
        return "refused"
    with index:
        broken = check(index, model)
        opened = index.stats()["opened"]
        try:
            index.calibration  # noqa: B018
            index.verify()
            index.add(np.ones((3, DIM)), ids=[5000, 5001, 5002])
            index.remove([5000, 5001, 5002])
            gone = [id_ for id_ in list(model)[:250] if id_ not in broken]
            index.remove(gone)
        except ArtifactError:
            gone = []
    left = {id_: record for id_, record in model.items() if id_ not in gone}
    with Index.open(path) as index:
        check(index, left)
    if broken:
        return "damaged records named"
    return "harmless" if opened == "loaded the saved search structure" or "nothing on disk" in opened else "rebuilt"


def in_a_child(path, model):
    """Return the outcome, as seen from outside the process in which it happens."""
    receive, send = os.pipe()
    child = os.fork()
    if not child:
        signal.alarm(60)
        try:
            result = outcome(path, model)
        except BaseException as error:
            trace = traceback.extract_tb(error.__traceback__)
            result = f"{type(error).__name__}: {error} at {[line.lineno for line in trace]}"
        os.write(send, result.encode()[:500])
        os._exit(0)
    os.close(send)
    with os.fdopen(receive) as stream:
        said = stream.read()
    status = os.waitpid(child, 0)[1]
    return signal.Signals(os.WTERMSIG(status)).name if os.WIFSIGNALED(status) else said


def main(folder, seed, count):
    """Damage each index `count` times in each way, each file in turn."""
    rng = np.random.default_rng(seed)
    found = collections.Counter()
    for search, store in PAIRS:
        whole, copy = folder / f"{search['name']}-{store}", folder / "copy"
        model = make(whole, search, store)
        files = sorted(file.relative_to(whole) for file in whole.rglob("*") if file.is_file())
        # The file with the records is where most can go wrong.
        files = [name for name in files for _ in range(4 if name.name == "data.mdb" else 1)]
        for way in ("bit", "end", "zeros", "random"):
            for i in rng.permutation(max(count, len(files)))[:count].tolist():
                shutil.copytree(whole, copy)
                damage(copy / files[i % len(files)], way, rng)
                result = in_a_child(copy, model)
                if result not in ("refused", "damaged records named", "harmless", "rebuilt"):
                    result = f"{result} ({files[i % len(files)]})"
                found[f"{search['name']}+{store} {way}: {result}"] += 1
                shutil.rmtree(copy)
    print(json.dumps(found))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
