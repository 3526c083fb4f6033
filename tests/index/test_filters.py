"""Filters: what passes is what plain Python says, and the neighbours among it are the true ones."""

import threading
import warnings

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings

from simplug.index import columns, filtered, filters
from simplug.index.index import Index
from simplug.kernel.errors import ArtifactError, InvalidInputError

ABSENT = object()
ORDERS = {"lt": lambda a, b: a < b, "le": lambda a, b: a <= b, "gt": lambda a, b: a > b, "ge": lambda a, b: a >= b}


def kind(value):
    return float if type(value) is int else type(value)


def equal(value, other):
    return kind(value) is kind(other) and kind(value) in (float, str, bytes, bool, type(None)) and value == other


def value_of(record, name):
    """What a record has under the name that a filter uses; `record` is an id, a label and data."""
    if name in ("id", "label"):
        return record[("id", "label").index(name)]
    found = record[2]
    for part in name.removeprefix("data.").split("."):
        if not isinstance(found, dict) or part not in found:
            return ABSENT
        found = found[part]
    return found.item() if isinstance(found, np.generic) else found


def holds(value, operator, wanted):
    if operator == "exists":
        return (value is not ABSENT) == wanted
    if operator in ("eq", "ne"):
        return (value is not ABSENT and equal(value, wanted)) == (operator == "eq")
    if operator in ("in", "not_in"):
        return (value is not ABSENT and any(equal(value, one) for one in wanted)) == (operator == "in")
    comparable = value is not ABSENT and kind(value) is kind(wanted) and kind(value) in (float, str, bytes)
    return comparable and ORDERS[operator](value, wanted)


def passes(record, where):
    """The definition of filters, record by record."""
    for name, inside in where.items():
        if name == "not":
            passed = not passes(record, inside)
        elif name == "any":
            passed = any(passes(record, one) for one in inside)
        elif name == "all":
            passed = all(passes(record, one) for one in inside)
        elif isinstance(inside, dict):
            passed = all(holds(value_of(record, name), *condition) for condition in inside.items())
        else:
            passed = holds(value_of(record, name), "in" if isinstance(inside, list | set | range) else "eq", inside)
        if not passed:
            return False
    return True


NUMBERS = st.sampled_from(
    [0, 1, 2, -1, 0.5, 1.0, -0.0, 1e300, -1e-300, float("inf"), float("-inf"), 2**53, 2**53 + 1, float(2**53),
     2**63 - 1, 2**63, -(2**63), -(2**63) - 1, float(2**63), 2**70, 2.0**70, 10**400, -(10**400)]
)  # fmt: skip
NAMED = st.one_of(
    NUMBERS,
    st.sampled_from(["", "a", "b", "ab", "é", b"", b"a", True, False, None]),
    st.integers(),
    st.text(max_size=3),
)
HELD = st.one_of(
    NAMED,
    st.sampled_from([float("nan"), np.float32(0.5), np.int16(1), np.bool_(True), np.str_("a"), [1], {}, np.arange(2)]),
)
DATA = st.one_of(
    st.dictionaries(
        st.sampled_from(["x", "y", "label", "in"]), st.one_of(HELD, st.fixed_dictionaries({"x": HELD})), max_size=3
    ),
    st.sampled_from([None, "x", 3, ["x"]]),
)
FIELDS = st.sampled_from(["x", "y", "y.x", "data.x", "data.label", "in", "nothing"])


def conditions(named, ordered):
    listed = st.one_of(st.lists(named, max_size=12), st.sets(named, max_size=3))
    operators = st.fixed_dictionaries(
        {},
        optional={
            "eq": named, "ne": named, "in": listed, "not_in": listed, "exists": st.booleans(),
            **dict.fromkeys(ORDERS, ordered),
        },
    )  # fmt: skip
    return st.one_of(named, listed, operators.filter(bool))


