# SPDX-License-Identifier: GPL-3.0-only
"""``mshare versions``: what an item is, and was."""

from __future__ import annotations

from typing import Annotated

import typer

from maild.mail.plain import amount
from terminal_client import alike, screen
from terminal_client.library import Item
from terminal_client.screen import JsonOption, ProfileOption
from terminal_client.terminal import Terminal


def versions(
    context: typer.Context,
    what: Annotated[
        str,
        typer.Argument(
            metavar="ID|NAME",
            help="Id, its first 4 or more characters, or name in `mshare ls`.",
        ),
    ],
    as_json: JsonOption = False,
    named: ProfileOption = None,
) -> None:
    """List the versions of an item, oldest first.

    The last one is what the item is now. Get another one with `mshare get --version`.
    """
    found = screen.run(_versions(screen.chosen(context, named), what))
    if as_json:
        screen.dump([version.to_json() for version in found])
        return
    screen.table(
        ("version", "size", "date", "from", "name"),
        (
            (
                version.version,
                amount(version.size),
                screen.moment(version.date),
                version.sender or "own",
                version.name,
            )
            for version in found
        ),
        none="there are none",
    )


async def _versions(who: str | None, what: str) -> list[Item]:
    async with Terminal.open(who) as terminal:
        return await terminal.versions(await alike.newest(terminal, what))
