# SPDX-License-Identifier: GPL-3.0-only
"""``mshare rm``: delete items of the own Library."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from maild.mail.plain import amount
from terminal_client import alike, screen
from terminal_client.errors import StoppedError, UsageError
from terminal_client.library import Item
from terminal_client.naming import shown
from terminal_client.screen import JsonOption, ProfileOption
from terminal_client.terminal import Terminal


def rm(
    context: typer.Context,
    which: Annotated[
        list[str],
        typer.Argument(
            metavar="ID|NAME...",
            help="Id, its first 4 or more characters, or name in `mshare ls`.",
        ),
    ],
    yes: Annotated[
        bool,
        typer.Option("--yes", help="Do not ask; needed where nobody can be asked."),
    ] = False,
    as_json: JsonOption = False,
    named: ProfileOption = None,
) -> None:
    """Delete items of your Library, for good.

    Their older versions go, too, and what you are sending of them and is not delivered
    yet is cancelled: the recipients are told. What still arrives is given up. Files
    here, and what others have received, stay.

    All are found before the first is deleted; of several with the same name none is.
    """
    who = screen.chosen(context, named)
    if not yes and not sys.stdin.isatty():
        raise UsageError("nobody can be asked here; say --yes to delete")
    items = screen.run(_found(who, which))
    if not yes and not _agreed(items):
        screen.remark("mshare: nothing was deleted")
        return
    screen.run(_rm(who, items, as_json=as_json))


async def _found(who: str | None, which: list[str]) -> list[Item]:
    async with Terminal.open(who) as terminal:
        found = [await alike.only(terminal, name) for name in which]
    return list({item.id: item for item in found}.values())


def _agreed(items: list[Item]) -> bool:
    for item in items:
        origin = "own upload" if item.own else f"from {shown(item.sender or 'unknown')}"
        screen.remark(f"{item.id} {shown(item.name)} ({origin}, {amount(item.size)})")
    what = "it" if len(items) == 1 else f"these {len(items)}"
    try:
        return typer.confirm(f"Delete {what} for good?", err=True)
    except typer.Abort:
        raise StoppedError("interrupted; nothing was deleted") from None


async def _rm(who: str | None, items: list[Item], *, as_json: bool) -> None:
    """Delete them one by one; each is told as soon as it is done."""
    async with Terminal.open(who) as terminal:
        for item in items:
            await terminal.remove(item)
            if as_json:
                screen.event(item.to_json())
            else:
                screen.say(f"{shown(item.name)}: deleted ({item.id})")
