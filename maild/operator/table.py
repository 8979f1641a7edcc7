# SPDX-License-Identifier: Apache-2.0
"""Records as a table; where a terminal is too narrow for one, each as a few lines."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

WIDEST: Final = 1000
"""Columns of a table that no terminal shows: an id is never shortened."""
NAME: Final = "name"
"""What strangers choose as long as they like; no other column may be shortened."""
LEAST_NAME: Final = 20
"""Columns that a name is left at least."""
GAP: Final = "  "
INDENT: Final = "    "

Row = Mapping[str, str]


def lines(
    records: Sequence[Mapping[str, Any]], columns: Sequence[str], width: int | None
) -> Iterator[str]:
    """Yield what shows ``records``; ``width``: of the terminal, or None."""
    rows: list[Row] = [
        {each: text(record[each]) for each in columns} for record in records
    ]
    if width is None:
        yield from _table(records, rows, columns)
        return
    taken = _width(rows, [each for each in columns if each != NAME])
    rows = [_short(row, max(LEAST_NAME, width - taken - len(GAP))) for row in rows]
    if _width(rows, columns) <= width:
        yield from _table(records, rows, columns)
        return
    for row in rows:
        yield from _stacked(row, columns, width)


def text(value: object) -> str:
    """Return a value for people, without what a screen takes for a command."""
    match value:
        case None | "":
            return "-"
        case bool():
            return "yes" if value else "no"
        case int():
            return f"{value:,}"
        case _:
            return "".join(c if c.isprintable() else "?" for c in str(value))


def _width(rows: Sequence[Row], columns: Sequence[str]) -> int:
    widths = (max(map(cell_len, [c, *(row[c] for row in rows)])) for c in columns)
    return sum(widths) + len(GAP) * (len(columns) - 1)


def _short(row: Row, most: int) -> Row:
    """Leave out the middle of a long name: its end says of which type it is."""
    name = row.get(NAME, "")
    if len(name) <= most:
        return row
    end = (most - 1) // 2
    return {**row, NAME: f"{name[: most - 1 - end]}…{name[-end:]}"}


def _table(
    records: Sequence[Mapping[str, Any]], rows: Sequence[Row], columns: Sequence[str]
) -> Iterator[str]:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        numeric = bool(records) and isinstance(records[0][column], int | float)
        table.add_column(column, justify="right" if numeric else "left", no_wrap=True)
    for row in rows:
        table.add_row(*(Text(row[column]) for column in columns))
    console = Console(highlight=False, width=WIDEST)
    with console.capture() as drawn:
        console.print(table)
    for line in drawn.get().splitlines():
        yield line.rstrip()


def _stacked(row: Row, columns: Sequence[str], width: int) -> Iterator[str]:
    """Yield a record as words with what they mean; lines end between words."""
    first, *others = columns
    line = row[first]
    for part in (f"{each} {row[each]}" for each in others if row[each] != "-"):
        if cell_len(line) + len(GAP) + cell_len(part) <= width:
            line += GAP + part
        else:
            yield from _wrapped(line, width)
            line = INDENT + part
    yield from _wrapped(line, width)


def _wrapped(line: str, width: int) -> list[str]:
    return textwrap.wrap(
        line,
        width,
        subsequent_indent=INDENT,
        break_long_words=False,
        break_on_hyphens=False,
    )
