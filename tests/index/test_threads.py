"""Threads: lookups while the index changes neither crash nor lie."""

import threading
import time

import numpy as np
import pytest

from simplug.index.index import Index


def test_lookups_during_changes_are_whole_and_true(pair, tmp_path):
    rng = np.random.default_rng(0)
    fixed = rng.normal(size=(50, 8)).astype(np.float32)
    moving = -fixed + 0.1 * rng.normal(size=(50, 8)).astype(np.float32)
    problems, stop = [], threading.Event()

    def ask():
        try:
            while not stop.is_set():
                found = index.lookup(fixed, k=3)
                if found.ids[:, 0].tolist() != list(range(50)) or not found.filled.all():
                    problems.append(found.ids)
                assert len(index.data_of(found.ids[0][:1])) == 1
                index.lookup(fixed[:2], k=2, where={"label": [1]})
        except Exception as error:
            problems.append(error)

    with Index.create(tmp_path / "index", dim=8, **pair) as index:
        index.add(fixed, labels=np.zeros(50, dtype=int), data=list(range(50)))
        threads = [threading.Thread(target=ask) for _ in range(3)]
        for thread in threads:
            thread.start()
        until = time.monotonic() + 1.5
        while time.monotonic() < until:
            ids = index.add(np.tile(moving, (30, 1)), labels=np.ones(1500, dtype=int))
            index.update(ids[:3], labels=[1, 1, 1])
            index.remove(ids)
            index.flush()
        stop.set()
        for thread in threads:
            thread.join()
        assert index.stats()["lookups"] > 0
    assert problems == []


def test_a_failure_after_the_commit_is_made_good_at_the_next_use(pair, tmp_path, monkeypatch):
    vectors = np.random.default_rng(0).normal(size=(30, 8))
    with Index.create(tmp_path / "index", dim=8, **pair) as index:
        index.add(vectors[:10])
        engine = type(index._state.engine)
        with monkeypatch.context() as patched:
            patched.setattr(engine, "add", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt()))
            with pytest.raises(KeyboardInterrupt):
                index.add(vectors[10:])
        assert len(index) == 30
        assert index.lookup(vectors, k=1).ids[:, 0].tolist() == list(range(30))
