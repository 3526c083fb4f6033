"""Embeddings on a plane."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal

import attrs
import numpy as np

from simplug.kernel.errors import InvalidInputError
from simplug.plots.style import INK, PAPER, SHAPES, color_of, name_axes, new_figure, shape_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Method = Literal["pca", "umap"]

_NAMED = 30
"""Up to so many classes, each is named in the middle of its points."""


@attrs.frozen(eq=False)
class Projected:
    """Embeddings on a plane.

    Attributes:
        points: (n, 2) float64.
        axes: What the two axes are called.
    """

    points: np.ndarray
    axes: tuple[str, str]


def projection(
    embeddings: np.ndarray,
    labels: np.ndarray,
    method: Method = "pca",
    *,
    names: Mapping[int, str] | None = None,
    seed: int = 0,
) -> Figure:
    """Draw embeddings on a plane, each class with a colour and a shape and, up to 30 classes, its name in its middle.

    Args:
        embeddings: (n, d) numbers, n at least 2.
        labels: (n,) integer labels.
        method: ``"pca"``: the two directions of largest variance, which keeps what is far apart far apart; or
            ``"umap"``, which keeps neighbourhoods and bends the rest. UMAP is an extra: ``pip install simplug[umap]``.
        names: The name of each label; a label without a name is written as it is.
        seed: Of UMAP; PCA knows no chance.

    Raises:
        InvalidInputError: The arrays do not fit together, a number is not finite, or the method is not there.
    """
    labels = np.asarray(labels)
    if labels.shape != (len(embeddings),):
        raise InvalidInputError(f"{len(embeddings)} embeddings and labels of shape {labels.shape}; (n,) is expected")
    projected = project(embeddings, method, seed=seed)
    known = names or {}
    figure, axes = new_figure(5.2, 4.4)
    axes.grid(visible=False)
    classes = np.unique(labels)
    for place, label in enumerate(classes):
        points = projected.points[labels == label]
        axes.scatter(
            points[:, 0],
            points[:, 1],
            s=12,
            color=color_of(place),
            marker=SHAPES[shape_of(place)],
            alpha=0.75,
            linewidths=0,
        )
    if len(classes) <= _NAMED:
        from matplotlib.patheffects import withStroke

        for label in classes:
            x, y = np.median(projected.points[labels == label], axis=0)
            halo = [withStroke(linewidth=3, foreground=PAPER)]
            text = known.get(int(label), str(label))
            axes.text(x, y, text, ha="center", va="center", fontsize=9, color=INK, path_effects=halo, weight="bold")
    axes.set_xticks([])
    axes.set_yticks([])
    name_axes(axes, *projected.axes)
    return figure


def project(embeddings: np.ndarray, method: Method = "pca", *, seed: int = 0) -> Projected:
    """Return embeddings on a plane; arguments and errors are those of :func:`projection`."""
    embeddings = np.asarray(embeddings, dtype=np.float64)
    if embeddings.ndim != 2 or len(embeddings) < 2:
        raise InvalidInputError(f"embeddings of shape {embeddings.shape}; (n, d) with n at least 2 is expected")
    if not np.isfinite(embeddings).all():
        raise InvalidInputError("embeddings have NaN or infinite numbers")
    if method == "pca":
        return _pca(embeddings)
    if method == "umap":
        return _umap(embeddings, seed)
    raise InvalidInputError(f"method is 'pca' or 'umap', not {method!r}")


def umap_is_installed() -> bool:
    """Say whether umap-learn is installed; it is not imported."""
    from importlib_metadata import PackageNotFoundError, distribution

    try:
        distribution("umap-learn")
    except PackageNotFoundError:
        return False
    return True


def _pca(embeddings: np.ndarray) -> Projected:
    from sklearn.decomposition import PCA

    # A single dimension, or two embeddings, have one direction alone; the other is then zero.
    kept = min(2, *embeddings.shape)
    pca = PCA(n_components=kept, svd_solver="full")
    points = np.zeros((len(embeddings), 2))
    if np.ptp(embeddings, axis=0).any():
        points[:, :kept] = pca.fit_transform(embeddings)
        shares = [*pca.explained_variance_ratio_, 0.0][:2]
    else:
        shares = [0.0, 0.0]
    first, second = (f"direction {i + 1} ({100 * share:.0f} % of the variance)" for i, share in enumerate(shares))
    return Projected(points, (first, second))


def _umap(embeddings: np.ndarray, seed: int) -> Projected:
    try:
        from umap import UMAP
    except ImportError as cause:
        raise InvalidInputError(
            f"method 'umap' needs the package umap-learn; install it with: pip install 'simplug[umap]' ({cause})"
        ) from cause
    if len(embeddings) < 5:
        raise InvalidInputError(f"UMAP of {len(embeddings)} embeddings; it needs at least 5")
    neighbors = min(15, len(embeddings) - 1)
    # One job: with a seed UMAP takes no more, and says so in a warning when it is asked for them.
    points = UMAP(n_neighbors=neighbors, random_state=seed, n_jobs=1).fit_transform(embeddings)
    return Projected(np.asarray(points, dtype=np.float64), ("UMAP 1", "UMAP 2"))
