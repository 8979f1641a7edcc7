# SPDX-License-Identifier: GPL-3.0-only
"""What the tables of the screen say: words and numbers, no meaning in colours alone."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from maild.mail.plain import amount, short
from terminal_client.library import Item
from terminal_client.naming import shown
from terminal_client.offers import Waiting
from terminal_client.transfers import Transfer

BAR = 8
"""Characters of a bar."""
NAME = 24
"""Characters of a name in a table."""
WHO = 18
"""Characters of an address; all columns together fit 80."""

Row = tuple[str, ...]

OFFERS: Row = ("name", "size", "from", "until")
ITEMS: Row = ("name", "size", "from", "state")
TRANSFERS: Row = ("name", "to", "state", "progress")


@dataclass(frozen=True, slots=True)
class Fetching:
    """How far a download of an item is; in octets."""

    done: int = 0
    size: int = 0
    said: str = ""
    """Where it landed, or why nothing moves."""
    is_over: bool = False
    is_here: bool = False


def bar(done: int, size: int) -> str:
    """Return ``[###.....]  40 %``."""
    part = min(done, size) / size if size else 1.0
    full = int(part * BAR)
    return f"[{'#' * full}{'.' * (BAR - full)}] {int(part * 100):>3} %"


def offer(waiting: Waiting) -> Row:
    """Return the row of an offer."""
    facts = waiting.offer
    return (
        _name(facts.name),
        amount(facts.size),
        _cut(str(facts.sender), 24),
        moment(waiting.expires),
    )


def item(thing: Item, fetching: Fetching | None) -> Row:
    """Return the row of an item; ``fetching``: its download, if there is one."""
    state = ""
    if fetching is not None and not fetching.is_over:
        state = f"get {bar(fetching.done, fetching.size)}"
    elif thing.arriving:
        state = f"arriving {bar(thing.arrived or 0, thing.size)}"
    elif thing.read is not None and thing.read < thing.size and fetching is None:
        state = f"read {bar(thing.read, thing.size)}"
    elif fetching is not None:
        state = "here" if fetching.is_here else "not got"
    sender = thing.sender or "own upload"
    return (_name(thing.name), amount(thing.size), _cut(sender, WHO), state)


def transfer(sending: Transfer) -> Row:
    """Return the row of a transfer."""
    moves = sending.octets > 0 and not sending.is_final
    progress = bar(sending.octets, sending.size) if moves else ""
    to = _cut(sending.recipient, WHO)
    return (_name(sending.name), to, str(sending.state), progress)


def moment(when: datetime | None) -> str:
    """Return a time in a few characters, or ""."""
    return when.astimezone().strftime("%d %b %H:%M") if when else ""


def _name(name: str) -> str:
    return _cut(short(shown(name)), NAME)


def _cut(text: str, most: int) -> str:
    clean = shown(text)
    return clean if len(clean) <= most else f"{clean[: most - 9]}…{clean[-8:]}"
