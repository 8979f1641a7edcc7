# SPDX-License-Identifier: Apache-2.0
"""What a BURL names: an item of the submitter's own Library (RFC 4468), to share."""

from __future__ import annotations

from maild.mail.address import AddressError, parse_address
from maild.mail.reply import ReplyError
from maild.mail.transfer import Lifetimes
from maild.smtpd import replies
from maild.smtpd.listener import Listener
from maild.smtpd.transaction import Transaction
from maild.store import items, mailboxes, transfers, versions
from maild.store.accounts import Account
from maild.store.index import Tx
from maild.store.items import Item
from maild.store.transfers import FreshShare, Transfer
from maild.wire.imap_url import ImapUrl, UrlError, parse_imap_url
from maild.wire.smtp import BAD_BURL


async def name_item(
    listener: Listener, transaction: Transaction, account: Account, url: str
) -> None:
    """Let ``transaction`` share the item that ``url`` names; raise why not."""
    if transaction.failed:
        raise ReplyError(replies.AFTER_FAILURE)
    if listener.identity.is_number(account.address):
        raise ReplyError(replies.NUMBERS_ONLY_ASK)
    if transaction.shared is not None or transaction.is_upload:
        raise ReplyError(replies.BURL_ONE_ONLY)
    transaction.begun = True
    transaction.shared = await item_named(listener, account, url)


async def item_named(listener: Listener, account: Account, url: str) -> Item:
    """Return the item that ``url`` names, as a whole or as its section of content."""
    try:
        found = parse_imap_url(url)
    except UrlError as error:
        raise ReplyError(BAD_BURL) from error
    if not _is_own(listener, account, found):
        raise ReplyError(replies.BURL_NOT_YOURS)
    item = await listener.store.index.read(_look_up, account.id, found)
    if item is None or found.section not in (None, item.section):
        raise ReplyError(replies.BURL_NOT_FOUND)
    return item


def queue_shares(
    tx: Tx,
    transaction: Transaction,
    item: Item,
    account: Account,
    fresh: list[FreshShare],
    lifetimes: Lifetimes,
    now: float,
    *,
    note: str,
    via: str,
    confirm: int,
) -> tuple[Item, list[Transfer]]:
    """Share what was named with every recipient, though it may be replaced since then.

    A job.  Raises `NotFoundError` when it is gone.
    """
    item = versions.as_read(tx, item)
    return item, [
        transfers.share(
            tx,
            account.id,
            item.id,
            recipient.address,
            names,
            lifetimes,
            now,
            note=note,
            via=via,
            confirm=confirm,
        )
        for recipient, names in zip(transaction.recipients, fresh, strict=True)
    ]


def _is_own(listener: Listener, account: Account, url: ImapUrl) -> bool:
    """Whether host and user are this server and this account; nobody else's mail."""
    identity = listener.identity
    if url.host != identity.hostname.lower() and url.host not in identity.domains:
        return False
    user = url.user if "@" in url.user else f"{url.user}@{account.address.domain}"
    try:
        return parse_address(user).key == account.address.key
    except AddressError:
        return False


def _look_up(tx: Tx, account_id: int, url: ImapUrl) -> Item | None:
    mailbox = mailboxes.find(tx, account_id, url.mailbox)
    if mailbox is None or url.uid_validity not in (None, mailbox.uid_validity):
        return None
    return items.by_place(tx, mailbox.id, url.uid)
