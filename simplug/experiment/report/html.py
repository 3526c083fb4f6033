"""Pieces of HTML that cannot be broken by what is written into them: text is escaped unless it is HTML already."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape


class Html(str):
    """Text that is HTML already."""

    __slots__ = ()


def text(content: str) -> Html:
    """Return text as HTML: escaped, unless it is HTML already."""
    return content if isinstance(content, Html) else Html(escape(content))


def join(parts: Iterable[str], separator: str = "") -> Html:
    """Return pieces one after the other."""
    return Html(separator.join(text(part) for part in parts))


def element(tag: str, *content: str, **attributes: str | int | float | None) -> Html:
    """Return an element.

    Args:
        tag: Its name.
        content: Its content; text is escaped.
        attributes: Its attributes. ``class_`` stands for ``class``, and ``data_value`` for ``data-value``; None leaves
            one out.
    """
    written = "".join(
        f' {name.rstrip("_").replace("_", "-")}="{escape(str(value))}"'
        for name, value in attributes.items()
        if value is not None
    )
    return Html(f"<{tag}{written}>{join(content)}</{tag}>")


def picture(url: str, description: str) -> Html:
    """Return an image, which has no content and no end."""
    return Html(f'<img src="{escape(url)}" alt="{escape(description)}">')


def table(head: Iterable[str], rows: Iterable[Iterable[str]], **attributes: str | None) -> Html:
    """Return a table that scrolls sideways where it is too wide; what is no ``th`` or ``td`` yet becomes one."""
    heading = element("tr", *(cell if _is(cell, "th") else element("th", cell, scope="col") for cell in head))
    body = [element("tr", *(cell if _is(cell, "td") else element("td", cell) for cell in row)) for row in rows]
    inner = element("table", element("thead", heading), element("tbody", *body), **attributes)
    return element("div", inner, class_="scroll")


def _is(content: str, tag: str) -> bool:
    """Say whether this is an element already; text that looks like one is text."""
    return isinstance(content, Html) and content.startswith(f"<{tag}")
