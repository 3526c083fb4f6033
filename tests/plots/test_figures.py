"""What the figures show, read from their own artists."""

import subprocess
import sys

import numpy as np
import pytest
from matplotlib.figure import Figure

import simplug
from simplug import plots
from simplug.api.pair_counts import PairCounts
from simplug.evaluation.calibration import Calibration, CutPoint
from simplug.kernel.errors import InvalidInputError
from simplug.plots.pairs import curve_points, histogram, reported_points
from simplug.plots.plane import project

HISTORY = [{"epoch": 1, "loss": 0.9, "seconds": 3.0}, {"epoch": 2, "loss": 0.4, "seconds": 3.0, "recall@1": 0.8}]


def lines(figure: Figure) -> dict[str, np.ndarray]:
    return {line.get_label(): np.asarray(line.get_xydata()) for line in figure.axes[0].get_lines()}


def texts(figure: Figure) -> list[str]:
    return [text.get_text() for axes in figure.axes for text in axes.texts]


@pytest.fixture
def counts() -> PairCounts:
    rng = np.random.default_rng(3)
    positive, negative = rng.normal(0.4, 0.1, 500), rng.normal(0.9, 0.2, 20_000)
    thresholds = np.unique(np.concatenate([positive, negative]))
    return PairCounts(
        thresholds,
        np.searchsorted(np.sort(positive), thresholds, side="right"),
        np.searchsorted(np.sort(negative), thresholds, side="right"),
    )


@pytest.fixture
def calibration() -> Calibration:
    cuts = {
        "optimal": CutPoint("optimal", 0.5, {"f1": 0.9}),
        "strict": CutPoint("strict", 0.48, {"f1": 0.8}),
    }
    curve = {"distance": (0.1, 0.5, 0.9), "f1": (0.2, 0.9, 0.7), "precision": (1.0, 0.9, 0.6)}
    return Calibration("f1", 1, {"name": "nearest"}, cuts, curve, 20)


