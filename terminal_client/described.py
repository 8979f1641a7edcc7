# SPDX-License-Identifier: GPL-3.0-only
"""What a look into an item has shown, in words."""

from __future__ import annotations

from collections.abc import Iterable

from maild.mail.plain import amount, span
from terminal_client.browsing import Preview
from terminal_client.naming import shown


def describe(found: Preview) -> Iterable[str]:
    """Yield what is known, in a few words each."""
    item, seen = found.item, found.seen
    facts = seen.facts
    yield f"{seen.kind} ({seen.format})" if seen.format else str(seen.kind)
    yield amount(item.size)
    if item.arriving:
        yield f"{amount(item.arrived or 0)} have arrived"
    if facts.width and facts.height:
        yield f"{facts.width} x {facts.height} pixels"
    if facts.duration is not None:
        yield span(facts.duration)
    if facts.codecs:
        yield " + ".join(shown(codec) for codec in facts.codecs)
    if facts.rate:
        yield f"{facts.rate} Hz"
    if facts.channels:
        yield "1 channel" if facts.channels == 1 else f"{facts.channels} channels"
    if facts.pages:
        yield "1 page" if facts.pages == 1 else f"{facts.pages} pages"
    if facts.members is not None:
        yield "1 member" if facts.members == 1 else f"{facts.members} members"
