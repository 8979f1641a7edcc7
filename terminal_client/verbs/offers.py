# SPDX-License-Identifier: GPL-3.0-only
"""``mshare offers``: what others want to send you."""

from __future__ import annotations

import typer

from maild.mail.plain import amount
from terminal_client import screen
from terminal_client.offers import Waiting
from terminal_client.screen import JsonOption, ProfileOption
from terminal_client.terminal import Terminal


def offers(
    context: typer.Context, as_json: JsonOption = False, named: ProfileOption = None
) -> None:
    """List the offers that wait for your decision.

    Nothing of them moves before you accept.
    """
    found = screen.run(_offers(screen.chosen(context, named)))
    if as_json:
        screen.dump([waiting.to_json() for waiting in found])
        return
    screen.table(
        ("place", "id", "size", "from", "until", "name", "note"),
        (
            (
                waiting.place,
                waiting.offer.id,
                amount(waiting.offer.size),
                waiting.offer.sender,
                screen.moment(waiting.expires),
                waiting.offer.name,
                waiting.offer.note,
            )
            for waiting in found
        ),
        none="no offer waits for you",
    )


async def _offers(who: str | None) -> list[Waiting]:
    async with Terminal.open(who) as terminal:
        return [waiting async for waiting in terminal.offers()]
