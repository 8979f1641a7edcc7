# SPDX-License-Identifier: GPL-3.0-only
"""``mshare send``: one file to any number of addresses; it leaves this device once."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated, Any

import typer

from terminal_client import addresses, recording, screen
from terminal_client.following import follow, on_screen
from terminal_client.library import Item
from terminal_client.naming import shown
from terminal_client.progress import Begin, shown_together
from terminal_client.recording import (
    IdleOption,
    LiveOption,
    NameOption,
    Recording,
)
from terminal_client.screen import JsonOption, NoThumbnailOption, ProfileOption
from terminal_client.submission import Sent
from terminal_client.terminal import Terminal
from terminal_client.transfers import Transfer


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
    no_thumbnail: NoThumbnailOption = False,
    live: LiveOption = False,
    idle: IdleOption = None,
    name: NameOption = None,
    as_json: JsonOption = False,
    named: ProfileOption = None,
) -> None:
    """Send a file, or an item, to mail addresses.

    The file is uploaded unless it is on your server already, and offered at once: who
    accepts it can read it while it still arrives.  The servers do the rest, you may
    switch off.  With --wait the exit status tells how it ended: 0 sent, 77 declined,
    69 failed or expired.

    A recording goes to your server while it grows (--live) and out when it is closed.
    Interrupted, run it again: a file goes on where it was. The first Ctrl-C ends a pipe
    (-) and sends what has come of it.
    """
    record = recording.wanted(what, live=live, idle=idle, name=name, as_json=as_json)
    recipients = [addresses.recipient(text) for text in to]
    path = Path(what).expanduser()
    source: Path | str = path if "/" in what or path.exists() else what
    status = screen.run(
        _send(
            screen.chosen(context, named),
            source,
            [str(r) for r in recipients],
            note,
            record,
            wait=wait,
            thumbnail=not no_thumbnail,
            as_json=as_json,
        )
    )
    raise typer.Exit(status)


async def _send(
    who: str | None,
    source: Path | str | Item,
    recipients: list[str],
    note: str,
    record: Recording | None,
    *,
    wait: bool,
    thumbnail: bool,
    as_json: bool,
) -> int:
    name = source if isinstance(source, str) else source.name
    async with Terminal.open(who) as terminal:
        if record is not None:
            source = await record.upload(terminal, recipients)
            name = source.name
        with shown_together() as begin:
            following = _Following(terminal, begin)

            def queued(sent: list[Sent]) -> None:
                for one in sent if not as_json else ():
                    screen.say(f"{shown(name)} to {one.recipient}: transfer {one.id}")
                if wait:
                    following.begin(sent)

            try:
                sent = await terminal.send(
                    source,
                    *recipients,
                    note=note,
                    thumbnail=thumbnail,
                    progress=begin(name),
                    queued=queued,
                )
                last = await following.end()
            finally:
                await following.stop()
        if record is not None:
            await record.finish_abandoned(terminal)
    if as_json:
        told = [t.to_json() for t in last] if wait else [one.to_json() for one in sent]
        uploaded = source.uploaded if isinstance(source, Item) else False
        screen.dump(_told(name, sent, told, uploaded=uploaded))
    return max((transfer.exit_status for transfer in last), default=0)


class _Following:
    """Follows what was sent, beside its upload."""

    def __init__(self, terminal: Terminal, show: Begin) -> None:
        self._terminal = terminal
        self._show = show
        self._task: asyncio.Task[list[Transfer]] | None = None

    def begin(self, sent: list[Sent]) -> None:
        """Follow these; called once."""
        self._task = asyncio.ensure_future(self._follow([one.id for one in sent]))

    async def _follow(self, ids: list[str]) -> list[Transfer]:
        with on_screen(self._show) as show:
            return await follow(self._terminal, ids, show, screen.remark)

    async def end(self) -> list[Transfer]:
        """Return them once all are final; none if none are followed."""
        return await self._task if self._task is not None else []

    async def stop(self) -> None:
        """Follow no longer."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)


def _told(
    name: str, sent: list[Sent], transfers: list[dict[str, Any]], *, uploaded: bool
) -> dict[str, Any]:
    uploaded = uploaded or any(one.uploaded for one in sent)
    return {"name": name, "uploaded": uploaded, "transfers": transfers}
