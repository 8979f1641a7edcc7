# SPDX-License-Identifier: Apache-2.0
"""What a sender is told about a transfer, filed into their own INBOX.

Of content that we keep for others, as a rendezvous, it is mailed to them.
"""

from __future__ import annotations

from dataclasses import replace

from maild.mail.address import Address
from maild.mail.compose import Composed, Facts, TransferFacts, failure_notice
from maild.mail.reply import Reply
from maild.mail.transfer import Kind, State
from maild.store import accounts, mailboxes, messages, transfers
from maild.store.errors import NotFoundError
from maild.store.index import Tx
from maild.store.transfers import Notice, Transfer

INBOX = "INBOX"
LIFETIME = 5 * 86400.0
"""Seconds until one for another server is given up (RFC 5321 §4.5.4.1)."""


def file_due(tx: Tx, now: float, delay_warning: float, hostname: str) -> list[Notice]:
    """File every notice that is due and record it as given, in one job."""
    told: list[Notice] = []
    for notice in transfers.notices_due(tx, now, delay_warning):
        if _file(tx, notice, now, hostname):
            told.append(notice)
        transfers.notified(tx, notice.transfer.id, delayed=notice.delayed)
    return told


def _file(tx: Tx, notice: Notice, now: float, hostname: str) -> bool:
    """Put one notice into the INBOX of the account that queued the transfer."""
    transfer = notice.transfer
    if transfer.is_kept:
        return _send(tx, notice, now, hostname)
    if transfer.account_id is None:
        return False
    try:
        account = accounts.get(tx, transfer.account_id)
    except NotFoundError:
        return False
    inbox = mailboxes.find(tx, account.id, INBOX)
    if inbox is None:
        return False
    composed = notice_message(notice, account.address, hostname, now)
    content = messages.add_small(
        tx, composed.octets, composed.structure, transfer.trace
    )
    messages.append(tx, inbox.id, content, (), now)
    return True


def _send(tx: Tx, notice: Notice, now: float, hostname: str) -> bool:
    """Queue one for who has given us content to bring: his own server has proven it.

    With the null reverse-path, so that nobody answers it (RFC 5321 §4.5.5).
    """
    transfer, sender = notice.transfer, notice.transfer.sender
    assert sender is not None
    composed = notice_message(notice, sender, hostname, now)
    content_id = messages.add_small(
        tx, composed.octets, composed.structure, transfer.trace
    )
    queued = transfers.newly_queued(
        Kind.MAIL,
        f"{transfer.id}{'D' if notice.delayed else 'N'}",
        None,
        None,
        sender,
        size=len(composed.octets),
        trace=transfer.trace,
        now=now,
        expires=now + LIFETIME,
    )
    transfers.add(tx, replace(queued, content_id=content_id), now)
    return True


def notice_message(
    notice: Notice, account: Address, hostname: str, now: float
) -> Composed:
    """Return the notice: a clear sentence, and the parts of RFC 3464."""
    transfer = notice.transfer
    reply = reason(transfer, delayed=notice.delayed)
    facts = TransferFacts(
        id=transfer.id,
        state=str(transfer.state),
        recipient=transfer.recipient,
        name=notice.name,
        size=transfer.size,
        octets=transfer.octets,
        reason=str(reply),
    )
    kind = "delayed" if notice.delayed else str(transfer.state)
    message_id = f"{transfer.id}.{kind}@{hostname}"
    return failure_notice(
        facts,
        account,
        hostname,
        reply,
        Facts(message_id, now, transfer.trace),
        delayed=notice.delayed,
    )


def reason(transfer: Transfer, *, delayed: bool) -> Reply:
    """Return why, as the reply that the notice shows (RFC 3463)."""
    who = transfer.recipient
    if transfer.state is State.DECLINED and transfer.reply != transfers.DECLINED.text:
        return _last_reply(transfer, 550, "7.1", transfer.reply)
    if transfer.state is State.DECLINED:
        return Reply(550, "7.1", f"{who} declined the offer; nothing was sent")
    if transfer.state is State.EXPIRED and transfer.lasts is not None:
        return Reply(550, "4.7", "nobody said go in time; nothing was sent")
    if transfer.state is State.EXPIRED:
        text = f"{who} did not answer the offer in time; nothing was sent"
        return Reply(550, "4.7", text)
    said = transfer.reply or "the next server could not be reached"
    if delayed:
        return _last_reply(transfer, 451, "4.7", said)
    if transfer.status.startswith("5"):
        return _last_reply(transfer, 550, "0.0", said)
    return Reply(
        550, "4.7", f"delivery was given up after too many attempts; the last: {said}"
    )


def _last_reply(transfer: Transfer, code: int, detail: str, said: str) -> Reply:
    """Return the last reply of the next hop, as far as it fits ``code``."""
    kind, _, rest = transfer.status.partition(".")
    return Reply(code, rest if kind == str(code // 100) and rest else detail, said)
