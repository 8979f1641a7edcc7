# SPDX-License-Identifier: Apache-2.0
"""The item that an upload or a push becomes, while it arrives and when it is here."""

from __future__ import annotations

from maild.mail.address import Address
from maild.mail.compose import Composed, Facts, ItemFacts, item_stub
from maild.mail.structure import Part
from maild.smtpd.transaction import Ticket, Transaction
from maild.store.items import Item

LONGEST_NAME = 255
"""Characters of a file name that are kept."""


def announced_size(part: Part) -> int | None:
    """Return the octets that Content-Disposition announces (RFC 2183 §2.7)."""
    size = dict(part.disposition_params).get("size", "")
    return int(size) if size.isdecimal() and len(size) < 20 else None


def of_upload(
    transaction: Transaction,
    account_id: int,
    part: Part,
    share: dict[str, str],
    size: int,
    now: float,
) -> Item:
    """Return what an own upload is; its content, blob and digest are not in it yet.

    ``share``: its Share- fields, as in `maild.smtpd.intake.Arrived`.
    """
    return Item(
        id=transaction.id,
        account_id=account_id,
        own=True,
        content_id=0,
        blob_id=0,
        section="1",
        name=(part.filename or "unnamed")[:LONGEST_NAME],
        type=share["Type"].lower() or f"{part.type}/{part.subtype}",
        size=size,
        sha256=None,
        number=share["Number"] or None,
        code=share["Code"] or None,
        terminal=share["Terminal"] or None,
        sender=None,
        library_uid=None,
        items_uid=None,
        trace=transaction.trace,
        created=now,
    )


def of_push(transaction: Transaction, ticket: Ticket, now: float) -> Item:
    """Return what accepted content is; the rest as in `of_upload`."""
    accepted = ticket.accepted
    return Item(
        id=transaction.id,
        account_id=accepted.account_id,
        own=False,
        content_id=0,
        blob_id=0,
        section="2",
        name=accepted.name,
        type=accepted.type,
        size=accepted.size,
        sha256=None,
        number=None,
        code=None,
        terminal=None,
        sender=transaction.mail.sender,
        library_uid=None,
        items_uid=None,
        trace=transaction.trace,
        created=now,
    )


def stub(
    item: Item,
    account: Address,
    hostname: str,
    now: float,
    *,
    note: str = "",
    live: int | None = None,
) -> Composed:
    """Return the small message that stands for ``item``.

    ``live``: octets that there are of one which is still being recorded.
    """
    shown = ItemFacts(
        id=item.id,
        name=item.name,
        type=item.type,
        size=item.size if live is None else None,
        sha256=item.sha256,
        sender=item.sender,
        note=note,
        landed=live or 0,
    )
    facts = Facts(message_id=f"{item.id}@{hostname}", now=now, trace=item.trace)
    return item_stub(shown, account, facts)
