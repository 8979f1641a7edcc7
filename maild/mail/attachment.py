# SPDX-License-Identifier: Apache-2.0
"""An item as ordinary mail, for a recipient whose server takes no pushes."""

from __future__ import annotations

from maild.mail import build, plain
from maild.mail.address import Address
from maild.mail.compose import Facts, ItemFacts, item_line
from maild.mail.header import (
    address_field,
    date_field,
    field,
    file_name,
    message_id_field,
    parameter_field,
)


def attachment_frame(
    item: ItemFacts, recipient: Address, boundary: str, facts: Facts
) -> tuple[bytes, bytes]:
    """Return (head, tail) around the base64 lines of an attachment (RFC 2045 §6.8).

    multipart/mixed of text/plain and the content; the lines between end with CRLF.
    """
    if item.sender is None or item.size is None:
        raise ValueError("a mail says who sends it, and how much")
    text = build.text_leaf(item.note or f"Attached:\n\n{item_line(item)}")
    edge = f"--{boundary}\r\n".encode()
    head = [
        date_field(facts.now),
        address_field("From", item.sender),
        address_field("To", recipient),
        message_id_field(facts.message_id),
        field("Maild-Trace", facts.trace),
        field("Subject", f"{plain.short(item.name)} ({plain.amount(item.size)})"),
        b"MIME-Version: 1.0\r\n",
        parameter_field("Content-Type", "multipart/mixed", (("boundary", boundary),)),
        b"\r\n",
        edge,
        parameter_field("Content-Type", text.type, text.params),
        f"Content-Transfer-Encoding: {text.encoding}\r\n\r\n".encode(),
        text.octets,
        b"\r\n",
        edge,
        parameter_field("Content-Type", plain.media_type(item.type, binary=True), ()),
        b"Content-Transfer-Encoding: base64\r\n",
        parameter_field(
            "Content-Disposition",
            "attachment",
            (("filename", file_name(item.name)), ("size", str(item.size))),
        ),
        b"\r\n",
    ]
    return b"".join(head), f"\r\n--{boundary}--\r\n".encode()
