# SPDX-License-Identifier: Apache-2.0
"""The messages we write ourselves, with the structure known while writing.

Line ends are CRLF, lines at most 78 octets where the field allows; header texts are
encoded (RFC 2047, RFC 2231) so that no foreign text can add a line (CWE-93).
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace

from maild.mail import build, plain
from maild.mail.address import Address
from maild.mail.build import Composed as Composed
from maild.mail.header import (
    address_field,
    bare_id,
    date_field,
    field,
    file_name,
    message_id_field,
    parameter_field,
    printable,
)
from maild.mail.offer import MAX_JSON, MEDIA_TYPE, VERSION, Answer, Offer
from maild.mail.reply import Reply

MAX_THUMBNAIL = 10 * 1024
"""Octets of a thumbnail; a larger one is left out."""
NO_DIGEST = "0" * 64
"""What the tail of a push holds until the SHA-256 is known."""


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
    offer = _fitting(offer)
    if thumbnail is not None and not _is_small_jpeg(thumbnail):
        thumbnail = None
    image = f"thumbnail.{bare_id(facts.message_id)}" if thumbnail else None
    shown: build.Leaf | build.Multi = build.text_leaf(
        plain.offer_html(offer, image), "text/html"
    )
    if thumbnail:
        picture = build.data_leaf(
            "image/jpeg", thumbnail, content_id=f"<{image}>", disposition="inline"
        )
        shown = build.Multi("related", (shown, picture), (("type", "text/html"),))
    said = build.Multi("alternative", (build.text_leaf(plain.offer_text(offer)), shown))
    fields = [
        *_head(offer.sender, offer.recipient, facts),
        field(
            "Subject",
            f"{offer.sender} offers you {plain.short(offer.name)}"
            f" ({plain.amount(offer.size)})",
        ),
        field("Auto-Submitted", "auto-generated"),
    ]
    root = build.Multi("mixed", (said, build.facts_leaf(MEDIA_TYPE, offer.to_json())))
    return build.write(fields, root, facts.message_id)


def _fitting(offer: Offer) -> Offer:
    """Return ``offer`` with as much of its note as a facts part can hold."""
    while len(offer.to_json()) > MAX_JSON - 100 and offer.note:  # CRLF adds octets
        offer = replace(offer, note=offer.note[: len(offer.note) * 3 // 4])
    return offer


def _is_small_jpeg(octets: bytes) -> bool:
    return len(octets) <= MAX_THUMBNAIL and octets.startswith(b"\xff\xd8\xff")


def _head(sender: Address, to: Address | None, facts: Facts) -> list[bytes]:
    """Return the fields every message of ours begins with."""
    return [
        date_field(facts.now),
        address_field("From", sender),
        *([address_field("To", to)] if to else []),
        message_id_field(facts.message_id),
        field("Maild-Trace", facts.trace),
    ]


def answer_message(answer: Answer, facts: Facts) -> Composed:
    """Return the answer to an offer (seed 209): text and JSON facts."""
    verdict = "Accepted" if answer.accepted else "Declined"
    fields = [
        *_head(answer.recipient, answer.sender, facts),
        field("Subject", f"{verdict}: offer {answer.offer_id}"),
        field("Auto-Submitted", "auto-replied"),
    ]
    said = build.text_leaf(plain.answer_text(answer))
    root = build.Multi("mixed", (said, build.facts_leaf(MEDIA_TYPE, answer.to_json())))
    return build.write(fields, root, facts.message_id)


def item_stub(item: ItemFacts, account: Address, facts: Facts) -> Composed:
    """Return the small message that stands for an item in Items or INBOX.

    Its text says how to get the content (the mailbox Library, ``mshare get``) and how
    to send it on (copy into ``Share/<address>``).  Header ``Share-Item: <id>``.
    """
    name = plain.short(item.name)
    fields = [
        *_head(item.sender or account, account, facts),
        field("Subject", f"{name} ({plain.amount(item.size)})"),
        field("Share-Item", item.id),
        field("Share-Type", plain.media_type(item.type)),
        field("Auto-Submitted", "auto-generated"),
    ]
    text = build.text_leaf(plain.stub_text(item_line(item), item.id, item.note))
    return build.write(fields, text, facts.message_id)


def item_line(item: ItemFacts) -> str:
    """Return an item's description for people, several lines."""
    origin = f"from {item.sender}" if item.sender else "uploaded by you"
    digest = f"\n    sha-256 {item.sha256}" if item.sha256 else ""
    return (
        f"    {printable(item.name) or 'unnamed'}\n"
        f"    {plain.amount(item.size)} ({item.size} octets),"
        f" {plain.media_type(item.type)}, {origin}{digest}"
    )


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


