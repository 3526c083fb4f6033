"""What the report tells, read from its page as text; how it looks is tested in a browser."""

import re
from html.parser import HTMLParser

import attrs
import numpy as np
import pytest

import simplug
from simplug.api import hookimpl
from simplug.experiment.report import Findings, write_report
from simplug.experiment.report.charts import chart
from simplug.experiment.report.confusion import confused_pairs
from simplug.experiment.report.galleries import choose
from simplug.experiment.report.html import Html, element, join, table
from simplug.experiment.report.pictures import is_image, sheet, thumbnail
from simplug.experiment.report.projection import sample
from simplug.experiment.scores import UNKNOWN
from simplug.plots import loss_curve


class Reader(HTMLParser):
    """Collects ids, links within the page, and the names of elements that are left open."""

    VOID = frozenset({"br", "img", "input", "link", "meta", "path", "use", "rect", "image"})

    def __init__(self, page: str) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.targets: list[str] = []
        self.open: list[str] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag, attributes):
        values = dict(attributes)
        if "id" in values:
            self.ids.append(values["id"])
        if values.get("href", "").startswith("#"):
            self.targets.append(values["href"][1:])
        self.targets += re.findall(r"url\(#([^)]+)\)", " ".join(filter(None, values.values())))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.handle_starttag(tag, attributes)
        if tag not in self.VOID:
            self.open.pop()

    def handle_endtag(self, tag):
        if tag not in self.VOID:
            assert self.open.pop() == tag


@pytest.fixture(scope="module")
def findings(make_findings) -> Findings:
    return make_findings()


@pytest.fixture(scope="module")
def page(findings) -> str:
    return write_report(findings, title="a run")


def test_text_is_escaped_unless_it_is_html_already():
    assert element("td", "<b>", class_='a"b', data_value=3, hidden=None) == (
        '<td class="a&quot;b" data-value="3">&lt;b&gt;</td>'
    )
    assert join([Html("<br>"), "&"]) == "<br>&amp;"
    assert "<td>&lt;script&gt;</td>" in table(["x"], [["<script>"]])
    assert "<td>&lt;td&gt;</td>" in table(["x"], [["<td>"]])
    assert '<th scope="col">&lt;th&gt;</th>' in table(["<th>"], [["x"]])


@pytest.mark.parametrize("options", [{"images": False, "unseen": 0}, {"unknown": 2, "noise": 0.9}])
def test_a_page_is_well_formed_and_its_links_lead_somewhere(make_findings, options):
    reader = Reader(write_report(make_findings(**options), title="a run"))
    assert reader.open == []
    assert len(set(reader.ids)) == len(reader.ids)
    assert set(reader.targets) <= set(reader.ids)
    assert {"scores", "training", "threshold", "pairs", "confusion", "classes", "neighbours", "projection"} <= set(
        reader.ids
    )


def test_the_same_findings_give_the_same_page(make_findings, page):
    assert write_report(make_findings(), title="a run") == page


def test_a_chart_follows_the_theme_and_has_ids_of_its_own():
    first = chart(loss_curve([{"epoch": 1, "loss": 1.0}, {"epoch": 2, "loss": 0.5}]), "falls")
    second = chart(loss_curve([{"epoch": 1, "loss": 0.5}, {"epoch": 2, "loss": 1.0}]), "rises")
    assert "var(--c0)" in first
    assert "var(--ink)" in first
    assert "#0a6ebd" not in first
    assert 'aria-label="falls"' in first
    assert "xmlns" not in first
    ids = [re.findall(r'id="([^"]+)"', drawing) for drawing in (first, second)]
    assert ids[0]
    assert not set(ids[0]) & set(ids[1])


def test_a_query_is_right_when_it_has_its_label_or_is_rightly_called_unknown(make_findings):
    findings = make_findings(unknown=1, noise=0.8)
    labels, matched = findings.selection.test.labels, findings.evaluation.matched
    assert findings.kind_of(5) == "unknown"
    assert findings.kind_of(3) == "unseen"
    assert findings.kind_of(0) == "seen"
    foreign = labels == 5
    np.testing.assert_array_equal(findings.right[foreign], matched[foreign] == UNKNOWN)
    np.testing.assert_array_equal(findings.right[~foreign], matched[~foreign] == labels[~foreign])


def test_galleries_show_the_surest_mistakes_and_the_surest_matches(make_findings):
    findings = make_findings(noise=0.9, unknown=1)
    distances, matched = findings.evaluation.distances, findings.evaluation.matched
    galleries = {gallery.title: list(gallery.queries) for gallery in choose(findings)}
    assert set(galleries) == {"Worst", "Most confused", "Called unknown", "Best"}
    mistakes = np.flatnonzero(~findings.right & (matched != UNKNOWN))
    assert galleries["Worst"] == mistakes[np.argsort(distances[mistakes], kind="stable")][:8].tolist()
    assert findings.right[galleries["Best"]].all()
    assert (matched[galleries["Best"]] != UNKNOWN).all()
    known = findings.selection.test.labels[galleries["Best"]]
    assert len(set(known[: len(findings.selection.known)].tolist())) == len(findings.selection.known)
    assert (matched[galleries["Called unknown"]] == UNKNOWN).all()
    assert not findings.right[galleries["Called unknown"]].any()
    assert not set(galleries["Worst"]) & set(galleries["Most confused"])


def test_pairs_of_classes_are_listed_by_how_often_they_are_confused(make_findings):
    findings = make_findings(noise=0.9)
    counts = findings.evaluation.confusion
    listed = [counts[place] for place in confused_pairs(findings)]
    assert listed == sorted(listed, reverse=True)
    assert sum(listed) == counts[:, :-1].sum() - np.trace(counts[:, :-1])


