# SPDX-License-Identifier: GPL-3.0-only
"""``mshare send``: one file to any number of addresses; it leaves this device once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from terminal_client import addresses, screen
from terminal_client.following import follow, on_screen
from terminal_client.naming import shown
from terminal_client.progress import shown_progress
from terminal_client.screen import JsonOption, ProfileOption
from terminal_client.submission import Sent
from terminal_client.terminal import Terminal


def send(
    context: typer.Context,
    what: Annotated[
        str,
        typer.Argument(metavar="FILE|ID", help="A file, or an item of `mshare ls`."),
    ],
    to: Annotated[list[str], typer.Argument(metavar="ADDRESS...")],
    note: Annotated[
        str, typer.Option(metavar="TEXT", help="A few words to the recipient.")
    ] = "",
    wait: Annotated[
        bool,
        typer.Option("--wait", help="Wait until it was delivered, declined or failed."),
    ] = False,
    as_json: JsonOption = False,
    named: ProfileOption = None,
) -> None:
    """Send a file, or an item, to mail addresses.

    The file is uploaded unless it is on your server already; the servers do the rest,
    you may switch off.  With --wait the exit status tells how it ended: 0 sent,
    77 declined, 69 failed or expired.
    """
    recipients = [addresses.recipient(text) for text in to]
    path = Path(what).expanduser()
    source: Path | str = path if "/" in what or path.exists() else what
    status = screen.run(
        _send(
            screen.chosen(context, named),
            source,
            [str(r) for r in recipients],
            note,
            wait=wait,
            as_json=as_json,
        )
    )
    raise typer.Exit(status)


async def _send(
    who: str | None,
    source: Path | str,
    recipients: list[str],
    note: str,
    *,
    wait: bool,
    as_json: bool,
) -> int:
    name = source.name if isinstance(source, Path) else source
    async with Terminal.open(who) as terminal:
        with shown_progress(name) as progress:
            sent = await terminal.send(
                source, *recipients, note=note, progress=progress
            )
        if not as_json:
            for one in sent:
                screen.say(f"{shown(name)} to {one.recipient}: transfer {one.id}")
        if not wait:
            if as_json:
                screen.dump(_told(name, sent, [one.to_json() for one in sent]))
            return 0
        with on_screen() as show:
            ids = [one.id for one in sent]
            last = await follow(terminal, ids, show, screen.remark)
        if as_json:
            screen.dump(_told(name, sent, [transfer.to_json() for transfer in last]))
        return max(transfer.exit_status for transfer in last)


def _told(
    name: str, sent: list[Sent], transfers: list[dict[str, Any]]
) -> dict[str, Any]:
    uploaded = any(one.uploaded for one in sent)
    return {"name": name, "uploaded": uploaded, "transfers": transfers}
