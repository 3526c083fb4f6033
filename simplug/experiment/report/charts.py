"""Matplotlib figures as drawings within the page, in the colours of its light or dark theme."""

from __future__ import annotations

import hashlib
import io
import re
from typing import TYPE_CHECKING

from simplug.experiment.report.html import Html, element
from simplug.plots.style import GRID, INK, MUTED, PAPER, SERIES

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_THEME = {
    INK: "var(--ink)",
    MUTED: "var(--muted)",
    GRID: "var(--grid)",
    PAPER: "var(--paper)",
    **{color: f"var(--c{place})" for place, color in enumerate(SERIES)},
}
"""The variable of the page's style sheet for each colour of the figures."""


def chart(figure: Figure, description: str, caption: str = "") -> Html:
    """Return a figure as a drawing with a caption.

    Args:
        figure: The figure.
        description: What it shows, for those who cannot see it.
        caption: What is read below it.
    """
    stream = io.StringIO()
    figure.savefig(stream, format="svg", transparent=True)
    drawing = Html(_inline(stream.getvalue()))
    width = f"max-width: {figure.get_figwidth() * 7.4:.1f}rem"
    parts = [element("div", drawing, class_="drawing", role="img", aria_label=description, style=width)]
    if caption:
        parts.append(element("figcaption", caption))
    return element("figure", *parts, class_="chart")


def _inline(svg: str) -> str:
    """Return an SVG file as an element of a page: with colours of the theme, and ids that no other drawing has."""
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r"<defs>\s*<style.*?</style>\s*</defs>", "", svg, flags=re.DOTALL)
    svg = re.sub(r"<!--.*?-->", "", svg, flags=re.DOTALL)
    head, _, body = svg.partition(">")
    box = re.findall(r'viewBox="[^"]*"', head)[0]
    body = body.replace("xlink:href", "href")
    for color, variable in _THEME.items():
        body = body.replace(color, variable)
    # Matplotlib's ids differ from time to time; numbered, they are the same for the same drawing, and the hash of it
    # keeps those of two drawings apart.
    body = _own_ids(body, prefix="chart")
    body = _own_ids(body, prefix=f"chart-{hashlib.sha256(body.encode()).hexdigest()[:6]}")
    body = re.sub(r">\s+<", "><", body)
    return f'<svg {box} aria-hidden="true">{body}'


def _own_ids(body: str, prefix: str) -> str:
    used = re.findall(r'(?:href="#|url\(#)([^")]+)', body)
    new = {old: f"{prefix}-{i}" for i, old in enumerate(dict.fromkeys(used))}
    body = re.sub(r' id="([^"]+)"', lambda found: f' id="{new[found[1]]}"' if found[1] in new else "", body)
    return re.sub(r'(href="#|url\(#)([^")]+)', lambda found: found[1] + new[found[2]], body)
