# SPDX-License-Identifier: GPL-3.0-only
"""What `mshare` writes: results to stdout, remarks and complaints to stderr.

Tables are aligned on a terminal and tab-separated elsewhere, so that ``cut`` and
``awk`` can read them; ``--json`` is for programs that want more.
"""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from collections.abc import Coroutine, Iterable, Sequence
from datetime import datetime
from typing import Annotated, Any, TypeVar

import typer

from maild.mail.plain import json_text
from terminal_client.errors import StoppedError
from terminal_client.naming import shown

T = TypeVar("T")

ProfileOption = Annotated[
    str | None,
    typer.Option(
        "--profile",
        metavar="NAME",
        help="Whose terminal this is: a name, or the directory of a profile. "
        "Default: $MSHARE_PROFILE, else 'default'.",
    ),
]
_NUMBERS = frozenset({"size", "place", "octets"})
_UNDIVIDED = _NUMBERS | {"id", "item", "date", "until", "state", "kind"}
"""Columns whose cells are one word each: never broken over two lines."""
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]

NoThumbnailOption = Annotated[
    bool,
    typer.Option(
        "--no-thumbnail",
        help="Upload a picture without the small one that offers show.",
    ),
]


def chosen(context: typer.Context, named: str | None) -> str | None:
    """Return the profile named nearest to the verb; it may stand before it too."""
    found = named or context.obj
    return found if isinstance(found, str) else None


def run(story: Coroutine[Any, Any, T]) -> T:
    """Run a verb's story to its end; Ctrl-C ends it cleanly."""
    try:
        return asyncio.run(story)
    except KeyboardInterrupt:
        raise StoppedError(
            "interrupted; run it again, what was moving goes on where it was"
        ) from None


def watch(story: Coroutine[Any, Any, T]) -> T | None:
    """Run what only looks, until Ctrl-C: that is its end, and None."""
    try:
        return asyncio.run(story)
    except KeyboardInterrupt:
        return None


def say(text: str) -> None:
    """Write one result."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def remark(text: str) -> None:
    """Write something that is no result: it must not disturb a pipe."""
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


def is_debugging() -> bool:
    """Say whether somebody wants to see what a bug looks like from inside."""
    return bool(os.environ.get("MSHARE_DEBUG"))


class _Clean(logging.Formatter):
    """What libraries log: foreign text may be in it (CWE-150)."""

    def format(self, record: logging.LogRecord) -> str:
        """Return one line; all that is known, when somebody looks for a bug."""
        if is_debugging():
            return printable(super().format(record))
        told = " ".join(record.getMessage().splitlines())
        return f"mshare: {shown(record.name)}: {shown(told)}"


def printable(text: str) -> str:
    """Return lines that no terminal takes for commands."""
    return "\n".join(shown(line, len(line)) for line in text.splitlines())


def clean_logs() -> None:
    """Have what libraries log reach people clean, unless a script has set up more."""
    if logging.lastResort is not None:
        logging.lastResort.setFormatter(_Clean())


def dump(value: Any) -> None:
    """Write a result as JSON."""
    say(json_text(value, 2))


def event(value: dict[str, Any]) -> None:
    """Write one of several results as a line of JSON, as soon as it is known."""
    say(json_text(value))


def table(columns: Sequence[str], rows: Iterable[Sequence[object]], none: str) -> None:
    """Write a table; foreign texts may be in it.  ``none`` says that it is empty.

    On a terminal, what stands behind the column ``name`` (a note, a reason) is
    written below the name, so that 80 columns are enough.
    """
    clean = [[shown(str(cell)) for cell in row] for row in rows]
    if sys.stdout.isatty() and clean:
        _draw(columns, clean)
        return
    if sys.stdout.isatty():
        remark(none)
    for row in clean:
        say("\t".join(row))


def _draw(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    from rich.console import Console  # not needed where nobody looks
    from rich.table import Table
    from rich.text import Text

    last = columns.index("name") if "name" in columns else len(columns) - 1
    grid = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for column in columns[: last + 1]:
        grid.add_column(
            column,
            justify="right" if column in _NUMBERS else "left",
            overflow="fold",
            no_wrap=column in _UNDIVIDED,
        )
    for row in rows:
        below = "\n".join(filter(None, row[last:]))
        grid.add_row(*(Text(cell) for cell in (*row[:last], below)))
    Console().print(grid)


def moment(when: datetime | None) -> str:
    """Return a time as people here read it, or ""."""
    return when.astimezone().strftime("%Y-%m-%d %H:%M") if when else ""
