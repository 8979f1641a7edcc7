# SPDX-License-Identifier: GPL-3.0-only
"""``mshare get``: download an item; it appears whole and verified, or not at all."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from terminal_client import errors, screen
from terminal_client.library import Item
from terminal_client.naming import shown
from terminal_client.progress import shown_progress
from terminal_client.screen import ProfileOption
from terminal_client.terminal import Terminal


def get(
    context: typer.Context,
    what: Annotated[
        str,
        typer.Argument(
            metavar="ID|NAME", help="Id, beginning of an id, or name in `mshare ls`."
        ),
    ],
    output: Annotated[
        str | None,
        typer.Option(
            "-o",
            "--output",
            metavar="FILE|DIR|-",
            help="Where to. Default: here, under its name; - is stdout.",
        ),
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Replace a file that exists.")
    ] = False,
    named: ProfileOption = None,
) -> None:
    """Download an item of your Library.

    Its digest is verified before the file gets its name; you are told if it has none.
    A file that exists is left alone: the new one becomes "name (2)", unless you say
    --force.  Interrupted, run it again: it goes on where it was.
    """
    who = screen.chosen(context, named)
    if output == "-":
        screen.run(_get_to_stdout(who, what))
        return
    dest = Path(output).expanduser() if output else None
    if dest is not None and str(output).endswith("/"):
        _make_directory(dest)
    place = screen.run(_get(who, what, dest, force))
    screen.say(str(place))


def _make_directory(wanted: Path) -> None:
    try:
        wanted.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise errors.CannotCreateError(
            f"the directory {wanted} cannot be made: {reason}"
        ) from error


async def _get(who: str | None, what: str, dest: Path | None, force: bool) -> Path:
    async with Terminal.open(who) as terminal:
        item = await terminal.find(what)
        with shown_progress(what) as progress:
            place = await terminal.get(item, dest, force=force, progress=progress)
    _warn(item)
    return place


async def _get_to_stdout(who: str | None, what: str) -> None:
    async with Terminal.open(who) as terminal:
        with shown_progress(what) as progress:
            item = await terminal.get_to(what, sys.stdout.buffer, progress=progress)
    _warn(item)


def _warn(item: Item) -> None:
    """Say so when what came could not be compared with anything."""
    if item.sha256 is None:
        screen.remark(
            f"mshare: {shown(item.name)} came without a digest: its size is right, "
            "nothing else could be verified"
        )
