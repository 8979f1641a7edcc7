# SPDX-License-Identifier: GPL-3.0-only
"""What is told below the tables about the line that is chosen."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from rich.text import Text

from maild.mail.plain import amount, span
from terminal_client.browsing import Preview
from terminal_client.described import describe
from terminal_client.library import Item
from terminal_client.naming import shown
from terminal_client.offers import Waiting
from terminal_client.transfers import Transfer
from terminal_client.tui.rows import Fetching, moment

MOST = 300
"""Lines of a preview."""


def offer(waiting: Waiting) -> str:
    """Return what is known of an offer."""
    facts = waiting.offer
    lines = [
        shown(facts.name),
        f"{amount(facts.size)}, {shown(facts.type)}",
        f"from {shown(str(facts.sender))}, open until {moment(waiting.expires)}",
    ]
    if facts.note:
        lines.append(f'"{shown(facts.note)}"')
    return "\n".join([*lines, "a accepts, d declines"])


def item(thing: Item, fetching: Fetching | None) -> str:
    """Return what is known of an item."""
    origin = f"from {shown(thing.sender)}" if thing.sender else "own upload"
    lines = [
        shown(thing.name),
        f"{amount(thing.size)}, {shown(thing.type)}",
        f"{origin}, {moment(thing.date)}, id {thing.id}",
    ]
    if fetching is not None and fetching.said:
        lines.append(shown(fetching.said))
    return "\n".join([*lines, "g gets it, p looks into it"])


def transfer(sending: Transfer) -> str:
    """Return what is known of a transfer."""
    lines = [
        shown(sending.name),
        f"to {shown(sending.recipient)}: {sending.state}, id {sending.id}",
        f"{amount(sending.octets)} of {amount(sending.size)} acknowledged",
    ]
    if sending.rate and not sending.is_final:
        left = span((sending.size - sending.octets) / sending.rate)
        lines.append(f"{amount(sending.rate)}/s, {left} to go")
    if sending.reason:
        lines.append(shown(sending.reason))
    return "\n".join(lines if sending.is_final else [*lines, "x cancels it"])


def preview(found: Preview) -> Text:
    """Return what a look has shown."""
    lines = [shown(found.item.name), ", ".join(describe(found)), ""]
    lines += islice(_inside(found), MOST)
    lines += ["", *(shown(remark) for remark in found.seen.remarks)]
    return Text("\n".join(lines).rstrip())


def _inside(found: Preview) -> Iterator[str]:
    for entry in found.seen.entries:
        size = "" if entry.is_directory else amount(entry.size)
        yield f"{size:>11}  {shown(entry.name)}"
    yield from found.seen.text