ORDERED = st.one_of(NUMBERS, st.integers(), st.text(max_size=2), st.sampled_from([b"", b"a"]))
INTEGERS = st.integers(-3, 12)
LEAVES = st.one_of(
    st.dictionaries(FIELDS, conditions(NAMED, ORDERED), min_size=1, max_size=2),
    st.dictionaries(
        st.sampled_from(["label", "id"]), conditions(st.one_of(INTEGERS, st.just(2**70)), INTEGERS), min_size=1
    ),
)
WHERE = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.fixed_dictionaries({"not": inner}),
        st.fixed_dictionaries({"any": st.lists(inner, min_size=1, max_size=3)}),
        st.tuples(LEAVES, st.fixed_dictionaries({"all": st.lists(inner, min_size=1, max_size=3)})).map(
            lambda parts: parts[0] | parts[1]
        ),
    ),
    max_leaves=5,
)


def found_by(index, where):
    """The ids of the records that pass."""
    state = index._state
    return state.directory.ids_and_labels(filtered.passing(state, filters.parse(where)))[0].tolist()


@settings(max_examples=150, deadline=None, derandomize=True)
@given(
    records=st.lists(st.tuples(INTEGERS, DATA), max_size=12),
    where=WHERE,
    split=st.integers(0, 12),
    seed=st.integers(0, 99),
)
def test_what_passes_is_what_plain_python_says(records, where, split, seed):
    rng = np.random.default_rng(seed)
    with Index.create(None, dim=2) as index:
        model = {}

        def add(some):
            ids = index.add(
                rng.normal(size=(len(some), 2)), labels=[label for label, _ in some], data=[data for _, data in some]
            )
            model.update((id_, (id_, *record)) for id_, record in zip(ids.tolist(), some, strict=True))

        def expected():
            return [id_ for id_, record in model.items() if passes(record, where)]

        add(records[:split])
        assert found_by(index, where) == expected()
        add(records[split:])
        gone = [id_ for id_ in model if rng.random() < 0.3]
        index.remove(gone)
        for id_ in gone:
            del model[id_]
        assert found_by(index, where) == expected()
        if model:
            first = next(iter(model))
            index.update([first], data=[{"x": 1}])
            model[first] = (*model.pop(first)[:2], {"x": 1})
            assert found_by(index, where) == expected()


@pytest.mark.parametrize(
    ("where", "message"),
    [
        ({"iso": {"gte": 3}}, r"where\['iso'\] has no operator 'gte'; did you mean 'ge'\?; there are eq, ne, in"),
        ({"exif": {"iso": 100}}, r"no operator 'iso'; a field inside is exif.iso"),
        ({"label": {"iso": 100}}, r"where\['label'\] has no operator 'iso'; there are"),
        ({"iso": {}}, r"where\['iso'\] has no condition; there are eq"),
        ({"iso": {"not": 3}}, r"where\['iso'\] holds 'not', which goes around fields"),
        ({"any": []}, r"where\['any'\] must be a list of filters, at least one"),
        ({"any": {"label": 1}}, r"where\['any'\] must be a list of filters"),
        ({"all": [{"label": 1}, {}]}, r"where\['all'\]\[1\] must be a table such as"),
        ({"not": None}, r"where\['not'\] must be a table"),
        ({"ids": 3}, r"where names 'ids'; the column is 'id', and a field of data is 'data.ids'"),
        ({3: 3}, "where has the name 3; names are texts"),
        ({"": 3}, "where names '', which is no field"),
        ({"a..b": 3}, "where names 'a..b', which is no field"),
        ({"data.": 3}, "where names 'data.', which is no field"),
        ({"iso": float("nan")}, r"where\['iso'\] is NaN"),
        ({"iso": {"lt": None}}, r"where\['iso'\]\['lt'\] must be a number, a text or bytes, not None"),
        ({"iso": {"lt": True}}, r"where\['iso'\]\['lt'\] must be a number, a text or bytes, not True"),
        ({"iso": {"lt": [1]}}, r"where\['iso'\]\['lt'\] holds \[1\]; a condition names numbers"),
        ({"iso": {"in": 3}}, r"where\['iso'\]\['in'\] must be a list, set, range or array of values, not 3"),
        ({"iso": {"in": range(10**8)}}, "is too long a range; use {'ge': 0, 'lt': 100000000}"),
        ({"iso": {"exists": 1}}, r"where\['iso'\]\['exists'\] must be True or False, not 1"),
        ({"iso": [[1]]}, r"where\['iso'\] holds \[1\]"),
        ({"or": [{"label": 1}]}, r"where\['or'\] holds \{'label': 1\}; .*; any and all take lists of filters"),
        ({"iso": np.ones((2, 2))}, r"where\['iso'\] must have one axis, not shape \(2, 2\)"),
        ({"label": "front"}, r"where\['label'\] must be integers, and holds 'front'"),
        ({"label": True}, r"where\['label'\] must be integers, and holds True"),
        ({"label": {"lt": 1.5}}, r"where\['label'\]\['lt'\] must be an integer, not 1.5"),
        ({"id": np.array([1.0])}, r"where\['id'\] must be integers, and holds 1.0"),
    ],
)  # fmt: skip
def test_what_is_no_filter_is_refused_with_its_place(where, message):
    with Index.create(None, dim=2) as index, pytest.raises(InvalidInputError, match=message):
        index.single_lookup([1, 0], where=where)


