# SPDX-License-Identifier: Apache-2.0
"""Delivery status notifications for our own senders (RFC 3464, RFC 3461 §6.3)."""

from __future__ import annotations

import re
from dataclasses import replace

from maild.mail import build, plain
from maild.mail.address import Address
from maild.mail.build import Composed
from maild.mail.header import address_field, date_field, field, message_id_field
from maild.mail.letter import Facts, TransferFacts, transfer_line
from maild.mail.reply import Reply


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
    said = plain.notice_text(transfer_line(transfer), str(reply), delayed=delayed)
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
