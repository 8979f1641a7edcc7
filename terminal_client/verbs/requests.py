# SPDX-License-Identifier: GPL-3.0-only
"""``mshare requests``: which numbers ask for your mail address."""

from __future__ import annotations

import typer

from terminal_client import screen
from terminal_client.requests import Asking
from terminal_client.screen import JsonOption, ProfileOption
from terminal_client.terminal import Terminal


def requests(
    context: typer.Context, as_json: JsonOption = False, named: ProfileOption = None
) -> None:
    """List the numbers that ask for your mail address.

    Tell them with `mshare accept ID` (or the number), refuse with `mshare decline`.
    """
    found = screen.run(_requests(screen.chosen(context, named)))
    if as_json:
        screen.dump([asking.to_json() for asking in found])
        return
    screen.table(
        ("id", "number", "address", "until"),
        (
            (
                asking.id,
                asking.number,
                asking.address or "",
                screen.moment(asking.expires),
            )
            for asking in found
        ),
        none="nobody asks for your address",
    )


async def _requests(who: str | None) -> list[Asking]:
    async with Terminal.open(who) as terminal:
        return await terminal.requests()
