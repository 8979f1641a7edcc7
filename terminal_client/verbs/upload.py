# SPDX-License-Identifier: GPL-3.0-only
"""``mshare upload``: bring files into the own Library."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from maild.mail.plain import amount
from terminal_client import recording, screen
from terminal_client.errors import UsageError
from terminal_client.naming import shown
from terminal_client.progress import shown_progress
from terminal_client.recording import (
    IdleOption,
    LiveOption,
    NameOption,
    Recording,
)
from terminal_client.screen import JsonOption, NoThumbnailOption, ProfileOption
from terminal_client.terminal import Terminal


def upload(
    context: typer.Context,
    files: Annotated[list[Path], typer.Argument(metavar="FILE...")],
    again: Annotated[
        bool, typer.Option("--again", help="Upload even what is there already.")
    ] = False,
    no_thumbnail: NoThumbnailOption = False,
    live: LiveOption = False,
    idle: IdleOption = None,
    name: NameOption = None,
    as_json: JsonOption = False,
    named: ProfileOption = None,
) -> None:
    """Upload files to your Library.

    What is there already, unchanged, is not sent again.  Interrupted, run it again: it
    goes on where it was.
    """
    if live and (again or len(files) > 1):
        raise UsageError("--live is about one recording")
    records = [
        recording.wanted(str(f), live=live, idle=idle, name=name, as_json=as_json)
        for f in files
    ]
    who, picture = screen.chosen(context, named), not no_thumbnail
    screen.run(
        _upload(
            who,
            files,
            records,
            again=again,
            thumbnail=picture,
            as_json=as_json,
        )
    )


async def _upload(
    who: str | None,
    files: list[Path],
    records: list[Recording | None],
    *,
    again: bool,
    thumbnail: bool,
    as_json: bool,
) -> None:
    told: list[dict[str, Any]] = []
    async with Terminal.open(who) as terminal:
        for path, record in zip(files, records, strict=True):
            if record is not None:
                item = await record.upload(terminal, [])
                await record.finish_abandoned(terminal)
            else:
                with shown_progress(path.name) as progress:
                    item = await terminal.upload(
                        path, progress=progress, again=again, thumbnail=thumbnail
                    )
            told.append({**item.to_json(), "uploaded": item.uploaded})
            if not as_json:
                how = "uploaded" if item.uploaded else "already there"
                screen.say(
                    f"{shown(item.name)}: {how}, {amount(item.size)}, id {item.id}"
                )
    if as_json:
        screen.dump(told)
