# SPDX-License-Identifier: GPL-3.0-only
"""``mshare send``: one file to any number of addresses; it leaves this device once."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Annotated, Any

import typer

from maild.mail.transfer import LONGEST_CONFIRMATION, State
from terminal_client import alike, durations, people, recording, screen
from terminal_client.errors import UsageError
from terminal_client.following import follow, on_screen
from terminal_client.library import Item
from terminal_client.progress import Begin, shown_together
from terminal_client.recording import (
    IdleOption,
    LiveOption,
    NameOption,
    Recording,
)
from terminal_client.screen import JsonOption, NoThumbnailOption, ProfileOption
from terminal_client.sent_before import say_new, tell_how_to_go, tell_known
from terminal_client.submission import Sent
from terminal_client.terminal import Terminal
from terminal_client.transfers import Transfer


def send(
    context: typer.Context,
    what: Annotated[
        str,
        typer.Argument(metavar="FILE|ID", help="A file, or an item of `mshare ls`."),
    ],
    to: Annotated[
        list[str],
        typer.Argument(
            metavar="ADDRESS...",
            help="Mail addresses, names of `mshare contacts`, numbers (+14155550102).",
        ),
    ],
    note: Annotated[
        str, typer.Option(metavar="TEXT", help="A few words to the recipient.")
    ] = "",
    wait: Annotated[
        bool,
        typer.Option("--wait", help="Wait until it was delivered, declined or failed."),
    ] = False,
    no_thumbnail: NoThumbnailOption = False,
    confirm: Annotated[
        bool,
        typer.Option(
            "--confirm",
            help="Once it is accepted, the servers only connect; content leaves when "
            "you say `mshare go`. With --wait: wait until then.",
        ),
    ] = False,
    within: Annotated[
        str | None,
        typer.Option(
            metavar="TIME",
            help="With --confirm: drop it unless you say so in this time after it "
            "was prepared, such as 30m or 2h.  Default: 1d.",
        ),
    ] = None,
    no_wait: Annotated[
        bool,
        typer.Option(
            "--no-wait",
            help="Do not wait for a number that has to be asked for its address: exit "
            "with 75, and send when the same command is run again.",
        ),
    ] = False,
    live: LiveOption = False,
    idle: IdleOption = None,
    name: NameOption = None,
    as_json: JsonOption = False,
    named: ProfileOption = None,
) -> None:
    """Send a file, or an item, to mail addresses or numbers.

    The file is uploaded unless it is on your server already, and offered at once: who
    accepts it can read it while it still arrives.  The servers do the rest, you may
    switch off.  With --wait the exit status tells how it ended: 0 sent (or prepared,
    with --confirm), 77 declined, 69 failed or expired.

    A number (mshare number login) is asked for its mail address at the first time.

    A recording goes to your server while it grows (--live) and out when it is closed.
    Interrupted, run it again: a file goes on where it was. The first Ctrl-C ends a pipe
    (-) and sends what has come of it.
    """
    seconds = _seconds(within, confirm=confirm)
    people.check(to)
    record = recording.wanted(what, live=live, idle=idle, name=name, as_json=as_json)
    path = Path(what).expanduser()
    source: Path | str = path if "/" in what or path.exists() else what
    status = screen.run(
        _send(
            screen.chosen(context, named),
            source,
            to,
            note,
            record,
            confirm=seconds,
            patient=not no_wait,
            wait=wait,
            thumbnail=not no_thumbnail,
            as_json=as_json,
        )
    )
    raise typer.Exit(status)


def _seconds(within: str | None, *, confirm: bool) -> int:
    """Return in how many seconds go has to be said; 0 when it need not be."""
    if not confirm:
        if within is not None:
            raise UsageError("--within says how long --confirm waits; give that, too")
        return 0
    return durations.seconds(within or "1d", LONGEST_CONFIRMATION)


async def _send(
    who: str | None,
    source: Path | str | Item,
    to: list[str],
    note: str,
    record: Recording | None,
    *,
    confirm: int,
    patient: bool,
    wait: bool,
    thumbnail: bool,
    as_json: bool,
) -> int:
    async with Terminal.open(who) as terminal:
        recipients = await terminal.people.meant(to, wait=patient, tell=screen.remark)
        if record is not None:
            source = await record.upload(terminal, recipients)
        elif isinstance(source, str):
            source = await alike.newest(terminal, source, else_file=True)
        name = source.name
        with shown_together() as begin:
            following = _Following(terminal, begin, to_go=confirm > 0)

            def queued(sent: list[Sent]) -> None:
                if not as_json:
                    say_new(name, sent)
                if wait:
                    following.begin(sent)

            try:
                sent = await terminal.send(
                    source,
                    *recipients,
                    note=note,
                    thumbnail=thumbnail,
                    confirm=confirm,
                    progress=begin(name),
                    queued=queued,
                )
                await tell_known(terminal, name, sent, confirm=confirm, as_json=as_json)
                last = await following.end()
            finally:
                await following.stop()
        if record is not None:
            await record.finish_abandoned(terminal)
        if confirm and not wait and not as_json:
            tell_how_to_go(sent)
    if as_json:
        told = [t.to_json() for t in last] if wait else [one.to_json() for one in sent]
        uploaded = source.uploaded if isinstance(source, Item) else False
        screen.dump(_told(name, sent, told, uploaded=uploaded))
    return max((_status(t, confirm=confirm) for t in last), default=0)


def _status(transfer: Transfer, *, confirm: int) -> int:
    if confirm and transfer.state is State.PREPARED:
        return os.EX_OK
    return transfer.exit_status


class _Following:
    """Follows what was sent, beside its upload."""

    def __init__(self, terminal: Terminal, show: Begin, *, to_go: bool) -> None:
        self._terminal = terminal
        self._to_go = to_go
        self._show = show
        self._task: asyncio.Task[list[Transfer]] | None = None

    def begin(self, sent: list[Sent]) -> None:
        """Follow these; called once."""
        self._task = asyncio.ensure_future(self._follow([one.id for one in sent]))

    async def _follow(self, ids: list[str]) -> list[Transfer]:
        with on_screen(self._show) as show:
            return await follow(
                self._terminal, ids, show, screen.remark, to_go=self._to_go
            )

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
