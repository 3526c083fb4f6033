"""The model card: what it tells, and that no name in it breaks its Markdown."""

import re

import attrs

from simplug.experiment.card import OWNER, OWNER_END, write_card


def test_a_card_tells_scores_cut_points_classes_and_how_it_was_made(make_findings):
    findings = make_findings(unknown=1)
    card = write_card(findings, title="a run")
    assert card.startswith("---\nlibrary_name: keras\n")
    headings = re.findall(r"^#+ .*$", card, flags=re.MULTILINE)
    assert headings == [
        "# a run",
        "## Data",
        "## Scores",
        "## Cut points",
        "## Intended use and limits",
        "## How it was made",
    ]
    score = findings.evaluation.groups["unseen"]["precision@1"]
    low, high = findings.evaluation.intervals["unseen"]["precision@1"]
    row = next(line for line in card.splitlines() if line.startswith("| precision@1 |"))
    assert f"{score:.3f} ({low:.3f} to {high:.3f})" in row
    assert len(row.split(" | ")) == 5
    assert "- **3 seen** (trained on): class 0, class 1, class 2" in card
    assert "- **1 unknown** (neither trained on nor in the gallery): class 5" in card
    assert f"{findings.calibration.cut_points['strict'].distance:#.4g}" in card
    assert "simplug 0.1.0, numpy 2.0.0" in card
    assert 'name = "small\\_cnn"' not in card
    assert 'name = "small_cnn"' in card


def test_the_owner_has_a_marked_place(make_findings):
    card = write_card(make_findings(), title="a run")
    assert card.index("## Intended use and limits") < card.index(OWNER) < card.index(OWNER_END)
    assert "To be written by the owner" in card


def test_names_are_text_in_a_card_too(make_findings):
    names = {0: "<script>", 1: "a|b", 2: "[link](x)\nnext *line*"}
    card = write_card(make_findings(names=names), title="<b>")
    assert "# \\<b\\>\n" in card
    assert "\\<script\\>, a\\|b, \\[link\\](x) next \\*line\\*" in card
    assert "<script>" not in card


def test_many_classes_are_counted_rather_than_listed(make_findings):
    card = write_card(make_findings(classes=80, unseen=10, queries=2), title="a run")
    assert "- **70 seen** (trained on): class 0," in card
    assert ", and 10 more" in card


def test_a_config_with_backticks_stays_within_its_block(make_findings):
    findings = make_findings()
    config = {**findings.config, "note": "```\n# a heading"}
    card = write_card(attrs.evolve(findings, config=config), title="a run")
    assert "\n````toml\n" in card
    assert card.endswith("\n````\n")