def test_a_filter_nested_too_deep_is_refused():
    where = {"label": 1}
    for _ in range(5000):
        where = {"not": where}
    with pytest.raises(InvalidInputError, match="nested more than 64 deep"):
        filters.parse(where)


def test_values_are_taken_as_numpy_has_them():
    with Index.create(None, dim=2) as index:
        index.add(np.ones((4, 2)), labels=[5, 6, 7, 8], data=[{"x": value} for value in (1, 2.5, "a", np.float32(2.5))])
        assert found_by(index, {"x": np.array([1, 2.5])}) == [0, 1, 3]
        assert found_by(index, {"x": np.str_("a")}) == [2]
        assert found_by(index, {"x": np.array("a")[()]}) == [2]
        assert found_by(index, {"label": np.array([6, 8], dtype=np.uint8)}) == [1, 3]
        assert found_by(index, {"label": np.uint64(7)}) == [2]
        assert found_by(index, {"label": np.array([2**64 - 1, 5], dtype=np.uint64)}) == [0]
        assert found_by(index, {"id": range(1, 3)}) == [1, 2]


def test_neighbours_among_fields_of_data_are_the_true_ones(pair, vectors, tmp_path):
    data = [{"camera": "front" if i % 3 else "rear", "exif": {"iso": 50 * (i % 20)}} for i in range(len(vectors))]
    where = {"camera": "front", "exif.iso": {"ge": 100, "lt": 800}, "not": {"label": 4}}
    with Index.create(tmp_path / "index", dim=8, **pair) as index:
        index.add(vectors, labels=np.arange(len(vectors)) % 7, data=data)
        expected = [i for i, one in enumerate(data) if passes((i, i % 7, one), where)]
        for _ in range(2):
            found = index.lookup(vectors[:20], k=6, where=where)
            measured = index.distance.numpy(vectors[:20], vectors[expected])
            assert np.array_equal(found.ids, np.array(expected)[np.argsort(measured, axis=1)[:, :6]])
            single = index.single_lookup(vectors[3], k=6, where=where)
            assert np.array_equal(single.ids, found.ids[3])
        assert len(expected) < 200
    with Index.open(tmp_path / "index", readonly=True) as reader:
        assert np.array_equal(reader.lookup(vectors[:20], k=6, where=where).ids, found.ids)


@pytest.fixture
def fewer(monkeypatch):
    """Have the search asked, instead of all that pass being measured, in indexes of the size of a test."""
    monkeypatch.setattr(filtered, "_FEW", 10)


def test_where_many_pass_the_search_is_asked_and_sifted(fewer):
    rng = np.random.default_rng(0)
    vectors, queries = rng.normal(size=(3000, 8)).astype(np.float32), rng.normal(size=(40, 8)).astype(np.float32)
    labels = rng.integers(10, size=3000)
    with Index.create(None, dim=8, search={"name": "hnsw", "ef": 200}) as index:
        index.add(vectors, labels=labels)
        for highest in (2, 5, 8, 9):
            passing = np.flatnonzero(labels < highest)
            measured = index.distance.numpy(queries, vectors[passing])
            order = np.argsort(measured, axis=1)[:, :10]
            found = index.lookup(queries, k=10, where={"label": {"lt": highest}})
            assert (found.ids == passing[order]).mean() > 0.99
            np.testing.assert_allclose(found.distances, np.take_along_axis(measured, order, axis=1), atol=2e-3)
            assert (found.labels == labels[found.ids]).all()


