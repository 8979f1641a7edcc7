# SPDX-License-Identifier: GPL-3.0-only
"""Sending commands to one's own server (seed 213).

A sending command names what was uploaded by its IMAP URL (BURL, RFC 4468).
"""

from __future__ import annotations

import base64
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from maild.mail.address import Address
from maild.mail.envelope import Body, MailFrom, RcptTo
from maild.mail.reply import Reply
from maild.wire import smtp
from maild.wire.imap_url import ImapUrl
from terminal_client import errors
from terminal_client.session_smtp import SubmissionConnection

_ID = re.compile(r"[A-Za-z0-9_-]{8,64}")
_BEFORE = ", sent before"
"""Ends the reply to a command that has changed nothing (docs/protocol.md)."""


@dataclass(frozen=True, slots=True)
class Sent:
    """One sending command that the server took (seed 213)."""

    id: str
    """Of the transfer, as `Terminal.transfers` knows it."""
    recipient: Address
    uploaded: bool = False
    """Whether the file had to be uploaded for it."""
    before: bool = False
    """Whether an earlier command had sent it already: this one has changed nothing."""

    def to_json(self) -> dict[str, Any]:
        """Return what ``mshare send --json`` prints."""
        to = str(self.recipient)
        return {"id": self.id, "recipient": to, "before": self.before}


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
    fields: Sequence[tuple[str, str]] = (),
) -> Sent:
    """Command the server to send an item to one recipient.

    ``fields`` are header fields that tell the server more (docs/protocol.md).
    """
    utf8 = not (sender.is_ascii and recipient.is_ascii)
    framed = bool(note or fields)
    mail = MailFrom(
        sender=sender, body=Body.BINARY if framed else Body.SEVEN_BIT, smtputf8=utf8
    )
    lines = [smtp.mail_from(mail), smtp.rcpt_to(RcptTo(recipient))]
    if framed:
        head, tail = _frame(sender, recipient, note, fields)
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
        raise _refusal(refused, recipient)
    id_, before = _transfer_id(replies[-1]), replies[-1].text.endswith(_BEFORE)
    return Sent(id_, recipient, before=before)


def _refusal(reply: Reply, recipient: Address) -> errors.TerminalError:
    if (reply.code, reply.detail) == (554, "5.1"):
        return errors.UnavailableError(
            f"could not send to {recipient}: it is being sent already, without waiting "
            "for go; `mshare cancel` takes that back (`mshare status` shows it), then "
            "send it again"
        )
    return errors.from_reply(reply, f"send to {recipient}")


def _frame(
    sender: Address, recipient: Address, note: str, fields: Sequence[tuple[str, str]]
) -> tuple[bytes, bytes]:
    """Return what stands before and behind the content in a message that says more."""
    boundary = f"=_{secrets.token_hex(16)}"
    text = base64.encodebytes(note.encode()).replace(b"\n", b"\r\n")
    said = "".join(f"{name}: {value}\r\n" for name, value in fields)
    head = (
        f"From: <{sender}>\r\nTo: <{recipient}>\r\n{said}MIME-Version: 1.0\r\n"
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
