"""The curves of a run: training, the threshold of a match, and pairs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from simplug.experiment.report import about, numbers
from simplug.experiment.report.charts import chart
from simplug.experiment.report.findings import Findings
from simplug.experiment.report.html import Html, element, join, table
from simplug.learn.collapse_signs import LOGS
from simplug.plots.calibration import score_curve
from simplug.plots.history import loss_curve, score_history, scores_in
from simplug.plots.pairs import distance_histogram, reported_points, roc_curve


def training(findings: Findings) -> Html:
    """Return the loss by epoch and, where a training was evaluated on its way, the scores."""
    first, last = findings.history[0], findings.history[-1]
    seconds = sum(row.get("seconds", 0.0) for row in findings.history)
    words = f"Loss {numbers.score(first['loss'])} after the first epoch, {numbers.score(last['loss'])} after the last"
    caption = " ".join([f"{words}; {seconds:,.0f} s in all.", about.ending(findings)]).strip()
    charts = [chart(loss_curve(findings.history), f"loss by epoch. {words}", caption)]
    for names in _by_scale(findings.history):
        caption = "Scores on the way, of the queries that the cut points are chosen on, not of the test split."
        charts.append(chart(score_history(findings.history, names), "scores by epoch", caption))
    charts += _watch(findings.history)
    drawn = element("div", *charts, element("div", about.parts(findings)), class_="charts")
    return join([element("p", _sentence(findings.collapse), class_="warning"), drawn]) if findings.collapse else drawn


def _watch(history: Sequence[Mapping[str, float]]) -> list[Html]:
    """Return the numbers that tell of collapse by epoch, where they were watched: shares together, the rank apart."""
    watched = [name for name in scores_in(history) if name in LOGS]
    ranks = [name for name in watched if name == "effective_rank"]
    shares = [name for name in watched if name not in ranks]
    captions = (
        (shares, "Of some training examples: near a spread of 0, all embeddings point the same way."),
        (ranks, "How many dimensions the embeddings of these examples fill."),
    )
    return [
        chart(score_history(history, names), "signs of collapse by epoch", caption)
        for names, caption in captions
        if names
    ]


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}."


def _by_scale(history: Sequence[Mapping[str, float]]) -> list[list[str]]:
    """Return the names of the scores by epoch: those from 0 to 1 together, others with those of the same metric."""
    shares: list[str] = []
    others: dict[str, list[str]] = {}
    for name in (name for name in scores_in(history) if name not in LOGS):
        if all(0 <= row[name] <= 1 for row in history if name in row):
            shares.append(name)
        else:
            metric = name.removeprefix("val_").removeprefix("seen_").removeprefix("unseen_")
            others.setdefault(metric, []).append(name)
    return [names for names in (shares, *others.values()) if names]


def threshold(findings: Findings) -> Html:
    """Return the scores over the distance up to which a match is accepted, and the cut points."""
    calibration = findings.calibration
    names = list(dict.fromkeys(name for point in calibration.cut_points.values() for name in point.scores))
    rows = [
        [point.name, numbers.distance(point.distance), *(numbers.score(point.scores.get(name)) for name in names)]
        for point in calibration.cut_points.values()
    ]
    hint = (
        f"A match farther than the cut point is called unknown. The optimal one is best in {calibration.metric}; it "
        f"was chosen on {numbers.count(calibration.queries)} queries that are neither in the gallery nor in the test "
        "split, and their scores are these."
    )
    drawn = chart(score_curve(calibration), "scores over the distance up to which a match is accepted")
    cut_points = join([element("p", hint, class_="hint"), table(["cut point", "distance", *names], rows)])
    return element("div", drawn, element("div", cut_points), class_="charts")


def pairs(findings: Findings) -> Html:
    """Return the ROC curve, the distances of pairs, and the rates that are commonly told."""
    counts = findings.evaluation.pairs
    if counts is None:
        return element("p", "The test split has no positive or no negative pair.", class_="hint")
    told = (
        f"{numbers.count(counts.all_positives)} pairs of one class and {numbers.count(counts.all_negatives)} pairs of "
        "two classes within the test split."
    )
    rows = []
    for point in reported_points(counts):
        is_error = point.name == "EER"
        name = "equal error rate" if is_error else f"TAR at FAR {point.name.rpartition('=')[2]}"
        value = point.far if is_error else point.tar
        rows.append([name, numbers.score(value), numbers.distance(point.distance)])
    charts = [
        chart(roc_curve(counts), "ROC curve with a logarithmic axis of the false accept rate"),
        chart(distance_histogram(counts), "histograms of the distances of pairs of one class and of two classes"),
    ]
    return join(
        [
            element("p", told, class_="hint"),
            element("div", *charts, table(["rate", "value", "distance"], rows), class_="charts three"),
        ]
    )
