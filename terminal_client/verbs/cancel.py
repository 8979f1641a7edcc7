# SPDX-License-Identifier: GPL-3.0-only
"""``mshare cancel``: take sendings back."""

from __future__ import annotations

from typing import Annotated

import typer

from maild.mail.transfer import State
from terminal_client import screen
from terminal_client.naming import shown
from terminal_client.screen import JsonOption, ProfileOption
from terminal_client.terminal import Terminal


def cancel(
    context: typer.Context,
    ids: Annotated[
        list[str],
        typer.Argument(
            metavar="ID...", help="As `mshare status` lists them; 4 characters may do."
        ),
    ],
    as_json: JsonOption = False,
    named: ProfileOption = None,
) -> None:
    """Take sendings back that are not delivered yet.

    Nothing more of them leaves, and the recipient is told.  What is delivered, declined
    or over otherwise stays as it is: an error, status 77.  With
    --json each is one line.
    """
    screen.run(_cancel(screen.chosen(context, named), ids, as_json=as_json))


async def _cancel(who: str | None, ids: list[str], *, as_json: bool) -> None:
    """Take them back one by one; each is told as soon as it is done."""
    async with Terminal.open(who) as terminal:
        for id_ in ids:
            taken = await terminal.cancel(id_)
            if as_json:
                screen.event({**taken.to_json(), "state": State.CANCELLED})
            else:
                screen.say(f"{shown(taken.name)} to {taken.recipient}: cancelled")
