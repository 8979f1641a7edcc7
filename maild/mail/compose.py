# SPDX-License-Identifier: Apache-2.0
"""The messages we write ourselves, with the structure known while writing.

Line ends are CRLF, lines at most 78 octets where the field allows; header texts are
encoded (RFC 2047, RFC 2231) so that no foreign text can add a line (CWE-93).
"""

from __future__ import annotations

from dataclasses import replace

from maild.mail import build, plain
from maild.mail.address import Address
from maild.mail.build import Composed
from maild.mail.header import bare_id, field
from maild.mail.letter import (
    Facts,
    ItemFacts,
    TransferFacts,
    head,
    item_line,
    transfer_line,
)
from maild.mail.notice import failure_notice
from maild.mail.offer import MAX_JSON, MEDIA_TYPE, Answer, Offer, Withdrawal
from maild.mail.push import (
    digest_in,
    push_frame,
    push_tail,
    rendering,
    upload_head,
    with_digest,
)
from maild.mail.thumbnail import MOST_OCTETS, media_type

__all__ = [
    "Composed",
    "Facts",
    "ItemFacts",
    "TransferFacts",
    "answer_message",
    "digest_in",
    "failure_notice",
    "item_line",
    "item_stub",
    "offer_message",
    "push_frame",
    "push_tail",
    "rendering",
    "transfer_view",
    "upload_head",
    "with_digest",
    "withdrawal_message",
]


def offer_message(offer: Offer, facts: Facts, thumbnail: bytes | None) -> Composed:
    """Return the offer (seed 207): text, HTML with cid: thumbnail, JSON facts.

    multipart/mixed of multipart/alternative(text/plain, multipart/related(text/html,
    image/jpeg)) and application/vnd.maild+json; under 64 KiB.  ``thumbnail`` is JPEG
    or PNG, at most 10 KiB; without one there is no multipart/related.
    """
    offer = _fitting(offer)
    kind = media_type(thumbnail or b"")
    if thumbnail is None or len(thumbnail) > MOST_OCTETS or kind is None:
        thumbnail = kind = None
    image = f"thumbnail.{bare_id(facts.message_id)}" if thumbnail else None
    shown: build.Leaf | build.Multi = build.text_leaf(
        plain.offer_html(offer, image), "text/html"
    )
    if thumbnail and kind:
        picture = build.data_leaf(
            kind, thumbnail, content_id=f"<{image}>", disposition="inline"
        )
        shown = build.Multi("related", (shown, picture), (("type", "text/html"),))
    said = build.Multi("alternative", (build.text_leaf(plain.offer_text(offer)), shown))
    fields = [
        *head(offer.sender, offer.recipient, facts),
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


def answer_message(answer: Answer, facts: Facts) -> Composed:
    """Return the answer to an offer (seed 209): text and JSON facts."""
    verdict = "Accepted" if answer.accepted else "Declined"
    fields = [
        *head(answer.recipient, answer.sender, facts),
        field("Subject", f"{verdict}: offer {answer.offer_id}"),
        field("Auto-Submitted", "auto-replied"),
    ]
    said = build.text_leaf(plain.answer_text(answer))
    root = build.Multi("mixed", (said, build.facts_leaf(MEDIA_TYPE, answer.to_json())))
    return build.write(fields, root, facts.message_id)


def withdrawal_message(withdrawal: Withdrawal, facts: Facts) -> Composed:
    """Return what tells a peer that an offer's content will not come."""
    fields = [
        *head(withdrawal.sender, withdrawal.recipient, facts),
        field("Subject", f"Withdrawn: offer {withdrawal.offer_id}"),
        field("Auto-Submitted", "auto-generated"),
    ]
    said = build.text_leaf(plain.withdrawal_text(withdrawal))
    json = build.facts_leaf(MEDIA_TYPE, withdrawal.to_json())
    return build.write(fields, build.Multi("mixed", (said, json)), facts.message_id)


def item_stub(item: ItemFacts, account: Address, facts: Facts) -> Composed:
    """Return the small message that stands for an item in Items or INBOX.

    Its text says how to get the content (the mailbox Library, ``mshare get``) and how
    to send it on (copy into ``Share/<address>``).  Header ``Share-Item: <id>``.
    Of a live one it says how much there is, and that it is still being recorded.
    """
    name = plain.short(item.name)
    fields = [
        *head(item.sender or account, account, facts),
        field("Subject", f"{name} ({item.measure})"),
        field("Share-Item", item.id),
        field("Share-Type", plain.media_type(item.type)),
        field("Auto-Submitted", "auto-generated"),
    ]
    says = plain.live_text if item.size is None else plain.stub_text
    said = says(item_line(item), item.id, item.note)
    if item.version > 1:
        said += "\n" + plain.version_text(item.version)
    text = build.text_leaf(said)
    return build.write(fields, text, facts.message_id)


def transfer_view(transfer: TransferFacts, account: Address, facts: Facts) -> Composed:
    """Return the message that shows a transfer in Transfers: state in Subject."""
    name = plain.short(transfer.name)
    state = transfer.state.capitalize()
    if transfer.state == "transferring" and transfer.size:
        state += f" {min(100 * transfer.octets // transfer.size, 100)} %"
    fields = [
        *head(account, transfer.recipient, facts),
        field("Subject", f"{state}: {name} to {transfer.recipient}"),
        field("Share-Transfer", transfer.id),
        field("Auto-Submitted", "auto-generated"),
    ]
    text = build.text_leaf(
        plain.transfer_text(
            transfer_line(transfer), transfer.reason, transfer.id, transfer.go_until
        )
    )
    return build.write(fields, text, facts.message_id)