def transfer_view(transfer: TransferFacts, account: Address, facts: Facts) -> Composed:
    """Return the message that shows a transfer in Transfers: state in Subject."""
    name = plain.short(transfer.name)
    state = transfer.state.capitalize()
    if transfer.state == "transferring" and transfer.size:
        state += f" {min(100 * transfer.octets // transfer.size, 100)} %"
    fields = [
        *_head(account, transfer.recipient, facts),
        field("Subject", f"{state}: {name} to {transfer.recipient}"),
        field("Share-Transfer", transfer.id),
        field("Auto-Submitted", "auto-generated"),
    ]
    text = build.text_leaf(
        plain.transfer_text(_transfer_line(transfer), transfer.reason)
    )
    return build.write(fields, text, facts.message_id)


def _transfer_line(transfer: TransferFacts) -> str:
    return (
        f"    {printable(transfer.name) or 'unnamed'}\n"
        f"    to {transfer.recipient}\n"
        f"    {transfer.state}, {transfer.octets} of {transfer.size} octets"
    )


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
    system = Address("mailer-daemon", hostname)
    what = "Delayed" if delayed else "Not delivered"
    name = plain.short(transfer.name)
    fields = [
        date_field(facts.now),
        address_field("From", system, "Mail Delivery System"),
        address_field("To", account),
        message_id_field(facts.message_id),
        field("Maild-Trace", facts.trace),
        field("Subject", f"{what}: {name} to {transfer.recipient}"),
        field("Auto-Submitted", "auto-replied"),
    ]
    said = plain.notice_text(_transfer_line(transfer), str(reply), delayed=delayed)
    report = build.Leaf(
        "message/delivery-status", _status(transfer, hostname, reply, facts, delayed)
    )
    original = [
        address_field("From", account),
        address_field("To", transfer.recipient),
        field("Subject", transfer.name),
        field("Maild-Trace", facts.trace),
        field("Share-Transfer", transfer.id),
    ]
    root = build.Multi(
        "report",
        (
            build.text_leaf(said),
            replace(report, decoded_size=len(report.octets)),
            build.Leaf(
                "text/rfc822-headers",
                b"".join(original),
                decoded_size=len(b"".join(original)),
            ),
        ),
        (("report-type", "delivery-status"),),
    )
    return build.write(fields, root, facts.message_id)


def _status(
    transfer: TransferFacts, hostname: str, reply: Reply, facts: Facts, delayed: bool
) -> bytes:
    """Return the machine's part of a notice (RFC 3464 §2)."""
    recipient, kind = str(transfer.recipient), "rfc822"
    if not recipient.isascii():  # RFC 6533 §3: utf-8-addr-xtext
        kind = "utf-8"
        recipient = "".join(
            c if "!" <= c <= "~" and c not in "+=\\" else f"\\x{{{ord(c):X}}}"
            for c in recipient
        )
    status = reply.status or f"{reply.code // 100}.0.0"
    return b"".join(
        [
            field("Reporting-MTA", f"dns; {hostname}"),
            b"\r\n",
            f"Final-Recipient: {kind}; {recipient}\r\n".encode(),
            field("Action", "delayed" if delayed else "failed"),
            field("Status", status),
            field("Diagnostic-Code", f"smtp; {_one_line(str(reply))}"),
            date_field(facts.now, "Last-Attempt-Date"),
        ]
    )


def _one_line(text: str) -> str:
    """Return foreign text as plain ASCII words: a status field cannot be encoded."""
    ascii_only = re.sub(r"[^!-~]+", " ", text).replace("=?", "= ?")
    return " ".join(word[:64] for word in ascii_only.split(" ") if word)[:900]


