# SPDX-License-Identifier: GPL-3.0-only
"""The small pictures that others have made of what they offer and hold (seed 207).

An offer has its picture beside its text; an own upload has it in a header field; a
received item has that of the offer that it came of.  All are images of strangers.
"""

from __future__ import annotations

from maild.mail import thumbnail
from terminal_client import library, mailbox, offers
from terminal_client.library import Item
from terminal_client.offers import Waiting
from terminal_client.session_imap import MailboxConnection

NEWEST = 20
"""Accepted offers that are looked at for the one that an item came of."""


async def of_offer(imap: MailboxConnection, offer: Waiting) -> bytes | None:
    """Return the picture of an offer that waits, if it has one."""
    await mailbox.open_mailbox(imap, offers.INBOX, write=True)
    return await _in_message(imap, offer.uid)


async def of_item(imap: MailboxConnection, item: Item) -> bytes | None:
    """Return the picture of an item, if there is one."""
    if not item.own:
        return await _of_received(imap, item)
    await mailbox.open_mailbox(imap, library.LIBRARY)
    wanted = mailbox.header_items(thumbnail.FIELD)
    for facts in await mailbox.fetch(imap, [item.uid], wanted):
        return thumbnail.in_field(mailbox.headers(facts).get(thumbnail.FIELD.lower()))
    return None


async def _of_received(imap: MailboxConnection, item: Item) -> bytes | None:
    """Look at the accepted offer of the same trace."""
    if item.trace is None:
        return None
    uids = await mailbox.open_and_search(
        imap, offers.ACCEPTED, ["HEADER", "Maild-Trace", item.trace]
    )
    for uid in uids[-NEWEST:]:
        found = await _in_message(imap, uid)
        if found is not None:
            return found
    return None


async def _in_message(imap: MailboxConnection, uid: int) -> bytes | None:
    for facts in await mailbox.fetch(imap, [uid], "BODYSTRUCTURE"):
        for part in mailbox.leaves(facts.get("BODYSTRUCTURE")):
            if part.type not in ("image/jpeg", "image/png"):
                continue
            if part.octets > 2 * thumbnail.MOST_OCTETS:
                continue
            octets = await library.section(imap, uid, part.section)
            return octets if thumbnail.is_one(octets) else None
    return None
