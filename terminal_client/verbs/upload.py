# SPDX-License-Identifier: GPL-3.0-only
"""``mshare upload``: bring files into the own Library."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from maild.mail.plain import amount
from terminal_client import screen
from terminal_client.naming import shown
from terminal_client.progress import shown_progress
from terminal_client.screen import JsonOption, ProfileOption
from terminal_client.terminal import Terminal


def upload(
    context: typer.Context,
    files: Annotated[list[Path], typer.Argument(metavar="FILE...")],
    again: Annotated[
        bool, typer.Option("--again", help="Upload even what is there already.")
    ] = False,
    as_json: JsonOption = False,
    named: ProfileOption = None,
) -> None:
    """Upload files to your Library.

    What is there already, unchanged, is not sent again.  Interrupted, run it again: it
    goes on where it was.
    """
    screen.run(_upload(screen.chosen(context, named), files, again, as_json))


async def _upload(
    who: str | None, files: list[Path], again: bool, as_json: bool
) -> None:
    told: list[dict[str, Any]] = []
    async with Terminal.open(who) as terminal:
        for path in files:
            with shown_progress(path.name) as progress:
                item = await terminal.upload(path, progress=progress, again=again)
            told.append({**item.to_json(), "uploaded": item.uploaded})
            if not as_json:
                how = "uploaded" if item.uploaded else "already there"
                screen.say(
                    f"{shown(item.name)}: {how}, {amount(item.size)}, id {item.id}"
                )
    if as_json:
        screen.dump(told)
