"""A table of texts with a heading, from a CSV file."""

from __future__ import annotations

import csv
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

import attrs

from simplug.api import DataError
from simplug_datasets.nearest import did_you_mean

_NAMED = 5


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

    def require(self, headings: Collection[str]) -> None:
        """Refuse a table in which a column is missing, or a field of it is empty.

        Raises:
            DataError: The message lists what is there.
        """
        missing = [heading for heading in headings if heading not in self.columns]
        if missing:
            hints = ", ".join(f"'{heading}'{did_you_mean(heading, self.columns)}" for heading in missing)
            raise DataError(f"{self.who} has no column {hints}\ncolumns there: {', '.join(self.columns)}")
        for heading in headings:
            self.refuse([row for row, text in enumerate(self.columns[heading]) if not text], f"have no {heading}")

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
    """Read a CSV file in UTF-8 whose first line holds the headings; empty lines are passed over.

    Args:
        path: The file.
        delimiter: The character between two fields.
        who: The data set, such as ``dataset csv``.

    Raises:
        DataError: The file cannot be read or is no such table, a heading is empty or comes twice, a row has another
            number of fields than there are headings, or there is no row.
    """
    rows: list[list[str]] = []
    lines: list[int] = []
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            reader = csv.reader(stream, delimiter=delimiter, strict=True)
            for row in reader:
                if row:
                    rows.append([text.strip() for text in row])
                    lines.append(reader.line_num)
    except OSError as error:
        raise DataError(f"{who}: {path} cannot be read: {error.strerror or error}") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(
            f"{who}: {path} is no table in UTF-8: {error}, after line {lines[-1] if lines else 0}"
        ) from error
    return _table(rows, lines, f"{who}: {path}")


def _table(rows: list[list[str]], lines: list[int], where: str) -> Table:
    if len(rows) < 2:
        raise DataError(f"{where} has no row below its headings" if rows else f"{where} is empty")
    headings = rows.pop(0)
    lines.pop(0)
    doubtful = sorted({heading for heading in headings if not heading or headings.count(heading) > 1})
    if doubtful:
        raise DataError(f"{where} has headings that are empty or come twice: {', '.join(map(repr, doubtful))}")
    table = Table(where, {}, lines)
    uneven = [number for number, row in enumerate(rows) if len(row) != len(headings)]
    details = [f"{len(rows[number])} fields" for number in uneven]
    table.refuse(uneven, f"have not {len(headings)} fields, as there are headings", details)
    return attrs.evolve(table, columns=dict(zip(headings, zip(*rows, strict=True), strict=True)))
