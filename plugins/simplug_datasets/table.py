"""A table of texts with a heading, from a CSV file."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import attrs

from simplug.api import DataError
from simplug_datasets.nearest import did_you_mean
from simplug_datasets.places import unreadable_file

_NAMED = 5
_DELIMITERS = (",", ";", "\t", "|")


@attrs.frozen(eq=False)
class Table:
    """Columns of texts, without spaces around them.

    Attributes:
        who: The data set and the file, for the message of an error.
        columns: The texts of each column, by its heading.
        lines: The line of the file that each row ends on, counted from 1.
    """

    who: str
    columns: Mapping[str, Sequence[str]]
    lines: Sequence[int]

    def __len__(self) -> int:
        return len(self.lines)

    def require(self, headings: Mapping[str, str]) -> None:
        """Refuse a table in which a column is missing, or a field of it is empty.

        Args:
            headings: The headings of the columns, each with the setting that names it.

        Raises:
            DataError: The message lists what is there.
        """
        missing = [heading for heading in headings if heading not in self.columns]
        if missing:
            delimiter = self._other_delimiter()
            names = () if delimiter else self.columns
            lines = [
                f"no column '{heading}', as {headings[heading]} names it{did_you_mean(heading, names)}"
                for heading in missing
            ]
            raise DataError(
                f"{self.who} has "
                + "\n  and ".join(lines)
                + f"\ncolumns, by the first line: {', '.join(self.columns)}"
                + delimiter
            )
        for heading in headings:
            self.refuse([row for row, text in enumerate(self.columns[heading]) if not text], f"have no {heading}")

    def _other_delimiter(self) -> str:
        """Say what seems to stand between the fields, when the first line is a single one."""
        (first, *others) = self.columns
        found = next((character for character in _DELIMITERS if character in first), None)
        return "" if others or found is None else f"\nset delimiter = {json.dumps(found)} if that is between the fields"

    def refuse(self, rows: Sequence[int], fault: str, details: Sequence[str] = ()) -> None:
        """Refuse a table with such rows, if there are any.

        Args:
            rows: The rows at fault.
            fault: What they do, such as ``have no label``.
            details: More on each of the rows.

        Raises:
            DataError: There are such rows; the first of them are named by their lines.
        """
        if not len(rows):
            return
        named = [f"line {self.lines[row]}" for row in rows[:_NAMED]]
        if details:
            named = [f"{line}: {detail}" for line, detail in zip(named, details, strict=False)]
        more = len(rows) - len(named)
        raise DataError(
            f"{self.who}: {len(rows)} of {len(self)} rows {fault}:\n  "
            + "\n  ".join(named)
            + (f"\n  and {more} more" if more > 0 else "")
        )


def read_table(path: Path, delimiter: str, who: str) -> Table:
    """Read a CSV file in UTF-8 whose first line holds the headings.

    Rows without a text in any field are passed over, and so are columns without a heading, as the index that pandas
    writes.

    Args:
        path: The file.
        delimiter: The character between two fields.
        who: The data set, such as ``dataset csv``.

    Raises:
        DataError: The file cannot be read or is no such table, a heading comes twice, a row has another number of
            fields than there are headings, or there is no row.
    """
    rows: list[list[str]] = []
    lines: list[int] = []
    try:
        content = path.read_bytes()
    except OSError as error:
        raise unreadable_file(path, error, who) from error
    try:
        reader = csv.reader(io.StringIO(content.decode("utf-8-sig"), newline=""), delimiter=delimiter, strict=True)
        for row in reader:
            texts = [text.strip() for text in row]
            if any(texts):
                rows.append(texts)
                lines.append(reader.line_num)
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise DataError(
            f"{who}: {path} is no text in UTF-8, by byte {content[error.start]:#04x} in line {line}; save it as UTF-8"
        ) from error
    except csv.Error as error:
        is_open = "unexpected end" in str(error)
        reason = "a quotation mark is opened and not closed" if is_open else error
        raise DataError(f"{who}: {path}: the row after line {lines[-1] if lines else 0}: {reason}") from error
    return _table(rows, lines, f"{who}: {path}")


def _table(rows: list[list[str]], lines: list[int], where: str) -> Table:
    if len(rows) < 2:
        raise DataError(f"{where} has no row below its headings" if rows else f"{where} is empty")
    headings = rows.pop(0)
    lines.pop(0)
    doubtful = sorted({heading for heading in headings if heading and headings.count(heading) > 1})
    if doubtful:
        raise DataError(f"{where} has headings that come twice: {', '.join(map(repr, doubtful))}")
    table = Table(where, {}, lines)
    uneven = [number for number, row in enumerate(rows) if len(row) != len(headings)]
    details = [f"{len(rows[number])} fields" for number in uneven]
    table.refuse(uneven, f"have not {len(headings)} fields, as there are headings", details)
    columns = dict(zip(headings, zip(*rows, strict=True), strict=True))
    columns.pop("", None)
    return attrs.evolve(table, columns=columns)
