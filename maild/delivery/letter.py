# SPDX-License-Identifier: Apache-2.0
"""Sending one ordinary message over a session: offers, answers, mail, attachments.

What the octets need (eight bits, binary, SMTPUTF8) is compared with what the server
offers before the first of them leaves; DATA only ever carries canonical lines, so a
message cannot end early at the next hop (SMTP smuggling).
"""

from __future__ import annotations

from dataclasses import dataclass

from maild.delivery.channel import Channel
from maild.delivery.client import Session
from maild.delivery.octets import Octets
from maild.delivery.work import Tally
from maild.mail.address import Address
from maild.mail.envelope import Body, MailFrom, RcptTo
from maild.mail.reply import Reply, ReplyError
from maild.store.rope import Rope
from maild.wire import smtp
from maild.wire.smtp_content import DotStuffer, LineScan

FOREIGN_CHUNK = 4 * 1024 * 1024
"""Octets of a BDAT chunk to a server that is not ours."""
ONE_SEGMENT = 64 * 1024
"""Octets up to which a message follows its envelope without waiting (RFC 2920 §3.1)."""
UNSAID_LIMIT = 25 * 2**20
"""Octets assumed to be taken by a server that does not offer SIZE."""
FINAL_PATIENCE = 2.0
"""Idle times that the last reply may take: RFC 5321 §4.5.3.2.6 asks for 10 minutes."""

NEEDS_SMTPUTF8 = Reply(
    550, "6.7", "the addresses need SMTPUTF8, which the server does not offer"
)
NEEDS_BINARY = Reply(
    554, "6.3", "the message needs BINARYMIME, which the server does not offer"
)
NEEDS_EIGHT_BIT = Reply(
    554, "6.3", "the message needs 8BITMIME, which the server does not offer"
)


@dataclass(frozen=True, slots=True)
class Letter:
    """One message and its envelope."""

    sender: Address | None
    recipient: Address
    rope: Rope
    smtputf8: bool = False


async def send(session: Session, letter: Letter, octets: Octets, tally: Tally) -> Reply:
    """Send a letter and return the reply that takes responsibility."""
    _check_size(session, letter)
    scan = await _scanned(letter, octets)
    mail = _mail(session, letter, scan)
    chunked = "CHUNKING" in session.ehlo
    if chunked and letter.rope.size <= ONE_SEGMENT and "PIPELINING" in session.ehlo:
        return await _at_once(session.channel, mail, letter, octets, tally)
    await _envelope(session, mail, letter)
    if chunked:
        return await _chunks(session.channel, letter, octets, tally)
    return await _data(session.channel, letter, octets, tally)


async def ask(session: Session, letter: Letter, octets: Octets) -> None:
    """Ask whether the server would take a letter; no octet of it leaves."""
    _check_size(session, letter)
    mail = _mail(session, letter, await _scanned(letter, octets))
    await _envelope(session, mail, letter)


def _check_size(session: Session, letter: Letter) -> None:
    """RFC 1870 §6.1: a message that cannot be taken is not begun."""
    limit = session.ehlo.size
    if limit is None and "SIZE" not in session.ehlo:
        limit = UNSAID_LIMIT
    if limit is not None and letter.rope.size > limit:
        raise ReplyError(
            Reply(
                552,
                "3.4",
                f"the message has {letter.rope.size} octets,"
                f" but {session.stop.host} takes at most {limit}",
            )
        )


async def _scanned(letter: Letter, octets: Octets) -> LineScan:
    scan = LineScan()
    async for piece, encoded in octets.read(letter.rope, skip_encoded=True):
        if encoded:
            scan.skip()
        else:
            scan.feed(bytes(piece))
    scan.finish()
    return scan


