# SPDX-License-Identifier: GPL-3.0-only
"""``mshare accept``: let the content of offers come."""

from __future__ import annotations

from typing import Annotated

import typer

from terminal_client import screen
from terminal_client.choice import by_id, hint
from terminal_client.errors import NoInputError
from terminal_client.naming import shown
from terminal_client.offers import Waiting
from terminal_client.requests import Asking
from terminal_client.screen import JsonOption, ProfileOption
from terminal_client.terminal import Terminal

OffersArgument = Annotated[
    list[str],
    typer.Argument(
        metavar="OFFER...",
        help="Id, its first 4 or more characters, or place in `mshare offers`; or the "
        "id or number of `mshare requests`.",
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
    """Decide offers and requests, and return them.

    Of those that were accepted before it is said, and nothing has to be decided.
    """
    async with Terminal.open(who) as terminal:
        try:
            return await terminal.decide(which, accepted=accepted)
        except NoInputError as error:
            left = await _undecided(terminal, which) if accepted else which
            if len(left) == len(which):
                raise NoInputError(f"{error}{''.join(map(hint, which))}") from error
            return await terminal.decide(left, accepted=True) if left else []


async def _undecided(terminal: Terminal, which: list[str]) -> list[str]:
    """Return those that were not accepted before; the others are told."""
    known = await terminal.accepted()
    left = []
    for name in which:
        before = by_id(known, name)
        if before is None:
            left.append(name)
            continue
        what = f"{shown(before.name)} from {before.sender} ({before.id})"
        screen.remark(f"mshare: already accepted: {what}")
    return left


def show_decided(
    decided: list[Waiting | Asking], verdict: str, *, as_json: bool
) -> None:
    """Say what was decided."""
    if as_json:
        screen.dump([{**w.to_json(), "decision": verdict} for w in decided])
        return
    for one in decided:
        if isinstance(one, Asking):
            told = "has been" if verdict == "accepted" else "is not"
            who = shown(str(one.address))
            screen.say(
                f"{verdict}: {one.number} ({who}) {told} told your address ({one.id})"
            )
            continue
        offer = one.offer
        screen.say(f"{verdict}: {shown(offer.name)} from {offer.sender} ({offer.id})")
