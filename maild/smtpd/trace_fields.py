# SPDX-License-Identifier: Apache-2.0
"""What we write in front of a message: how it came (RFC 5321 §4.4), and its item."""

from __future__ import annotations

from email.utils import formatdate

from maild.smtpd.listener import Listener
from maild.smtpd.transaction import Transaction


def trace_fields(listener: Listener, transaction: Transaction, origin: str) -> bytes:
    """Return the trace fields of this hop; behind them the item's id, if it is one.

    ``origin`` says how the peer came, for the Received field.  Content that is passed
    on gets none, unlike what RFC 5321 §4.4 asks for: its octets are those that the
    recipient's server may have a part of already, and its offer bounds its way.
    """
    lines = []
    if transaction.is_relayed and transaction.ticket is not None:
        return b""
    if not listener.is_submission and not transaction.is_relayed:
        lines.append(f"Return-Path: <{transaction.sender}>")
    lines.append(f"Received: {origin}")
    lines.append(f"\tid {transaction.id}")
    if len(transaction.recipients) == 1:
        lines.append(f"\tfor <{transaction.recipients[0].address}>")
    date = formatdate(listener.store.clock(), localtime=False)
    lines[-1] += f"; {date}"
    if transaction.is_upload or transaction.ticket is not None:
        # as Items, BURL's reply and terminals name it
        lines.append(f"Share-Item: {transaction.id}")
    return "".join(f"{line}\r\n" for line in lines).encode()