def _mail(session: Session, letter: Letter, scan: LineScan) -> MailFrom:
    """Return the MAIL command, or raise what the server lacks."""
    ehlo = session.ehlo
    addresses = [a for a in (letter.sender, letter.recipient) if a is not None]
    smtputf8 = letter.smtputf8 or not all(a.is_ascii for a in addresses)
    if smtputf8 and "SMTPUTF8" not in ehlo:
        raise ReplyError(NEEDS_SMTPUTF8)  # RFC 6531 §3.5
    body = Body.SEVEN_BIT
    if scan.binary:
        body = Body.BINARY
        if "BINARYMIME" not in ehlo or "CHUNKING" not in ehlo:
            raise ReplyError(NEEDS_BINARY)  # RFC 3030 §3
    elif scan.eight_bit:
        body = Body.EIGHT_BIT
        if "8BITMIME" not in ehlo:
            raise ReplyError(NEEDS_EIGHT_BIT)  # RFC 6152 §3
    return MailFrom(
        letter.sender,
        size=letter.rope.size if "SIZE" in ehlo else None,
        body=body,
        smtputf8=smtputf8,
    )


async def _at_once(
    channel: Channel, mail: MailFrom, letter: Letter, octets: Octets, tally: Tally
) -> Reply:
    """Envelope and a small message in one flight; the first refusal is the outcome."""
    size = letter.rope.size
    replies = [
        (channel.command(smtp.mail_from(mail)), "after MAIL"),
        (channel.command(smtp.rcpt_to(RcptTo(letter.recipient))), "after RCPT"),
        (channel.command(smtp.bdat(size, last=True), owing=True), "after the content"),
    ]
    await octets.send(channel, letter.rope, 0, size)
    channel.paid()
    tally.sent += size
    answers = [await channel.answer(pending, doing) for pending, doing in replies]
    for answer in answers:
        _expect(answer)
    tally.landed = size
    return answers[-1]


async def _envelope(session: Session, mail: MailFrom, letter: Letter) -> None:
    channel = session.channel
    mail_line = smtp.mail_from(mail)
    rcpt_line = smtp.rcpt_to(RcptTo(letter.recipient))
    if "PIPELINING" in session.ehlo:
        first, second = channel.command(mail_line), channel.command(rcpt_line)
        answers = [
            await channel.answer(first, "after MAIL"),
            await channel.answer(second, "after RCPT"),
        ]
        for answer in answers:
            _expect(answer)
        return
    _expect(await channel.ask(mail_line, "after MAIL"))
    _expect(await channel.ask(rcpt_line, "after RCPT"))


async def _chunks(
    channel: Channel, letter: Letter, octets: Octets, tally: Tally
) -> Reply:
    """BDAT (RFC 3030 §2), one chunk ahead of its replies; never ``BDAT 0`` but LAST."""
    start, size = 0, letter.rope.size
    waiting = None
    while True:
        count = min(FOREIGN_CHUNK, size - start)
        last = start + count == size
        pending = channel.command(smtp.bdat(count, last=last), owing=True)
        await octets.send(channel, letter.rope, start, count)
        channel.paid()
        tally.sent += count
        if waiting is not None:
            _expect(await channel.answer(waiting, "after a chunk"))
            tally.landed = start
        if last:
            break
        waiting, start = pending, start + count
    reply = await channel.answer(pending, "after the content", patience=FINAL_PATIENCE)
    _expect(reply)
    tally.landed = size
    return reply


async def _data(
    channel: Channel, letter: Letter, octets: Octets, tally: Tally
) -> Reply:
    """Send by DATA (RFC 5321 §4.1.1.4), dots stuffed."""
    go_on = await channel.ask(b"DATA\r\n", "after DATA")
    if go_on.code != 354:
        _expect(go_on)
        raise ReplyError(Reply(451, "5.0", "the server answered DATA with no 354"))
    stuffer = DotStuffer()
    channel.owe()
    async for piece, _ in octets.read(letter.rope):
        await channel.write(stuffer.feed(bytes(piece)))
        tally.sent += len(piece)
    pending = channel.command(stuffer.finish())
    channel.paid()
    reply = await channel.answer(
        pending, "after the end of data", patience=FINAL_PATIENCE
    )
    _expect(reply)
    tally.landed = letter.rope.size
    return reply


def _expect(reply: Reply) -> None:
    if not reply.is_positive:
        raise ReplyError(reply)
