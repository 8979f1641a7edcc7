# SPDX-License-Identifier: GPL-3.0-only
"""``mshare cancel``: take sendings back."""

from __future__ import annotations

from typing import Annotated

import typer

from terminal_client import screen
from terminal_client.naming import shown
from terminal_client.screen import JsonOption, ProfileOption
from terminal_client.terminal import Terminal
from terminal_client.transfers import Transfer


def cancel(
    context: typer.Context,
    ids: Annotated[
        list[str],
        typer.Argument(metavar="ID...", help="As `mshare status` lists them."),
    ],
    as_json: JsonOption = False,
    named: ProfileOption = None,
) -> None:
    """Take sendings back that are not delivered yet.

    Nothing more of them leaves, and the recipient is told.  What is delivered, declined
    or over otherwise stays as it is: an error, status 77.
    """
    taken = screen.run(_cancel(screen.chosen(context, named), ids))
    if as_json:
        screen.dump(
            [{**transfer.to_json(), "state": "cancelled"} for transfer in taken]
        )
        return
    for transfer in taken:
        screen.say(f"{shown(transfer.name)} to {transfer.recipient}: cancelled")


async def _cancel(who: str | None, ids: list[str]) -> list[Transfer]:
    async with Terminal.open(who) as terminal:
        return [await terminal.cancel(id_) for id_ in ids]
