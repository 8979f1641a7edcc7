# SPDX-License-Identifier: GPL-3.0-only
"""``mshare ls``: what the own Library holds."""

from __future__ import annotations

import typer

from maild.mail.plain import amount
from terminal_client import screen
from terminal_client.library import Item
from terminal_client.screen import JsonOption, ProfileOption
from terminal_client.terminal import Terminal


def ls(
    context: typer.Context, as_json: JsonOption = False, named: ProfileOption = None
) -> None:
    """List your Library: own uploads and what you received."""
    items = screen.run(_items(screen.chosen(context, named)))
    if as_json:
        screen.dump([item.to_json() for item in items])
        return
    screen.table(
        ("id", "size", "date", "from", "name", "state"),
        (
            (
                item.id,
                amount(item.size),
                screen.moment(item.date),
                item.sender or "own upload",
                item.name,
                _state(item),
            )
            for item in items
        ),
        none="your Library is empty",
    )


def _state(item: Item) -> str:
    """Return how far an item has arrived, or a terminal of the account has read it."""
    if not item.arriving:
        if item.read is None or not item.size:
            return ""
        return f"{100 * item.read // item.size} % read"
    if item.arrived is None or not item.size:
        return "arriving"
    return f"arriving, {100 * item.arrived // item.size} % is there"


async def _items(who: str | None) -> list[Item]:
    async with Terminal.open(who) as terminal:
        return await terminal.items()
