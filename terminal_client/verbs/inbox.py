# SPDX-License-Identifier: GPL-3.0-only
"""``mshare inbox``: the messages of INBOX."""

from __future__ import annotations

import typer

from terminal_client import screen
from terminal_client.offers import Letter
from terminal_client.screen import JsonOption, ProfileOption
from terminal_client.terminal import Terminal


def inbox(
    context: typer.Context, as_json: JsonOption = False, named: ProfileOption = None
) -> None:
    """List your messages: offers, items, and ordinary mail."""
    letters = screen.run(_letters(screen.chosen(context, named)))
    if as_json:
        screen.dump([letter.to_json() for letter in letters])
        return
    screen.table(
        ("kind", "item", "date", "from", "subject"),
        (
            (
                letter.kind if letter.seen else f"{letter.kind} (new)",
                letter.item or "",
                screen.moment(letter.date),
                letter.sender,
                letter.subject,
            )
            for letter in letters
        ),
        none="INBOX is empty",
    )


async def _letters(who: str | None) -> list[Letter]:
    async with Terminal.open(who) as terminal:
        return await terminal.inbox()
