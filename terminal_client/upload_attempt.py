# SPDX-License-Identifier: GPL-3.0-only
"""One attempt at an upload: a message to oneself whose body is the file.

BDAT with BINARYMIME (RFC 3030); CHECKPOINT (RFC 1845) tells where to go on.
"""

from __future__ import annotations

import mimetypes
import re
import secrets
import time
from contextlib import aclosing
from dataclasses import dataclass
from typing import Protocol

from maild.mail.address import Address
from maild.mail.compose import Facts, ItemFacts, upload_head
from maild.mail.envelope import Body, MailFrom, RcptTo
from maild.mail.reply import Reply
from maild.wire import smtp
from maild.wire.smtp_reply import ReplyFormatError, transaction_offset
from terminal_client import errors, thumbnail
from terminal_client.attempts import Progress
from terminal_client.chunks import Chunks
from terminal_client.journal import Begun
from terminal_client.matching import Remembered
from terminal_client.naming import told_name
from terminal_client.reading import LocalFile
from terminal_client.session_smtp import SubmissionConnection

_RECEIPT = re.compile(r"(\S+) ([0-9]+) octets sha-256 ([0-9a-f]{64})")


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


class Source(Protocol):
    """What is uploaded."""

    digest: str
    """SHA-256 of all of it in hex, once it has been read."""


def begin(
    sender: Address,
    file: LocalFile,
    entry: Remembered,
    terminal: str,
    *,
    picture: bool = True,
) -> Begun:
    """Compose what every attempt at one upload says alike; draws its ``picture``."""
    name = told_name(file.path)
    drawn = thumbnail.make(file.file, media_type(name)) if picture else None
    return compose(sender, name, file.shape.size, entry, terminal, drawn)


def compose(
    sender: Address,
    name: str,
    size: int | None,
    entry: Remembered,
    terminal: str,
    picture: bytes | None = None,
) -> Begun:
    """Compose the same for a ``name``; ``size`` is None while nobody knows it."""
    item = ItemFacts(
        id="",
        name=name,
        type=media_type(name),
        size=size,
        sha256=None,
        sender=None,
    )
    facts = Facts(
        message_id=f"{secrets.token_hex(12)}@{sender.domain}",
        now=time.time(),
        trace=secrets.token_hex(8),
    )
    head = upload_head(
        item,
        number=entry.number,
        code=entry.code,
        account=sender,
        facts=facts,
        terminal=terminal,
        picture=picture,
    )
    transid = f"{secrets.token_hex(16)}@{sender.domain}"
    return Begun(entry, transid, head, tried=False, is_live=size is None)


async def upload(
    connection: SubmissionConnection,
    sender: Address,
    file: LocalFile,
    begun: Begun,
    progress: Progress,
) -> Receipt:
    """Upload what the server lacks of a file; raise before it could take a torn one.

    When anything goes wrong within the content the connection is cut, so that the
    server has an unfinished transaction and nothing else.  `RestartError`: the server
    cannot go on with this upload, only begin another one.
    """
    attempt = _Attempt(connection, file, begun)
    await attempt.open(sender)
    try:
        reply = await attempt.stream(progress)
    except BaseException:
        connection.abort()
        raise
    return attempt.receipt(reply)


async def give_up(
    connection: SubmissionConnection, sender: Address, begun: Begun
) -> None:
    """Have the server discard what it has of an upload that nobody will go on with."""
    if "CHECKPOINT" in connection.ehlo:
        mail = _mail(sender, begun, can_restart=True)
        reply = await connection.command(smtp.mail_from(mail))
        await _must_go_on(connection, reply)
        await connection.command(b"RSET\r\n")


def _mail(sender: Address, begun: Begun, *, can_restart: bool) -> MailFrom:
    return MailFrom(
        sender=sender,
        size=begun.size,
        body=Body.BINARY,
        smtputf8=not sender.is_ascii,
        transid=begun.transid if can_restart else None,
    )


def _is_over(reply: Reply) -> bool:
    """Whether a refusal is of what was uploaded itself, not of its way.

    Its owner has removed it while it arrived: it must not come back by itself.
    """
    return reply.is_permanent and reply.detail == "6.0"  # RFC 3463 §3.7


