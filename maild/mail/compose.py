# SPDX-License-Identifier: Apache-2.0
"""The messages we write ourselves, with the structure known while writing.

Line ends are CRLF, lines at most 78 octets where the field allows; header texts are
encoded (RFC 2047, RFC 2231) so that no foreign text can add a line (CWE-93).
"""

from __future__ import annotations

from dataclasses import dataclass

from maild.mail.address import Address
from maild.mail.offer import Answer, Offer
from maild.mail.reply import Reply
from maild.mail.structure import Structure


@dataclass(frozen=True, slots=True)
class Composed:
    """A small message, whole, and its structure."""

    octets: bytes
    structure: Structure


@dataclass(frozen=True, slots=True)
class Facts:
    """What every composed message needs and cannot know; ``now`` in Unix seconds."""

    message_id: str
    """Left and right side without the angle brackets."""
    now: float
    trace: str


@dataclass(frozen=True, slots=True)
class ItemFacts:
    """An item as its messages describe it; ``size`` in octets."""

    id: str
    name: str
    type: str
    size: int
    sha256: str | None
    sender: Address | None
    """Who sent it; None for an own upload."""
    note: str = ""


def offer_message(offer: Offer, facts: Facts, thumbnail: bytes | None) -> Composed:
    """Return the offer (seed 207): text, HTML with cid: thumbnail, JSON facts.

    multipart/mixed of multipart/alternative(text/plain, multipart/related(text/html,
    image/jpeg)) and application/vnd.maild+json; under 64 KiB.  ``thumbnail`` is JPEG,
    at most 10 KiB; without one there is no multipart/related.
    """
    raise NotImplementedError


def answer_message(answer: Answer, facts: Facts) -> Composed:
    """Return the answer to an offer (seed 209): text and JSON facts."""
    raise NotImplementedError


def item_stub(item: ItemFacts, account: Address, facts: Facts) -> Composed:
    """Return the small message that stands for an item in Items or INBOX.

    Its text says how to get the content (the mailbox Library, ``mshare get``) and how
    to send it on (copy into ``Share/<address>``).  Header ``Share-Item: <id>``.
    """
    raise NotImplementedError


@dataclass(frozen=True, slots=True)
class TransferFacts:
    """A transfer as its message in Transfers shows it (octets)."""

    id: str
    state: str
    recipient: Address
    name: str
    size: int
    octets: int
    reason: str
    """Last status and reply, or ""."""


def transfer_view(
    transfer: TransferFacts, account: Address, facts: Facts
) -> Composed:
    """Return the message that shows a transfer in Transfers: state in Subject."""
    raise NotImplementedError


def failure_notice(
    transfer: TransferFacts,
    account: Address,
    hostname: str,
    reply: Reply,
    facts: Facts,
    *,
    delayed: bool = False,
) -> Composed:
    """Return the delivery status notification for a sender (RFC 3464, RFC 3461 §6.3).

    multipart/report of text/plain, message/delivery-status and text/rfc822-headers.
    """
    raise NotImplementedError


def upload_head(item: ItemFacts, *, number: str, code: str, account: Address,
                facts: Facts, terminal: str) -> bytes:
    """Return the header block of an upload (2-PROTOCOL 2.3), with its empty line.

    One part, ``Content-Type: application/octet-stream``, ``Content-Transfer-Encoding:
    binary``, ``Content-Disposition: attachment; filename*=..; size=n``, ``Share-Number``,
    ``Share-Code``, ``Share-Terminal``, ``Share-Type`` (the real media type).
    """
    raise NotImplementedError


def push_frame(
    item: ItemFacts, boundary: str, facts: Facts
) -> tuple[bytes, bytes]:
    """Return (head, tail) around the raw octets of a push (BINARYMIME, RFC 3030 §3).

    multipart/mixed: text/plain, the content (binary, with ``size=``), and a part of
    fixed length, application/vnd.maild+json, holding the SHA-256.  No recipient is
    named.  The tail contains 64 zeros when ``item.sha256`` is None: `with_digest`.
    """
    raise NotImplementedError


def with_digest(tail: bytes, sha256: str) -> bytes:
    """Return ``tail`` with its zeros replaced; the length does not change."""
    raise NotImplementedError
