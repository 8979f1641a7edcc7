# SPDX-License-Identifier: Apache-2.0
"""The index job that puts mail from other servers where its readers look."""

from __future__ import annotations

from collections.abc import Sequence

from maild.mail.address import Address
from maild.mail.offer import Offer
from maild.smtpd import filing
from maild.smtpd.arrived import Arrived
from maild.smtpd.transaction import Recipient, Transaction
from maild.store import accounts, consent, mailboxes, messages, quota
from maild.store.accounts import Account
from maild.store.consent import Randomness
from maild.store.index import Tx


def keep_mail(
    tx: Tx,
    transaction: Transaction,
    arrived: Arrived,
    offer: Offer | None,
    fresh: Sequence[Randomness],
    now: float,
) -> None:
    """Put a message into the INBOX of each recipient, once.

    ``fresh``: secrets for an offer's decisions made at arrival, one a recipient.
    """
    filing.told(tx, transaction, "offer" if offer else "mail", now)
    content_id: int | None = None
    seen: set[int] = set()
    for number, recipient in enumerate(transaction.recipients):
        assert recipient.account is not None
        account = accounts.get(tx, recipient.account.id)
        if account.id in seen:
            continue
        seen.add(account.id)
        is_ours = offer is not None and _fits(offer, transaction, recipient)
        if offer is not None and is_ours and consent.is_repeated(tx, account.id, offer):
            continue  # the 250 was lost: a second message could not be decided
        if content_id is None:
            content_id = messages.add_content(
                tx, arrived.rope, arrived.structure, transaction.trace
            )
        is_offer = (
            offer is not None
            and is_ours
            and consent.received(tx, account.id, offer, content_id, now)
        )
        flags = ("$Offer",) if is_offer else ()
        uid = into(tx, account, "INBOX", content_id, flags, now)
        quota.check(tx, account.id)
        if is_offer and offer is not None and _is_welcome(tx, account, offer):
            consent.decide(
                tx, account.id, content_id, fresh[number], now, accepted=True
            )
            _file_accepted(tx, account, uid)


def _fits(offer: Offer, transaction: Transaction, recipient: Recipient) -> bool:
    """Whether an offer was made by who sent it, to who got it; not a forwarded one."""
    sender: Address | None = transaction.mail.sender
    return (
        sender is not None
        and offer.sender.key == sender.key
        and offer.recipient.key == recipient.address.key
    )


def _is_welcome(tx: Tx, account: Account, offer: Offer) -> bool:
    """Whether the account's policy accepts without asking."""
    if offer.size > account.policy_size or not quota.fits(tx, account.id, offer.size):
        return False
    return account.policy == "anyone" or (
        account.policy == "contacts"
        and accounts.is_contact(tx, account.id, offer.sender)
    )


def _file_accepted(tx: Tx, account: Account, uid: int) -> None:
    """Move an offer out of INBOX as its reader would: nothing waits for him there."""
    inbox = mailboxes.must_find(tx, account.id, "INBOX")
    accepted = mailboxes.must_find(tx, account.id, "Accepted")
    messages.store_flags(tx, inbox.id, [uid], "+", ("\\Seen",))
    messages.copy(tx, inbox.id, [uid], accepted.id, move=True)


def into(
    tx: Tx,
    account: Account,
    mailbox: str,
    content_id: int,
    flags: tuple[str, ...],
    now: float,
) -> int:
    """Put a content into a mailbox that is always there, and return its UID."""
    place = mailboxes.must_find(tx, account.id, mailbox)
    return messages.append(tx, place.id, content_id, flags, now)
