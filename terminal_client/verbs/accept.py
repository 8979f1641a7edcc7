# SPDX-License-Identifier: GPL-3.0-only
"""``mshare accept``: let the content of offers come."""

from __future__ import annotations

from typing import Annotated

import typer

from terminal_client import screen
from terminal_client.naming import shown
from terminal_client.offers import Waiting
from terminal_client.requests import Asking
from terminal_client.screen import JsonOption, ProfileOption
from terminal_client.terminal import Terminal

OffersArgument = Annotated[
    list[str],
    typer.Argument(
        metavar="OFFER...",
        help="Id, beginning of an id, or place in `mshare offers`; or the id or number "
        "of `mshare requests`.",
    ),
]


def accept(
    context: typer.Context,
    which: OffersArgument,
    as_json: JsonOption = False,
    named: ProfileOption = None,
) -> None:
    """Accept offers: their content begins to come.

    Of an address request: tell that number your mail address.
    """
    who = screen.chosen(context, named)
    decided = screen.run(decide(who, which, accepted=True))
    show_decided(decided, "accepted", as_json=as_json)


async def decide(
    who: str | None, which: list[str], *, accepted: bool
) -> list[Waiting | Asking]:
    """Decide offers and requests, and return them."""
    async with Terminal.open(who) as terminal:
        return await terminal.decide(which, accepted=accepted)


def show_decided(
    decided: list[Waiting | Asking], verdict: str, *, as_json: bool
) -> None:
    """Say what was decided."""
    if as_json:
        screen.dump([{**w.to_json(), "decision": verdict} for w in decided])
        return
    for one in decided:
        if isinstance(one, Asking):
            who = shown(str(one.address))
            screen.say(f"{verdict}: {one.number} ({who}) asks for your address")
            continue
        offer = one.offer
        screen.say(f"{verdict}: {shown(offer.name)} from {offer.sender} ({offer.id})")