def test_a_figure_is_made_without_pyplot_and_matplotlib_comes_with_the_first_figure():
    code = (
        "import sys, simplug\n"
        "drawing = simplug.plots.loss_curve\n"
        "assert 'matplotlib' not in sys.modules\n"
        "figure = drawing([{'epoch': 1, 'loss': 0.5}])\n"
        "assert 'matplotlib.pyplot' not in sys.modules\n"
        "print(type(figure).__module__)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout == "matplotlib.figure\n", done.stderr


def test_every_public_figure_can_be_loaded():
    assert simplug.plots is plots
    for name in plots.__all__:
        assert callable(getattr(plots, name))
        assert getattr(plots, name).__doc__
    with pytest.raises(AttributeError, match="has no attribute 'roc'"):
        _ = plots.roc


def test_the_loss_is_drawn_over_the_epochs_without_other_columns():
    drawn = lines(plots.loss_curve(HISTORY))
    assert list(drawn) == ["loss"]
    np.testing.assert_array_equal(drawn["loss"], [(1, 0.9), (2, 0.4)])


def test_the_history_of_keras_is_drawn_alike():
    drawn = lines(plots.loss_curve({"loss": [0.9, 0.4], "val_loss": [1.0, 0.6]}))
    np.testing.assert_array_equal(drawn["val_loss"], [(1, 1.0), (2, 0.6)])


def test_a_score_that_is_missing_in_an_epoch_is_left_out_there():
    np.testing.assert_array_equal(lines(plots.score_history(HISTORY))["recall@1"], [(2, 0.8)])


def test_scores_can_be_chosen_by_their_names():
    history = [{"epoch": 1, "recall@1": 0.2, "effective_rank": 30.0}, {"epoch": 2, "recall@1": 0.4}]
    assert list(lines(plots.score_history(history, ["recall@1"]))) == ["recall@1"]
    with pytest.raises(InvalidInputError, match="no score 'map@r'; it has: recall@1, effective_rank"):
        plots.score_history(history, ["map@r"])


def test_a_history_without_rows_or_without_a_loss_is_refused():
    with pytest.raises(InvalidInputError, match="the history has no row"):
        plots.loss_curve([])
    with pytest.raises(InvalidInputError, match="the history has no loss; its columns: epoch"):
        plots.loss_curve([{"epoch": 1}])


def test_the_curve_of_a_calibration_has_each_metric_and_each_cut_point(calibration):
    figure = plots.score_curve(calibration)
    drawn = lines(figure)
    np.testing.assert_array_equal(drawn["precision"], [(0.1, 1.0), (0.5, 0.9), (0.9, 0.6)])
    assert sorted(texts(figure)) == ["optimal", "strict"]
    stands = sorted(float(line[0, 0]) for label, line in drawn.items() if label not in ("f1", "precision"))
    assert stands == [0.48, 0.5]


def test_a_metric_has_one_colour_in_every_figure(calibration):
    def color(figure: Figure, label: str) -> str:
        return next(line.get_color() for line in figure.axes[0].get_lines() if line.get_label() == label)

    optimal = {"optimal": CutPoint("optimal", 0.5, {"precision": 0.5})}
    curve = {"distance": (0.1, 0.5), "precision": (1.0, 0.5)}
    alone = Calibration("precision", 1, {"name": "nearest"}, optimal, curve, 20)
    assert color(plots.score_curve(calibration), "precision") == color(plots.score_curve(alone), "precision")


def test_the_reported_points_are_the_scores_of_the_metrics(counts):
    error, *rates = reported_points(counts)
    assert error.far == pytest.approx(simplug.metrics.build("eer").score(counts), abs=1e-12)
    assert [point.name for point in rates] == ["TAR@FAR=1e-1", "TAR@FAR=1e-2", "TAR@FAR=1e-3", "TAR@FAR=1e-4"]
    for point in rates:
        far = float(point.name.rpartition("=")[2])
        metric = simplug.metrics.build({"name": "tar_at_far", "far": far})
        assert point.tar == metric.score(counts)
        assert point.far <= far


def test_a_rate_at_which_nothing_may_be_accepted_is_zero():
    counts = PairCounts(np.array([0.1, 0.2]), np.array([1, 4]), np.array([5, 20]))
    _, rate = reported_points(counts)
    assert (rate.name, rate.tar, rate.far) == ("TAR@FAR=1e-1", 0.0, 0.0)
    assert np.isnan(rate.distance)
    assert plots.roc_curve(counts)


def test_few_points_stand_for_a_curve_and_lie_on_it(counts):
    far, tar = curve_points(counts, 50)
    assert len(far) <= 50
    assert (far[-1], tar[-1]) == (1.0, 1.0)
    assert (np.diff(far) > 0).all()
    for rate, share in zip(far, tar, strict=True):
        place = np.searchsorted(counts.accepted_negatives, rate, side="right") - 1
        assert counts.accepted_positives[place] == share


def test_the_roc_curve_marks_the_equal_error_rate(counts):
    figure = plots.roc_curve(counts)
    assert figure.axes[0].get_xscale() == "log"
    error = reported_points(counts)[0]
    np.testing.assert_allclose(lines(figure)[f"EER {error.far:.3f}"], [(error.far, error.tar)])


def test_every_pair_is_in_the_histogram_once(counts):
    edges, positive, negative = histogram(counts)
    assert len(edges) == len(positive) + 1
    assert positive.sum() == pytest.approx(1)
    assert negative.sum() == pytest.approx(1)
    middles = (edges[1:] + edges[:-1]) / 2
    assert middles @ positive == pytest.approx(0.4, abs=0.03)
    assert middles @ negative == pytest.approx(0.9, abs=0.03)
    assert plots.distance_histogram(counts)


def test_pairs_at_one_single_distance_have_a_histogram():
    edges, positive, negative = histogram(PairCounts(np.array([0.5]), np.array([3]), np.array([4])))
    assert (np.diff(edges) > 0).all()
    assert positive.sum() == negative.sum() == 1


def test_pairs_of_one_kind_alone_are_refused():
    counts = PairCounts(np.array([0.5]), np.array([3]), np.array([0]))
    for draw in (plots.roc_curve, plots.distance_histogram):
        with pytest.raises(InvalidInputError, match="3 positive and 0 negative pairs"):
            draw(counts)


@pytest.mark.parametrize("classes", [1, 3, 16, 17, 200])
def test_a_confusion_matrix_names_its_classes_and_unknown(classes):
    names = [f"<{label}>" for label in range(classes)]
    counts = np.zeros((classes, classes + 1), dtype=int)
    np.fill_diagonal(counts, 7)
    counts[0, -1] = 3
    figure = plots.confusion_matrix(counts, names)
    (axes,) = figure.axes
    columns = [label.get_text() for label in axes.get_xticklabels()]
    assert columns[-1] == "unknown"
    assert columns[:-1] == [label.get_text() for label in axes.get_yticklabels()]
    assert len(columns) <= 41
    assert columns[0] == "<0>"
    written = texts(figure)
    assert written == (["7", "3", *["7"] * (classes - 1)] if classes <= 16 else [])
    figure.canvas.draw()


def test_counts_without_a_column_for_unknown_are_refused():
    with pytest.raises(InvalidInputError, match=r"counts of shape \(2, 2\) for 2 classes; \(2, 3\) is expected"):
        plots.confusion_matrix(np.eye(2), ["a", "b"])


def test_neighbours_are_marked_right_and_wrong_by_more_than_colour():
    image = np.full((8, 8, 1), 90, dtype=np.uint8)
    figure = plots.neighbor_gallery(
        [image, image],
        np.array([4, 5]),
        [[image, image], [image]],
        np.array([[4, 5], [5, -1]]),
        np.array([[0.1, 0.25], [0.3, np.inf]]),
        names={4: "four"},
    )
    assert [axes.get_xlabel() for axes in figure.axes if axes.axison] == [
        "four",
        "✓ four  0.1",
        "✗ 5  0.25",
        "5",
        "✓ 5  0.3",
    ]
    styles = [axes.spines["left"].get_linestyle() for axes in figure.axes[1:3]]
    assert styles[0] != styles[1]


def test_neighbours_that_do_not_fit_their_queries_are_refused():
    image = np.zeros((8, 8, 3), dtype=np.uint8)
    with pytest.raises(InvalidInputError, match="1 queries, 2 labels"):
        plots.neighbor_gallery([image], np.array([1, 2]), [[image]], np.array([[1]]), np.array([[0.1]]))
    with pytest.raises(InvalidInputError, match="at least one query"):
        plots.neighbor_gallery([], np.array([]), [], np.empty((0, 2)), np.empty((0, 2)))


def test_pca_keeps_the_directions_of_largest_variance():
    rng = np.random.default_rng(5)
    embeddings = rng.normal(size=(200, 6)) * [9, 4, 0.1, 0.1, 0.1, 0.1]
    projected = project(embeddings)
    centred = embeddings - embeddings.mean(axis=0)
    _, values, directions = np.linalg.svd(centred, full_matrices=False)
    np.testing.assert_allclose(np.abs(projected.points), np.abs(centred @ directions[:2].T), atol=1e-9)
    share = 100 * values[0] ** 2 / (values**2).sum()
    assert projected.axes[0] == f"direction 1 ({share:.0f} % of the variance)"


@pytest.mark.parametrize("embeddings", [np.eye(2), np.arange(5.0)[:, None], np.ones((4, 3))])
def test_embeddings_of_one_direction_or_none_are_projected_too(embeddings):
    projected = project(embeddings)
    assert projected.points.shape == (len(embeddings), 2)
    assert np.isfinite(projected.points).all()
    assert plots.projection(embeddings, np.zeros(len(embeddings), dtype=int))


def test_a_projection_names_its_classes():
    rng = np.random.default_rng(5)
    figure = plots.projection(rng.normal(size=(20, 3)), np.arange(20) % 2, names={0: "zero"})
    assert texts(figure) == ["zero", "1"]


@pytest.mark.parametrize(
    ("embeddings", "options", "message"),
    [
        (np.ones((1, 3)), {}, r"embeddings of shape \(1, 3\)"),
        (np.array([[1.0, np.nan], [1, 2]]), {}, "NaN or infinite"),
        (np.eye(3), {"method": "tsne"}, "method is 'pca' or 'umap', not 'tsne'"),
        (np.eye(3), {"method": "umap"}, "pip install 'simplug\\[umap\\]'|at least 5"),
    ],
)
def test_what_cannot_be_projected_is_refused(embeddings, options, message):
    with pytest.raises(InvalidInputError, match=message):
        project(embeddings, **options)
    with pytest.raises(InvalidInputError, match=r"labels of shape \(2,\)"):
        plots.projection(np.eye(3), np.array([1, 2]))


@pytest.mark.slow
def test_umap_keeps_classes_together_and_gives_the_same_twice():
    pytest.importorskip("umap", reason="umap-learn is an extra: pip install 'simplug[umap]'")
    rng = np.random.default_rng(1)
    labels = np.repeat(np.arange(4), 40)
    embeddings = 5 * rng.normal(size=(4, 8))[labels] + 0.2 * rng.normal(size=(160, 8))
    first, second = (project(embeddings, "umap", seed=3).points for _ in range(2))
    np.testing.assert_array_equal(first, second)
    middles = np.stack([first[labels == label].mean(axis=0) for label in range(4)])
    nearest = np.linalg.norm(first[:, None] - middles, axis=2).argmin(axis=1)
    np.testing.assert_array_equal(nearest, labels)


def test_runs_share_a_figure_and_keep_their_colours_where_one_has_no_curve():
    rates = (np.array([0.01, 1.0]), np.array([0.5, 1.0]))
    losses = plots.loss_curves({"first": HISTORY, "second": HISTORY})
    rocs = plots.roc_curves({"first": None, "second": rates})
    colors = {(line.get_label()): line.get_color() for figure in (losses, rocs) for line in figure.axes[0].get_lines()}
    assert set(colors) == {"first", "second"}
    second = [line.get_color() for figure in (losses, rocs) for line in figure.axes[0].get_lines()][1:]
    assert second[0] == second[1] == colors["second"]
    with pytest.raises(InvalidInputError, match="no run to draw"):
        plots.roc_curves({"first": None})