def test_queries_far_from_all_that_pass_still_get_their_true_neighbours(fewer):
    rng = np.random.default_rng(0)
    near = rng.normal(size=(900, 8)).astype(np.float32) + 20
    far = rng.normal(size=(500, 8)).astype(np.float32) - 20
    with Index.create(None, dim=8, search="hnsw", distance="euclidean") as index:
        index.add(np.concatenate([near, far]), labels=[0] * 900 + [1] * 500)
        queries = np.concatenate([near[:5], far[:5]])
        found = index.lookup(queries, k=7, where={"label": 1})
        measured = index.distance.numpy(queries, far)
        np.testing.assert_allclose(found.distances, np.sort(measured, axis=1)[:, :7], rtol=1e-5)
        assert found.filled.all()
        every = index.lookup(queries[:2], k=1500, where={"label": 1})
        assert every.filled.sum(axis=1).tolist() == [500, 500]
        assert (every.labels[every.filled] == 1).all()


def test_more_is_searched_before_all_that_pass_are_measured(fewer, monkeypatch):
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(4000, 4)).astype(np.float32)
    labels = (np.argsort(np.argsort(vectors @ vectors[0])) < 2600).astype(int)  # the farthest from the first
    with Index.create(None, dim=4, search={"name": "hnsw", "ef": 200}, distance="inner_product") as index:
        index.add(vectors, labels=labels)
        asked, measured = [], []
        search, measure = type(index._state).search, filtered._measured
        monkeypatch.setattr(
            type(index._state), "search", lambda self, *given: asked.append(given[1]) or search(self, *given)
        )
        monkeypatch.setattr(filtered, "_measured", lambda *given: measured.append(len(given[1])) or measure(*given))
        true = np.sort(index.distance.numpy(vectors[:1], vectors[labels == 1]), axis=1)[:, :5]
        for rows_per_wanted, expected in ((100, ([5, 20], [1])), (1, ([5, 20, 160, 1280], []))):
            monkeypatch.setattr(filtered, "_ROWS_PER_WANTED", rows_per_wanted)
            found = index.lookup(vectors[:1], k=5, where={"label": 1})
            np.testing.assert_allclose(found.distances, true, rtol=1e-5)
            assert (asked, measured) == expected  # the first search is the lookup itself
            asked.clear()
            measured.clear()


def test_vectors_that_are_too_many_to_keep_are_read_anew(pair, vectors, tmp_path, monkeypatch):
    monkeypatch.setattr(filtered, "_KEPT_NUMBERS", 8 * 50)
    monkeypatch.setattr(filtered, "_AT_ONCE", 16)
    labels = np.arange(len(vectors)) % 8
    with Index.create(tmp_path / "index", dim=8, **pair) as index:
        index.add(vectors, labels=labels)
        for where, passing in [({"label": [1]}, labels == 1), ({"label": {"ge": 2}}, labels >= 2)] * 2:
            true = np.sort(index.distance.numpy(vectors[:9], vectors[passing]), axis=1)[:, :4]
            np.testing.assert_allclose(index.lookup(vectors[:9], k=4, where=where).distances, true, atol=1e-6)
        assert sum(block.vectors.size for block in index._state.selections._blocks) <= 8 * 50


def test_a_damaged_record_is_found_by_no_filter(tmp_path, vectors):
    with Index.create(tmp_path / "index", dim=8, search="exact") as index:
        index.add(vectors[:20], labels=np.arange(20) % 2, data=[{"x": i} for i in range(20)])
    (file,) = tmp_path.glob("index/store/*/data.mdb")
    data = bytearray(file.read_bytes())
    at = data.find(vectors[7].tobytes())
    assert at > 0
    while at >= 0:
        data[at] ^= 4
        at = data.find(vectors[7].tobytes())
    file.write_bytes(data)
    with Index.open(tmp_path / "index") as index:
        assert index.single_lookup(vectors[7], k=20, where={"label": 1}).ids.tolist().count(7) == 0
        assert found_by(index, {"label": 1}) == [1, 3, 5, 9, 11, 13, 15, 17, 19]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)
            assert found_by(index, {"x": {"gt": 4, "lt": 10}}) == [5, 6, 8, 9]