def test_classes_are_listed_worst_first(make_findings):
    findings = make_findings(noise=0.9)
    page = write_report(findings, title="a run")
    body = page[page.index('id="table-of-classes"') :]
    body = body[: body.index("</table>")]
    names = re.findall(r"<tr><td>(class \d)</td>", body)
    accuracy = [findings.evaluation.per_class[int(name[-1])]["matching_accuracy"] for name in names]
    assert len(names) == 6
    assert accuracy == sorted(accuracy)


def test_a_score_that_a_class_has_not_got_is_a_dash_and_sorts_last(findings):
    per_class = {**findings.evaluation.per_class, 2: {"queries": 4, "matching_accuracy": float("nan")}}
    evaluation = attrs.evolve(findings.evaluation, per_class=per_class)
    page = write_report(attrs.evolve(findings, evaluation=evaluation), title="a run")
    body = page[page.index('id="table-of-classes"') :]
    rows = re.findall(r"<tr><td>.*?</tr>", body[: body.index("</table>")])
    assert rows[-1].startswith("<tr><td>class 2</td>")
    assert '<td data-value="">' in rows[-1]
    assert "nan" not in rows[-1]


def test_scores_on_the_way_are_drawn_by_their_scale(findings):
    history = [
        {**row, "val_recall@1": 0.5, "val_map@r": 0.4, "val_effective_rank": 9.0, "val_seen_effective_rank": 8.0}
        for row in findings.history
    ]
    page = write_report(attrs.evolve(findings, history=history), title="a run")
    assert page.count('aria-label="scores by epoch"') == 2


def test_a_run_without_pairs_or_intervals_says_so_or_nothing(findings):
    evaluation = attrs.evolve(findings.evaluation, pairs=None, intervals={})
    page = write_report(attrs.evolve(findings, evaluation=evaluation), title="a run")
    assert "The test split has no positive or no negative pair." in page
    assert "bootstrap" not in page


def test_a_section_of_a_plugin_stands_in_the_page_as_it_is(findings):
    class Plugin:
        @hookimpl
        def simplug_report_sections(self, run):
            told = f"<p>{len(run['index'])} records, cut at {run['cut_points']['optimal'].distance:.3f}</p>"
            return [("From a plugin", told), ("Scores", "<p>of our own</p>")]

        @hookimpl
        def simplug_report_header(self):
            return ["a line <of> a plugin"]

    plugin = Plugin()
    simplug.plugins.register(plugin)
    try:
        page = write_report(findings, title="a run")
    finally:
        simplug.plugins.unregister(plugin)
    cut = findings.calibration.cut_points["optimal"].distance
    assert f"<h2>From a plugin</h2>\n<p>24 records, cut at {cut:.3f}</p>" in page
    ids = Reader(page).ids
    assert len(set(ids)) == len(ids), "a plugin's section may be named like one of ours"
    assert "a line &lt;of&gt; a plugin" in page
    assert 'href="#from-a-plugin"' in page


def test_of_many_queries_every_class_keeps_some():
    labels = np.repeat([0, 1, 2], [5000, 3, 40])
    chosen = sample(labels, 60, seed=1)
    assert len(chosen) == 60
    assert (np.diff(chosen) > 0).all()
    assert np.bincount(labels[chosen]).tolist() == [29, 3, 28]
    np.testing.assert_array_equal(sample(labels[-5:], 60, seed=1), np.arange(5))


def test_only_arrays_of_bytes_with_a_channel_axis_are_pictures():
    assert is_image(np.zeros((4, 4, 3), dtype=np.uint8))
    assert not is_image(np.zeros((4, 4, 2), dtype=np.uint8))
    assert not is_image(np.zeros((4, 4, 1), dtype=np.float32))
    assert not is_image(np.zeros((0, 4, 1), dtype=np.uint8))
    assert not is_image(None)


def test_pictures_of_all_sizes_fit_on_a_sheet():
    rng = np.random.default_rng(2)
    images = [rng.integers(0, 255, shape, dtype=np.uint8) for shape in ((200, 90, 3), (8, 8, 1), (1, 50, 3))]
    tiles = sheet(images)
    assert (tiles.columns, tiles.rows) == (2, 2)
    assert tiles.url.startswith("data:image/")
    assert thumbnail(images[0]).startswith("data:image/")


def test_a_thousand_photographs_stay_within_two_megabytes(make_findings):
    findings = make_findings(classes=10, queries=100)
    rng = np.random.default_rng(1)
    # Smooth colours, as photographs have them.
    small = rng.integers(0, 255, (1000, 6, 6, 3)).astype(np.uint8)
    photos = np.repeat(np.repeat(small, 16, axis=1), 16, axis=2)
    selection = attrs.evolve(findings.selection, test=attrs.evolve(findings.selection.test, inputs=photos))
    page = write_report(attrs.evolve(findings, selection=selection), title="a run")
    assert len(page) < 2_000_000


def test_a_collapse_is_told_above_the_curves_and_its_signs_are_drawn(findings):
    signs = {"embedding_spread": 0.001, "effective_rank": 1.5, "active_triplets": 1.0}
    history = [row | signs for row in findings.history]
    told = "the training has collapsed: since epoch 1, <all> embeddings point the same way"
    page = write_report(attrs.evolve(findings, history=history, collapse=told), title="collapsed")
    assert '<p class="warning">The training has collapsed: since epoch 1, &lt;all&gt; embeddings point' in page
    assert page.count("signs of collapse by epoch") == 2
    assert "Scores on the way" not in page
    healthy = write_report(attrs.evolve(findings, history=history), title="healthy")
    assert 'class="warning"' not in healthy
