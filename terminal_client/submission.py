# SPDX-License-Identifier: GPL-3.0-only
"""What a terminal says to its own server: uploads and sending commands (seed 213).

An upload is a message to oneself whose body is the file (BDAT with BINARYMIME, RFC
3030).  A sending command names what was uploaded by its IMAP URL (BURL, RFC 4468).
"""

from __future__ import annotations

import base64
import mimetypes
import re
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass

from maild.mail.address import Address
from maild.mail.compose import Facts, ItemFacts, upload_head
from maild.mail.envelope import Body, MailFrom, RcptTo
from maild.mail.reply import Reply
from maild.wire import smtp
from maild.wire.imap_url import ImapUrl
from terminal_client import errors
from terminal_client.matching import Remembered
from terminal_client.naming import told_name
from terminal_client.reading import LocalFile
from terminal_client.session_smtp import LAST_REPLY_TIMEOUT, SubmissionConnection

CHUNK = 64 << 20
"""Octets in one BDAT chunk."""
Progress = Callable[[int, int], None]
"""Told octets done and octets in all, at least once for every piece."""

_RECEIPT = re.compile(r"(\S+) ([0-9]+) octets sha-256 ([0-9a-f]{64})")
_ID = re.compile(r"[A-Za-z0-9_-]{8,64}")


@dataclass(frozen=True, slots=True)
class Receipt:
    """What the server took responsibility for."""

    id: str
    octets: int
    sha256: str


def media_type(name: str) -> str:
    """Guess a media type by the file's name."""
    guessed, packed = mimetypes.guess_type(name)
    return "application/octet-stream" if packed or not guessed else guessed


async def upload(
    connection: SubmissionConnection,
    sender: Address,
    file: LocalFile,
    entry: Remembered,
    terminal: str,
    progress: Progress,
) -> Receipt:
    """Upload one file; raise before the server could have taken a torn one.

    When anything goes wrong within the content the connection is cut, so that the
    server has an unfinished transaction and nothing else.
    """
    for keyword in ("CHUNKING", "BINARYMIME"):
        if keyword not in connection.ehlo:
            raise errors.ProtocolError(
                f"the submission server does not offer {keyword}; is it a maild?"
            )
    head = _upload_head(sender, file, entry, terminal)
    total = len(head) + file.shape.size
    await _begin(connection, sender, total)
    try:
        reply = await _stream(connection, head, file, total, progress)
    except BaseException:
        connection.abort()
        raise
    return _receipt(reply, file)


def _upload_head(
    sender: Address, file: LocalFile, entry: Remembered, terminal: str
) -> bytes:
    name = told_name(file.path)
    item = ItemFacts(
        id="",
        name=name,
        type=media_type(name),
        size=file.shape.size,
        sha256=None,
        sender=None,
    )
    facts = Facts(
        message_id=f"{secrets.token_hex(12)}@{sender.domain}",
        now=time.time(),
        trace=secrets.token_hex(8),
    )
    return upload_head(
        item,
        number=entry.number,
        code=entry.code,
        account=sender,
        facts=facts,
        terminal=terminal,
    )


async def _begin(connection: SubmissionConnection, sender: Address, total: int) -> None:
    mail = MailFrom(
        sender=sender,
        size=total,
        body=Body.BINARY,
        smtputf8=not sender.is_ascii,
        transid=f"{secrets.token_hex(16)}@{sender.domain}"
        if "CHECKPOINT" in connection.ehlo
        else None,
    )
    own = Address(f"{sender.local}+library", sender.domain)
    for reply in await connection.commands(
        [smtp.mail_from(mail), smtp.rcpt_to(RcptTo(own))]
    ):
        if not reply.is_positive:
            await connection.command(b"RSET\r\n")
            raise errors.from_reply(reply, "upload")


async def _stream(
    connection: SubmissionConnection,
    head: bytes,
    file: LocalFile,
    total: int,
    progress: Progress,
) -> Reply:
    """Send header and file as chunks; return the reply to the last one."""
    chunks = _Chunks(connection, total)
    progress(0, file.shape.size)
    try:
        await chunks.send(head)
        async for piece in file.pieces():
            await chunks.send(piece)
            progress(chunks.sent - len(head), file.shape.size)
        return await chunks.last_reply()
    except errors.TryLaterError:
        # A server that hangs up usually said why just before.
        while connection.is_open and connection.replies_waiting():
            _must_be_positive(await connection.reply())
        raise