def test_a_field_is_read_once_and_what_is_added_later_besides(tmp_path, monkeypatch):
    with Index.create(tmp_path / "index", dim=2) as index:
        index.add(np.ones((50, 2)), data=[{"x": i} for i in range(50)])
        asked = []
        read = type(index._state.records).payloads
        monkeypatch.setattr(
            type(index._state.records), "payloads", lambda self, rows: asked.append(len(rows)) or read(self, rows)
        )
        for _ in range(3):
            assert found_by(index, {"x": {"lt": 3}}) == [0, 1, 2]
        index.add(np.ones((5, 2)), data=[{"x": -1}] * 5)
        index.remove([0, 1])
        assert found_by(index, {"x": {"lt": 3}}) == [2, 50, 51, 52, 53, 54]
        assert asked == [50, 5]
        index.rebuild()
        index.compact()
        assert found_by(index, {"x": {"lt": 3}, "y": {"exists": False}}) == [2, 50, 51, 52, 53, 54]
        assert asked[2:] in ([53], [53, 53])  # compaction reads all by itself


def test_reading_that_was_interrupted_is_made_again(monkeypatch):
    with Index.create(None, dim=2) as index:
        index.add(np.ones((50, 2)), data=[{"x": i} for i in range(50)])
        assert found_by(index, {"x": 3}) == [3]
        index.add(np.ones((50, 2)), data=[{"x": i} for i in range(50)])
        with monkeypatch.context() as patched:
            patched.setattr(columns.Mixed, "put", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt()))
            with pytest.raises(KeyboardInterrupt):
                found_by(index, {"x": 3})
        assert found_by(index, {"x": 3}) == [3, 53]


def test_many_threads_may_ask_for_a_field_first():
    with Index.create(None, dim=2) as index:
        index.add(np.ones((2000, 2)), data=[{"x": i % 5, "y": str(i)} for i in range(2000)])
        found = []

        def ask(place):
            found.append(len(found_by(index, {"x": 3} if place % 2 else {"x": 3, "y": {"ge": "0"}})))

        threads = [threading.Thread(target=ask, args=(place,)) for place in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert found == [400] * 8


def test_texts_that_no_record_has_any_more_are_forgotten():
    with Index.create(None, dim=2) as index:
        for start in range(0, 6000, 1000):
            ids = index.add(np.ones((1000, 2)), data=[{"x": f"text {start + i:04}"} for i in range(1000)])
            assert found_by(index, {"x": f"text {start + 7:04}"}) == [ids[7]]
            index.remove(ids[10:])
        assert found_by(index, {"x": {"ge": "text 5000"}}) == list(range(5000, 5010))
        column = index._state.fields._table.columns["x"]
        assert column._different < 3000


def test_a_record_whose_data_is_damaged_passes_no_filter_on_data(monkeypatch):
    with Index.create(None, dim=2) as index:
        index.add(np.ones((5, 2)), labels=[1, 1, 1, 2, 2], data=[{"x": i} for i in range(5)])
        read = type(index._state.records).payloads

        def damaged(self, rows):
            if 3 in rows:
                raise ArtifactError("the record with id 3 is damaged")
            return read(self, rows)

        monkeypatch.setattr(type(index._state.records), "payloads", damaged)
        with pytest.warns(RuntimeWarning, match="1 records are damaged .* the record with id 3 is damaged; verify"):
            assert found_by(index, {"x": {"ge": 2}}) == [2, 4]
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            assert found_by(index, {"not": {"x": 4}}) == [0, 1, 2]
            assert found_by(index, {"label": 2}) == [3, 4]
            index.remove([3])
            assert found_by(index, {"not": {"x": 4}}) == [0, 1, 2]
