# SPDX-License-Identifier: GPL-3.0-only
"""``mshare attend``: stay, and say what wants a decision as soon as it comes."""

from __future__ import annotations

from typing import Any

import typer

from maild.mail.plain import amount
from terminal_client import screen
from terminal_client.attending import News
from terminal_client.naming import shown
from terminal_client.offers import Waiting
from terminal_client.requests import Asking
from terminal_client.screen import JsonOption, ProfileOption
from terminal_client.terminal import Terminal


def attend(
    context: typer.Context, as_json: JsonOption = False, named: ProfileOption = None
) -> None:
    """Stay connected, and say what comes.

    That is offers, and numbers that ask for your mail address. Whom the rendezvous has
    told your address meanwhile, or you theirs, is remembered: sending back asks
    nothing. With --json one line for each. Ctrl-C ends it, with status 0.
    """
    screen.watch(_attend(screen.chosen(context, named), as_json=as_json))


async def _attend(who: str | None, *, as_json: bool) -> None:
    async with Terminal.open(who) as terminal:
        async for news in terminal.attend(tell=screen.remark):
            if as_json:
                screen.event(_facts(news))
            else:
                screen.say(_line(news))


def _facts(news: News) -> dict[str, Any]:
    match news:
        case Waiting():
            return {"news": "offer", **news.to_json()}
        case Asking():
            return {"news": "request", **news.to_json()}
        case _:
            return {"news": "contact", **news.to_json()}


def _line(news: News) -> str:
    match news:
        case Waiting(offer=offer):
            size = amount(offer.size)
            return (
                f"{shown(str(offer.sender))} offers {shown(offer.name)} ({size}): "
                f"mshare accept {offer.id}"
            )
        case Asking():
            who = f"{news.number} ({shown(str(news.address))})"
            return f"{who} asks for your mail address: mshare accept {news.id}"
        case _:
            return f"{news.number} is {shown(str(news.address))}"