async def _must_go_on(connection: SubmissionConnection, reply: Reply) -> None:
    """Raise what a refusal of a known upload means."""
    if reply.is_positive or reply.code == 355:
        return
    await connection.command(b"RSET\r\n")
    if _is_over(reply):
        raise errors.from_reply(reply, "go on with the upload")
    if reply.is_permanent:
        raise errors.RestartError(f"the server said {reply}")
    # It may not have noticed yet that the connection before this one is gone.
    raise errors.CutError(str(errors.from_reply(reply, "go on with the upload")))


class Attempt:
    """One transaction of an upload, from an offset of the message on.

    ``size``: octets of what is uploaded, as far as anybody knows.
    """

    def __init__(
        self,
        connection: SubmissionConnection,
        source: Source,
        begun: Begun,
        size: int = smtp.MAX_OCTETS,
    ) -> None:
        self._connection = connection
        self._source = source
        self._begun = begun
        self._size = size
        self._total = begun.size or smtp.MAX_OCTETS
        """Octets of the message, at most."""
        self._offset = 0
        self._chunks = Chunks(connection, self.must_be_positive, self._total)

    async def open(self, sender: Address) -> None:
        """MAIL and RCPT; or MAIL alone, when it may be answered by an offset."""
        for keyword in ("CHUNKING", "BINARYMIME"):
            if keyword not in self._connection.ehlo:
                raise errors.ProtocolError(
                    f"the submission server does not offer {keyword}; is it a maild?"
                )
        can_restart = "CHECKPOINT" in self._connection.ehlo
        mail = _mail(sender, self._begun, can_restart=can_restart)
        own = RcptTo(Address(f"{sender.local}+library", sender.domain))
        lines = [smtp.mail_from(mail), smtp.rcpt_to(own)]
        if can_restart and self._begun.tried:
            reply = await self._connection.command(lines.pop(0))
            if reply.code == 355:  # RFC 1845 §3: envelope and octets are kept
                await self._go_on_at(reply)
                return
            await _must_go_on(self._connection, reply)
        self._begun.tried = True
        for reply in await self._connection.commands(lines):
            if not reply.is_positive:
                await self._connection.command(b"RSET\r\n")
                raise errors.from_reply(reply, "upload")

    async def _go_on_at(self, reply: Reply) -> None:
        try:
            self._offset = transaction_offset(reply)
        except ReplyFormatError:
            self._offset = self._total + 1
        if self._offset > self._total:
            await self._connection.command(b"RSET\r\n")
            raise errors.RestartError(f"the server said {reply}, which is no place")
        self._chunks.begin_at(self._offset)

    async def last_words(self) -> None:
        """Raise what a server that hung up has said just before, if it did."""
        connection = self._connection
        while connection.is_open and connection.replies_waiting():
            self.must_be_positive(await connection.reply())

    def must_be_positive(self, reply: Reply) -> Reply:
        """Return a positive reply; raise what another one means."""
        if reply.is_permanent and self._offset and not _is_over(reply):
            raise errors.RestartError(f"the server said {reply}")
        if not reply.is_positive:
            raise errors.from_reply(reply, "upload")
        return reply

    def receipt(self, reply: Reply) -> Receipt:
        """Compare what landed with what was read: the server hashed it on its own."""
        found = _RECEIPT.match(reply.text)
        if found is None:
            raise errors.ProtocolError(
                f"the server took the file but does not say what landed: {reply}"
            )
        receipt = Receipt(found[1], int(found[2]), found[3])
        if (receipt.octets, receipt.sha256) != (self._size, self._source.digest):
            kind = errors.RestartError if self._offset else errors.ContentError
            raise kind(
                "what landed on the server is not what was read here "
                f"({receipt.octets} octets, sha-256 {receipt.sha256}); upload it again"
            )
        return receipt


class _Attempt(Attempt):
    """One at uploading a file of known size."""

    def __init__(
        self, connection: SubmissionConnection, file: LocalFile, begun: Begun
    ) -> None:
        super().__init__(connection, file, begun, file.shape.size)
        self._file = file

    async def stream(self, progress: Progress) -> Reply:
        """Send the rest as chunks; return the reply to the last one.

        ``progress`` is told what the server has acknowledged.
        """
        head = self._begun.head
        start = max(0, self._offset - len(head))

        def landed(octets: int) -> None:
            progress(max(0, octets - len(head)), self._size)

        landed(self._offset)
        try:
            await self._chunks.send(head[self._offset :], landed)
            async with aclosing(self._file.pieces(start)) as pieces:
                async for piece in pieces:
                    await self._chunks.send(piece, landed)
            return await self._chunks.last_reply(landed)
        except errors.CutError:
            await self.last_words()
            raise
