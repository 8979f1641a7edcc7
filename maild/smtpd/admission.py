# SPDX-License-Identifier: Apache-2.0
"""Who may send what to whom: decided at MAIL and RCPT, before any octet of content."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from maild import ids
from maild.mail import address_request
from maild.mail.address import Address
from maild.mail.envelope import MailFrom, RcptTo
from maild.mail.number import is_number
from maild.mail.reply import ReplyError
from maild.smtpd import forwarding, passing, replies
from maild.smtpd.listener import Listener
from maild.smtpd.promises import promise
from maild.smtpd.restart import key_of, key_of_push
from maild.smtpd.trace_fields import trace_fields
from maild.smtpd.transaction import LIBRARY_TAG, Recipient, Ticket, Transaction
from maild.store import consent
from maild.store.accounts import Account
from maild.store.checkpoints import Checkpoint, Envelope, Kind

MOST_RECIPIENTS = 100
"""Recipients of one transaction (RFC 5321 §4.5.3.1.8)."""


class Admission:
    """The rules of one listener for one client.

    ``origin`` says how it came, for the Received field.
    """

    def __init__(self, listener: Listener, client: str, origin: str) -> None:
        self._listener = listener
        self._client = client
        self._origin = origin

    def sender(self, mail: MailFrom, account: Account | None) -> Transaction:
        """Begin a transaction, or raise why not."""
        if self._listener.is_submission:
            limit = self._listener.size_limit
            if account is None:
                raise ReplyError(replies.LOGIN_FIRST)
            if mail.sender is None or mail.sender.base.key != account.address.key:
                raise ReplyError(replies.NOT_YOUR_ADDRESS)
            if self._listener.identity.is_number(account.address):
                limit = address_request.LARGEST
        else:
            limit = self._listener.ordinary_limit
        if (mail.size or 0) > self._listener.size_limit:
            raise ReplyError(replies.TOO_LARGE)
        if (mail.size or 0) > limit and self._listener.is_submission:
            raise ReplyError(replies.NUMBERS_ONLY_ASK)
        if (mail.size or 0) > limit and mail.proof is None:
            raise ReplyError(replies.NEEDS_OFFER)
        return Transaction(
            mail=mail,
            id=ids.queue_id(),
            trace=ids.trace_id(),
            size_limit=limit,
            client=self._client,
            is_own=account is not None,
        )

    async def known_before(
        self,
        new: Transaction,
        account: Account | None,
        task: asyncio.Task[None] | None,
        *,
        tls: bool,
    ) -> Transaction | None:
        """Return the transaction that ``new`` goes on with (RFC 1845), if it does.

        One whose content has arrived, only its 250 was lost, is complete: nothing is
        missing but the same reply.
        """
        if new.mail.transid is None or new.mail.sender is None:
            return None
        if account is not None:
            known = await self._known_upload(new, account, task)
        else:
            known = await self._known_push(new, task, tls=tls)
        if known is not None and not known.is_repeated:
            await self._promise_again(known)
        return known

    async def _promise_again(self, known: Transaction) -> None:
        """Promise room for the rest of a transaction, or keep it for later."""
        assert known.bound is not None
        try:
            await self._promise(known, known.bound.account_id, known.ticket)
        except BaseException:
            now = self._listener.store.clock()
            self._listener.checkpoints.lanes.keep(known, now)
            raise

    async def _promise(
        self, transaction: Transaction, account_id: int, ticket: Ticket | None
    ) -> None:
        await promise(self._listener.promises, transaction, account_id, ticket)

    async def _known_push(
        self, new: Transaction, task: asyncio.Task[None] | None, *, tls: bool
    ) -> Transaction | None:
        proof, store = new.mail.proof, self._listener.store
        assert proof is not None
        assert new.mail.sender is not None
        address = await store.index.read(consent.offered_to, proof)
        if address is None:
            return await forwarding.known_before(self._listener, new, task, tls=tls)
        ticket = await self._redeemed(new.mail, address)
        account = await self._find(address)
        if ticket is None and await store.index.read(
            consent.is_over, proof, new.mail.sender, address
        ):
            raise ReplyError(replies.NEEDS_OFFER)
        if ticket is None or account is None:
            return None
        await self._admit_push(ticket, new.mail.size or 0, tls=tls)
        bound = _bound_push(new.mail, ticket, address)
        checkpoints = self._listener.checkpoints
        if ticket.accepted.final_reply is None and task is not None:
            await checkpoints.lanes.begin(bound, task)
            # What the old connection brought may have landed while it ended.
            ticket = await self._redeemed(new.mail, address) or ticket
        if ticket.accepted.final_reply is not None:
            new.ticket, new.received = ticket, new.mail.size or 0
            new.recipients.append(Recipient(address, account))
            return new
        known = await checkpoints.resume(new, bound, ticket.accepted.size)
        if known is None:
            known = await self._borrowed(
                new, bound, ticket, Recipient(address, account)
            )
        elif known is new:
            new.ticket = ticket
            new.recipients.append(Recipient(address, account))
        return known

    async def _borrowed(
        self, new: Transaction, bound: Envelope, ticket: Ticket, recipient: Recipient
    ) -> Transaction | None:
        """Return the push that goes on with what another recipient was brought."""
        mine = replace(new, ticket=ticket, recipients=[recipient], is_borrowed=True)
        return await self._listener.checkpoints.borrow(
            mine,
            bound,
            ticket.accepted,
            trace_fields(self._listener, mine, self._origin),
        )

    async def _known_upload(
        self, new: Transaction, account: Account, task: asyncio.Task[None] | None
    ) -> Transaction | None:
        """Return the upload that goes on, or whose 250 was lost."""
        bound = _bound_upload(new.mail, account)
        checkpoints = self._listener.checkpoints
        if task is not None:
            await checkpoints.lanes.begin(bound, task)
        kept = await checkpoints.known(bound.key)
        known: Transaction | None = new
        if kept is not None and kept.final_reply is not None and _same(kept, bound):
            given = replies.again(kept.final_reply)
            if not given.is_positive:
                checkpoints.lanes.let_go(bound.lane)
                raise ReplyError(given)
            new.given, new.received = kept.final_reply, kept.envelope.size or 0
        else:
            known = await checkpoints.resume(new, bound, None)
        if known is new:
            new.is_upload = True
            new.recipients.append(Recipient(_library_of(account), None))
        return known

    async def recipient(
        self,
        transaction: Transaction,
        rcpt: RcptTo,
        account: Account | None,
        *,
        tls: bool,
    ) -> None:
        """Add a recipient to ``transaction``, or raise why not."""
        if transaction.ticket or transaction.is_upload or transaction.is_relayed:
            raise ReplyError(replies.TOO_MANY_RECIPIENTS)
        if any(known.address == rcpt.recipient for known in transaction.recipients):
            return  # named twice, written to once
        if len(transaction.recipients) >= MOST_RECIPIENTS:
            raise ReplyError(replies.TOO_MANY_RECIPIENTS)
        if self._listener.is_submission:
            assert account is not None
            await self._outgoing(transaction, rcpt.recipient, account)
        else:
            await self._incoming(transaction, rcpt.recipient, tls=tls)

    async def _outgoing(
        self, transaction: Transaction, address: Address, account: Account
    ) -> None:
        if self._listener.identity.is_number(account.address):
            self._must_be_asked(transaction, address)
        elif address.tag == LIBRARY_TAG and address.base.key == account.address.key:
            if transaction.recipients:
                raise ReplyError(replies.TOO_MANY_RECIPIENTS)
            await self._promise(transaction, account.id, None)
            transaction.is_upload = True
            if transaction.mail.transid is not None:
                transaction.bound = _bound_upload(transaction.mail, account)
        elif self._listener.identity.is_local(address):
            if await self._find(address) is None:
                raise ReplyError(replies.NO_SUCH_USER)
        elif not _is_mail_domain(address):
            raise ReplyError(replies.NOT_ROUTABLE)
        transaction.recipients.append(Recipient(address, None))

    def _must_be_asked(self, transaction: Transaction, address: Address) -> None:
        """Let a number write to one other number here, be there one or not."""
        is_one = self._listener.identity.is_number(address) and is_number(address.local)
        if not is_one:
            raise ReplyError(replies.NUMBERS_ONLY_ASK)
        if transaction.recipients:
            raise ReplyError(replies.TOO_MANY_RECIPIENTS)

    async def _incoming(
        self, transaction: Transaction, address: Address, *, tls: bool
    ) -> None:
        if not self._listener.identity.is_local(address):
            if transaction.mail.proof is None:
                passing.admit(self._listener, transaction, address)
            else:
                await forwarding.admit(self._listener, transaction, address, tls=tls)
            return
        if self._listener.identity.is_number(address):
            raise ReplyError(replies.NUMBERS_GET_NO_MAIL)
        account = await self._find(address)
        if account is None:
            raise ReplyError(replies.NO_SUCH_USER)
        size = transaction.mail.size or 0
        ticket = None
        if not transaction.recipients:
            ticket = await self._redeemed(transaction.mail, address)
        if ticket is not None:
            await self._admit_push(ticket, size, tls=tls)
            await self._promise(transaction, account.id, ticket)  # before any octet
            transaction.bound = _bound_push(transaction.mail, ticket, address)
        elif size > transaction.size_limit:
            raise ReplyError(replies.NEEDS_OFFER)
        elif _needs_own_transaction(transaction, account):
            raise ReplyError(replies.TOO_MANY_RECIPIENTS)
        else:
            await self._need_room(account, size)
        transaction.ticket = ticket
        transaction.recipients.append(Recipient(address, account))

    async def _redeemed(self, mail: MailFrom, recipient: Address) -> Ticket | None:
        """Return what the TRANSID opens for exactly these two addresses."""
        if mail.proof is None or mail.sender is None:
            return None
        store = self._listener.store
        accepted = await store.index.read(
            consent.redeem, mail.proof, mail.sender, recipient, store.clock()
        )
        return None if accepted is None else Ticket(mail.proof, accepted)

    async def _admit_push(self, ticket: Ticket, size: int, *, tls: bool) -> None:
        accepted = ticket.accepted
        if not tls and not self._listener.may_be_plain(self._client):
            raise ReplyError(replies.TLS_NEEDED)
        if size > ticket.limit or accepted.size > self._listener.size_limit:
            raise ReplyError(replies.TOO_LARGE)

    async def _need_room(self, account: Account, size: int) -> None:
        if not await self._listener.room.has(size):
            raise ReplyError(replies.STORE_FULL)
        if account.quota is not None:
            await self._listener.promises.need_quota(account.id, size)

    async def _find(self, address: Address) -> Account | None:
        return await self._listener.residents.find(address)


def _needs_own_transaction(transaction: Transaction, account: Account) -> bool:
    """Whether ``account`` might be without room in the end, or another beside it.

    A message has one reply (RFC 5321 §4.2.5): whose quota can only be looked at when it
    is here, because its size is not declared, must not refuse it for all.
    """
    beside = [r.account for r in transaction.recipients if r.account is not None]
    return (
        transaction.mail.size is None
        and bool(beside)
        and any(each.quota is not None for each in (account, *beside))
    )


def _bound_push(mail: MailFrom, ticket: Ticket, recipient: Address) -> Envelope:
    """Return what a push is bound to: the proof, whose it is, and its rendering."""
    assert mail.sender is not None
    sender, to = mail.sender.key, recipient.key
    return Envelope(
        key=key_of_push(ticket.proof, mail.sender, recipient),
        kind=Kind.PUSH,
        account_id=ticket.accepted.account_id,
        sender=sender,
        recipient=to,
        size=mail.size,
        body=mail.body.value,
        rendering=ticket.accepted.rendering,
    )


def _bound_upload(mail: MailFrom, account: Account) -> Envelope:
    """Return what an upload is bound to: who has logged in, and their TRANSID."""
    own = account.address.key
    return Envelope(
        key=key_of("upload", str(account.id), own, mail.transid or ""),
        kind=Kind.UPLOAD,
        account_id=account.id,
        sender=own,
        recipient=_library_of(account).key,
        size=mail.size,
        body=mail.body.value,
    )


def _same(kept: Checkpoint, bound: Envelope) -> bool:
    """Whether it is the upload that was kept; a live one had no size to declare."""
    declared = kept.envelope.size if bound.size is None else bound.size
    return kept.envelope == replace(bound, size=declared)


def _library_of(account: Account) -> Address:
    address = account.address
    return Address(f"{address.local}+{LIBRARY_TAG}", address.domain)


def _is_mail_domain(address: Address) -> bool:
    """Whether mail can be routed by name: a host or an IP address is none (CWE-918)."""
    *above, last = address.domain.split(".")
    return bool(above) and not address.is_literal and not last.isdigit()