def upload_head(
    item: ItemFacts,
    *,
    number: str,
    code: str,
    account: Address,
    facts: Facts,
    terminal: str,
) -> bytes:
    """Return the header block of an upload (2-PROTOCOL 2.3), with its empty line.

    One part, ``Content-Type: application/octet-stream``, ``Content-Transfer-Encoding:
    binary``, ``Content-Disposition: attachment; filename*=..; size=n``,
    ``Share-Number``, ``Share-Code``, ``Share-Terminal``, ``Share-Type`` (the real
    media type).
    """
    kept = [
        ("Share-Number", number),
        ("Share-Code", code),
        ("Share-Terminal", terminal),
    ]
    fields = [
        *_head(account, account, facts),
        field("Subject", item.name),
        *(field(name, value) for name, value in kept if value),
        field("Share-Type", plain.media_type(item.type)),
        b"MIME-Version: 1.0\r\n",
        *_content_fields(item, "application/octet-stream"),
    ]
    return b"".join(fields) + b"\r\n"


def _content_fields(item: ItemFacts, media_type: str) -> list[bytes]:
    return [
        parameter_field("Content-Type", media_type, ()),
        b"Content-Transfer-Encoding: binary\r\n",
        parameter_field(
            "Content-Disposition",
            "attachment",
            (("filename", file_name(item.name)), ("size", str(item.size))),
        ),
    ]


def push_frame(item: ItemFacts, boundary: str, facts: Facts) -> tuple[bytes, bytes]:
    """Return (head, tail) around the raw octets of a push (BINARYMIME, RFC 3030 §3).

    multipart/mixed: text/plain, the content (binary, with ``size=``), and a part of
    fixed length, application/vnd.maild+json, holding the SHA-256.  No recipient is
    named.  The tail contains 64 zeros when ``item.sha256`` is None: `with_digest`.
    """
    if item.sender is None:
        raise ValueError("a push says who sends it")
    text = build.text_leaf(item.note or plain.push_text(item_line(item)))
    edge = f"--{boundary}\r\n".encode()
    head = [
        *_head(item.sender, None, facts),
        field("Subject", item.name),
        field("Share-Type", plain.media_type(item.type)),
        b"MIME-Version: 1.0\r\n",
        parameter_field("Content-Type", "multipart/mixed", (("boundary", boundary),)),
        b"\r\n",
        edge,
        parameter_field("Content-Type", text.type, text.params),
        f"Content-Transfer-Encoding: {text.encoding}\r\n\r\n".encode(),
        text.octets,
        b"\r\n",
        edge,
        *_content_fields(item, plain.media_type(item.type, binary=True)),
        b"\r\n",
    ]
    facts_part = {
        "maild": VERSION,
        "kind": "content",
        "type": plain.media_type(item.type),
        "size": item.size,
        "sha256": item.sha256 or NO_DIGEST,
    }
    tail = [
        b"\r\n",
        edge,
        parameter_field("Content-Type", MEDIA_TYPE, ()),
        b"Content-Transfer-Encoding: 7bit\r\n\r\n",
        json.dumps(facts_part, indent=1).replace("\n", "\r\n").encode("ascii"),
        f"\r\n\r\n--{boundary}--\r\n".encode(),
    ]
    return b"".join(head), b"".join(tail)


def with_digest(tail: bytes, sha256: str) -> bytes:
    """Return ``tail`` with its zeros replaced; the length does not change."""
    if not re.fullmatch(r"[0-9a-f]{64}", sha256):
        raise ValueError("not a SHA-256 in lower case hex")
    before, quote, after = tail.partition(f'"{NO_DIGEST}"'.encode())
    return before + f'"{sha256}"'.encode() + after if quote else tail


def digest_in(facts: bytes) -> str | None:
    """Return the SHA-256 (hex) in the facts part of a push, or None.

    The receiving side's view of `with_digest`: ``facts`` is what
    `maild.wire.mime.MessageReader.facts` gives.  Zeros mean "not known" too.
    """
    try:
        found = json.loads(facts)
    except (ValueError, RecursionError):
        return None
    if not isinstance(found, dict) or found.get("kind") != "content":
        return None
    digest = found.get("sha256")
    if not isinstance(digest, str) or not re.fullmatch(r"[0-9a-f]{64}", digest):
        return None
    return None if digest == NO_DIGEST else digest
