# SPDX-License-Identifier: GPL-3.0-only
"""``mshare put``: make a local file the next version of an item."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from terminal_client import alike, screen
from terminal_client.progress import shown_progress
from terminal_client.replacing import Replaced
from terminal_client.screen import JsonOption, ProfileOption
from terminal_client.terminal import Terminal
from terminal_client.verbs.edit import tell


def put(
    context: typer.Context,
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="What the item is to be.")
    ],
    what: Annotated[
        str,
        typer.Argument(
            metavar="ID|NAME",
            help="Id, its first 4 or more characters, or name in `mshare ls`.",
        ),
    ],
    base: Annotated[
        Path | None,
        typer.Option(
            "--base",
            metavar="OLD",
            help="A file that holds what the item is now: only what is different "
            "travels then.",
        ),
    ] = None,
    as_json: JsonOption = False,
    named: ProfileOption = None,
) -> None:
    """Replace the content of an item by a file's: its next version.

    The item keeps its id and name. `mshare edit` does this by itself. Of several items
    with the same name none is replaced: write the id.
    """
    tell(
        screen.run(_put(screen.chosen(context, named), file, what, base)),
        as_json=as_json,
    )


async def _put(who: str | None, file: Path, what: str, base: Path | None) -> Replaced:
    async with Terminal.open(who) as terminal:
        item = await alike.only(terminal, what)
        with shown_progress(what) as progress:
            return await terminal.put(file, item, base=base, progress=progress)
