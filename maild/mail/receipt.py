# SPDX-License-Identifier: Apache-2.0
"""The receipt: a reader lets the sender know that an item was downloaded (seed 221).

An ordinary mail that its reader chose to send; nothing of ours acts on it.  It is no
disposition notification: those carry an empty envelope sender (RFC 8098 §3), by which
an account would say nothing of who it is, and answer a request that nobody made.
"""

from __future__ import annotations

from maild.mail import build, plain
from maild.mail.address import Address
from maild.mail.build import Composed
from maild.mail.header import field, printable
from maild.mail.letter import Facts, ItemFacts, head


def receipt_message(item: ItemFacts, reader: Address, facts: Facts) -> Composed:
    """Return the mail of ``reader`` to the sender; ``facts`` has the item's trace."""
    assert item.sender is not None
    name = plain.short(item.name)
    digest = f"\n    sha-256 {item.sha256}" if item.sha256 else ""
    said = (
        f"{reader} has downloaded what you sent, all of it:\n\n"
        f"    {printable(item.name)}\n"
        f"    {item.measure} ({item.size} octets){digest}\n"
    )
    fields = [
        *head(reader, item.sender, facts),
        field("Subject", f"Downloaded: {name}"),
    ]
    return build.write(fields, build.text_leaf(said), facts.message_id)