class _Chunks:
    """Cuts a message of known size into BDAT chunks, and watches the replies."""

    def __init__(self, connection: SubmissionConnection, total: int) -> None:
        self.sent = 0
        self._connection = connection
        self._total = total
        self._left = 0
        self._unanswered = 0

    async def send(self, octets: bytes) -> None:
        view = memoryview(octets)
        while view:
            if not self._left:
                self._left = min(CHUNK, self._total - self.sent)
                last = self.sent + self._left == self._total
                self._connection.write(smtp.bdat(self._left, last=last))
                self._unanswered += 1
            part = view[: self._left]
            await self._connection.send_octets(part)
            self.sent += len(part)
            self._left -= len(part)
            view = view[len(part) :]
        # Before the end, a reply is to an earlier chunk, or refuses this one.
        while self.sent < self._total and self._connection.replies_waiting():
            await self._take(LAST_REPLY_TIMEOUT)

    async def last_reply(self) -> Reply:
        while self._unanswered > 1:
            await self._take(LAST_REPLY_TIMEOUT)
        return await self._take(LAST_REPLY_TIMEOUT)

    async def _take(self, timeout: float) -> Reply:
        reply = await self._connection.reply(timeout)
        self._unanswered -= 1
        return _must_be_positive(reply)


def _must_be_positive(reply: Reply) -> Reply:
    if not reply.is_positive:
        raise errors.from_reply(reply, "upload")
    return reply


def _receipt(reply: Reply, file: LocalFile) -> Receipt:
    """Compare what landed with what was read: the server hashed it on its own."""
    found = _RECEIPT.match(reply.text)
    if found is None:
        raise errors.ProtocolError(
            f"the server took the file but does not say what landed: {reply}"
        )
    receipt = Receipt(found[1], int(found[2]), found[3])
    if (receipt.octets, receipt.sha256) != (file.shape.size, file.digest):
        raise errors.ContentError(
            "what landed on the server is not what was read here "
            f"({receipt.octets} octets, sha-256 {receipt.sha256}); upload it again"
        )
    return receipt


async def ask(
    connection: SubmissionConnection, sender: Address, recipients: list[Address]
) -> None:
    """Ask whether the server would send to these; raise its refusal."""
    utf8 = not all(address.is_ascii for address in (sender, *recipients))
    lines = [smtp.mail_from(MailFrom(sender=sender, smtputf8=utf8))]
    lines += [smtp.rcpt_to(RcptTo(recipient)) for recipient in recipients]
    replies = await connection.commands([*lines, b"RSET\r\n"])
    for recipient, reply in zip([sender, *recipients], replies, strict=False):
        if not reply.is_positive:
            raise errors.from_reply(reply, f"send to {recipient}")


async def send(
    connection: SubmissionConnection,
    sender: Address,
    recipient: Address,
    url: ImapUrl,
    section: str,
    note: str = "",
) -> str:
    """Command the server to send an item to one recipient; return the transfer's id."""
    utf8 = not (sender.is_ascii and recipient.is_ascii)
    mail = MailFrom(
        sender=sender, body=Body.BINARY if note else Body.SEVEN_BIT, smtputf8=utf8
    )
    lines = [smtp.mail_from(mail), smtp.rcpt_to(RcptTo(recipient))]
    if note:
        head, tail = _note_frame(sender, recipient, note)
        part = ImapUrl(
            url.user, url.host, url.mailbox, url.uid, url.uid_validity, section
        )
        # The octets of a chunk follow its command even if MAIL or RCPT was refused.
        lines += [
            smtp.bdat(len(head), last=False) + head,
            smtp.burl(str(part), last=False),
            smtp.bdat(len(tail), last=True) + tail,
        ]
    else:
        lines.append(smtp.burl(str(url), last=True))
    replies = await connection.commands(lines)
    refused = next((r for r in replies if not r.is_positive), None)
    if refused is not None:
        await connection.command(b"RSET\r\n")
        raise errors.from_reply(refused, f"send to {recipient}")
    return _transfer_id(replies[-1])


def _note_frame(sender: Address, recipient: Address, note: str) -> tuple[bytes, bytes]:
    """Return what stands before and behind the content in a message with a note."""
    boundary = f"=_{secrets.token_hex(16)}"
    text = base64.encodebytes(note.encode()).replace(b"\n", b"\r\n")
    head = (
        f"From: <{sender}>\r\nTo: <{recipient}>\r\nMIME-Version: 1.0\r\n"
        f'Content-Type: multipart/mixed; boundary="{boundary}"\r\n\r\n'
        f"--{boundary}\r\nContent-Type: text/plain; charset=utf-8\r\n"
        "Content-Transfer-Encoding: base64\r\n\r\n"
    ).encode() + text
    head += (
        f"\r\n--{boundary}\r\nContent-Type: application/octet-stream\r\n"
        "Content-Transfer-Encoding: binary\r\n"
        "Content-Disposition: attachment\r\n\r\n"
    ).encode()
    return head, f"\r\n--{boundary}--\r\n".encode()


def _transfer_id(reply: Reply) -> str:
    word = reply.text.split(" ", 1)[0]
    if not _ID.fullmatch(word):
        raise errors.ProtocolError(
            f"the server took the command but does not name a transfer: {reply}"
        )
    return word
