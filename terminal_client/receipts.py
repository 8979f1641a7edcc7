# SPDX-License-Identifier: GPL-3.0-only
"""Telling the sender of an item that it was downloaded; only a person decides that."""

from __future__ import annotations

import secrets
import time

from maild.mail.address import Address, AddressError, parse_address
from maild.mail.envelope import Body, MailFrom, RcptTo
from maild.mail.letter import Facts, ItemFacts
from maild.mail.receipt import receipt_message
from maild.wire import smtp
from terminal_client import errors, offers
from terminal_client.connections import Connections
from terminal_client.library import Item
from terminal_client.naming import shown
from terminal_client.session_imap import MailboxConnection
from terminal_client.session_smtp import SubmissionConnection


async def tell_sender(connections: Connections, reader: Address, item: Item) -> Address:
    """Let the sender of an item know that it was downloaded; return who that is."""
    async with connections.imap() as imap:
        sender = await _sender_of(imap, item)
    async with connections.smtp() as submission:
        await _tell(submission, reader, sender, item)
    return sender


async def _sender_of(imap: MailboxConnection, item: Item) -> Address:
    """Return whom to tell: who made the offer that was accepted, else who wrote it.

    What stands in a message is somebody's word; the offer's sender has been proven to
    receive mail, for the answer went there.
    """
    for offer in reversed(await offers.accepted(imap) if not item.own else []):
        if item.trace is not None and offer.trace == item.trace:
            return offer.sender
    try:
        return parse_address(item.sender or "")
    except AddressError:
        raise errors.UsageError(
            f"{shown(item.name)} has no sender who could be told"
        ) from None


async def _tell(
    connection: SubmissionConnection, reader: Address, sender: Address, item: Item
) -> None:
    """Send the receipt; raise the server's refusal."""
    facts = Facts(
        f"{secrets.token_hex(16)}@{reader.domain}",
        time.time(),
        item.trace or secrets.token_hex(8),
    )
    about = ItemFacts(item.id, item.name, item.type, item.size, item.sha256, sender)
    octets = receipt_message(about, reader, facts).octets
    utf8 = not (sender.is_ascii and reader.is_ascii)
    mail = MailFrom(sender=reader, body=Body.SEVEN_BIT, smtputf8=utf8)
    lines = [
        smtp.mail_from(mail),
        smtp.rcpt_to(RcptTo(sender)),
        smtp.bdat(len(octets), last=True) + octets,
    ]
    replies = await connection.commands(lines)
    refused = next((reply for reply in replies if not reply.is_positive), None)
    if refused is not None:
        await connection.command(b"RSET\r\n")
        raise errors.from_reply(refused, f"tell {sender}")
