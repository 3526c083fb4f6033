"""Any sequence of changes gives what a dictionary and a brute-force search give."""

import shutil
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

import simplug
from simplug.index import filtered
from simplug.index.index import Index

DIM = 3
SEEDS = st.integers(0, 2**32 - 1)


FILTERS = {
    "none": (None, lambda label, data: True),
    "label": ({"label": [0, 1, -1]}, lambda label, data: label in (0, 1, -1)),
    "number": ({"number": {"ge": 2, "lt": 5}}, lambda label, data: data is not None and 2 <= data["number"] < 5),
    "text": (
        {"name": ["a", "b"], "label": {"gt": -2}},
        lambda label, data: bool(data) and data["name"] in "ab" and label > -2,
    ),
    "not": ({"not": {"name": "c"}}, lambda label, data: data is None or data["name"] != "c"),
}
"""Filters, and what they say of a label and data."""


def data_of(seed, i):
    """Data that fields can be asked of; a sixth of the records have none."""
    number = (seed + i) % 6
    return {"number": number, "name": "abc"[(seed + i) % 3]} if number else None


class Machine(RuleBasedStateMachine):
    """Changes an index and a dictionary alike; subclasses name search and store."""

    search: str
    store: str

    def __init__(self):
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.model = {}
        self.last_id = -1

    @initialize(distance=st.sampled_from(["cosine", "euclidean", "inner_product"]))
    def make(self, distance):
        self.distance = simplug.distances.build(distance)
        # With so many candidates the graph of a small index is searched whole.
        search = {"name": "hnsw", "ef": 500} if self.search == "hnsw" else self.search
        self.index = Index.create(self.folder / "index", dim=DIM, distance=distance, search=search, store=self.store)

    @rule(seed=SEEDS, count=st.integers(0, 12), own_ids=st.booleans())
    def add(self, seed, count, own_ids):
        rng = np.random.default_rng(seed)
        vectors = rng.normal(size=(count, DIM)).astype(np.float32)
        labels, data = rng.integers(-2, 5, count), [data_of(seed, i) for i in range(count)]
        given = None
        if own_ids:
            free = sorted(set(range(200)) - set(self.model))
            given = rng.choice(free, size=count, replace=False)
        ids = self.index.add(vectors, labels=labels, ids=given, data=data)
        if given is None:
            assert ids.tolist() == list(range(self.last_id + 1, self.last_id + 1 + count))
        for row in zip(ids.tolist(), vectors, labels.tolist(), data, strict=True):
            self.model[row[0]] = row[1:]
            self.last_id = max(self.last_id, row[0])

    @precondition(lambda self: self.model)
    @rule(seed=SEEDS)
    def remove(self, seed):
        ids = self.some(np.random.default_rng(seed))
        self.index.remove(ids)
        for id_ in ids:
            del self.model[id_]

    @precondition(lambda self: self.model)
    @rule(seed=SEEDS, parts=st.sets(st.sampled_from(["embeddings", "labels", "data"]), min_size=1))
    def update(self, seed, parts):
        rng = np.random.default_rng(seed)
        ids = self.some(rng)
        new = {
            "embeddings": rng.normal(size=(len(ids), DIM)).astype(np.float32),
            "labels": rng.integers(-2, 5, len(ids)),
            "data": [data_of(seed + 1, i) for i in range(len(ids))],
        }
        self.index.update(ids, **{part: new[part] for part in parts})
        for i, id_ in enumerate(ids):
            old = self.model.pop(id_)
            names = ("embeddings", "labels", "data")
            self.model[id_] = tuple(new[name][i] if name in parts else old[place] for place, name in enumerate(names))

    @rule()
    def flush(self):
        self.index.flush()

    @rule()
    def reopen(self):
        self.index.close()
        self.index = Index.open(self.folder / "index")

    @rule()
    def go_on_with_a_copy(self):
        self.index.save(self.folder / "copy")
        self.index.close()
        shutil.rmtree(self.folder / "index")
        (self.folder / "copy").rename(self.folder / "index")
        self.index = Index.open(self.folder / "index")

    @rule()
    def go_on_after_a_crash(self):
        """Leave the index open, and go on with its files as they lie there."""
        if self.store == "memory":
            self.index.flush()
        shutil.copytree(self.folder / "index", self.folder / "crashed")
        self.index.close()
        shutil.rmtree(self.folder / "index")
        (self.folder / "crashed").rename(self.folder / "index")
        self.index = Index.open(self.folder / "index")

    @rule()
    def compact(self):
        self.index.compact()

    @rule()
    def rebuild(self):
        self.index.rebuild()

    @rule(seed=SEEDS, k=st.integers(1, 20), filter_=st.sampled_from(list(FILTERS)))
    def lookup(self, seed, k, filter_):
        rng = np.random.default_rng(seed)
        queries = rng.normal(size=(3, DIM)).astype(np.float32)
        where, passes = FILTERS[filter_]
        found = self.index.lookup(queries, k=k, where=where)
        passing = [id_ for id_, (_, label, data) in self.model.items() if passes(label, data)]
        count = min(k, len(passing))
        assert found.filled.sum(axis=1).tolist() == [count] * 3
        if count:
            vectors = np.stack([self.model[id_][0] for id_ in passing])
            measured = self.distance.numpy(queries, vectors)
            true = np.sort(measured, axis=1)[:, :count]
            np.testing.assert_allclose(found.distances[:, :count], true, atol=1e-5)
            place = {id_: column for column, id_ in enumerate(passing)}
            for row in range(3):
                ids = found.ids[row, :count].tolist()
                assert len(set(ids)) == count
                own = [measured[row, place[id_]] for id_ in ids]
                np.testing.assert_allclose(found.distances[row, :count], own, atol=1e-5)
                assert found.labels[row, :count].tolist() == [self.model[id_][1] for id_ in ids]

    @invariant()
    def records_are_those_of_the_model(self):
        if not hasattr(self, "index"):
            return
        assert len(self.index) == len(self.model)
        columns = self.index.to_columns()
        assert columns["id"].tolist() == list(self.model)
        for id_, embedding, label, data in zip(
            columns["id"].tolist(), columns["embedding"], columns["label"].tolist(), columns["data"], strict=True
        ):
            vector, expected_label, expected_data = self.model[id_]
            assert np.array_equal(embedding, vector)
            assert (label, data) == (expected_label, expected_data)

    def some(self, rng):
        return rng.choice(sorted(self.model), size=rng.integers(1, len(self.model) + 1), replace=False).tolist()

    def teardown(self):
        if hasattr(self, "index"):
            self.index.close()
        shutil.rmtree(self.folder)


@pytest.mark.parametrize("search", ["exact", "hnsw"])
@pytest.mark.parametrize("store", ["memory", "lmdb"])
def test_an_index_behaves_as_a_dictionary_with_brute_force(search, store, monkeypatch):
    monkeypatch.setattr(filtered, "_FEW", 3)  # so that small indexes are sifted as large ones are
    machine = type("PairMachine", (Machine,), {"search": search, "store": store})
    case = machine.TestCase
    case.settings = settings(
        max_examples=12,
        stateful_step_count=15,
        deadline=None,
        derandomize=True,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )
    case().runTest()
