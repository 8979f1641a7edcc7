# SPDX-License-Identifier: GPL-3.0-only
"""``mshare go``: let the content of prepared sendings leave (seed 217)."""

from __future__ import annotations

from typing import Annotated

import typer

from maild.mail.transfer import State
from terminal_client import screen
from terminal_client.following import follow, on_screen
from terminal_client.naming import shown
from terminal_client.screen import JsonOption, ProfileOption
from terminal_client.terminal import Terminal
from terminal_client.transfers import Transfer


def go(
    context: typer.Context,
    ids: Annotated[
        list[str],
        typer.Argument(
            metavar="ID...", help="As `mshare status` lists them; 4 characters may do."
        ),
    ],
    wait: Annotated[
        bool, typer.Option("--wait", help="Wait until it was delivered or failed.")
    ] = False,
    as_json: JsonOption = False,
    named: ProfileOption = None,
) -> None:
    """Let sendings go that wait for your word (`mshare send --confirm`).

    Said before one is prepared, it goes by itself once it is accepted.  With --wait
    the exit status tells how it ended: 0 sent, 77 declined, 69 failed or expired;
    without, it is that only of those that are over already.
    """
    who = screen.chosen(context, named)
    gone = screen.run(_go(who, ids, wait=wait, as_json=as_json))
    if as_json:
        screen.dump([transfer.to_json() for transfer in gone])
    over = [transfer.exit_status for transfer in gone if transfer.is_final]
    raise typer.Exit(max(over, default=0))


async def _go(
    who: str | None, ids: list[str], *, wait: bool, as_json: bool
) -> list[Transfer]:
    async with Terminal.open(who) as terminal:
        gone = await terminal.go(*ids)
        for transfer in gone if not as_json else ():
            screen.say(_said(transfer))
        if not wait:
            return gone
        with on_screen() as show:
            names = [transfer.id for transfer in gone]
            return await follow(terminal, names, show, screen.remark)


def _said(transfer: Transfer) -> str:
    """Return the line that tells what go has done."""
    line = f"{shown(transfer.name)} to {transfer.recipient}: "
    if transfer.is_final:
        return f"{line}is {transfer.state} already"
    if transfer.state in {State.QUEUED, State.OFFERED}:
        return f"{line}goes as soon as it is accepted"
    return f"{line}goes"
