# SPDX-License-Identifier: Apache-2.0
"""What a number submits at a rendezvous: a request for another one's mail address."""

from __future__ import annotations

from maild import delivery_log
from maild.mail.address_request import AddressRequest, parse_request
from maild.mail.members import OfferError
from maild.mail.reply import Reply, ReplyError
from maild.smtpd import replies
from maild.smtpd.arrived import Arrived
from maild.smtpd.listener import Listener
from maild.smtpd.transaction import Transaction
from maild.store import address_requests
from maild.store.accounts import Account
from maild.store.address_verdict import Outcome

_REFUSALS = {
    Outcome.FORGED: replies.NOT_YOUR_REQUEST,
    Outcome.HOMELESS: replies.HOMELESS,
    Outcome.UNKNOWN: replies.NO_SUCH_USER,
    Outcome.TOO_MANY: replies.TOO_MANY_REQUESTS,
}


async def ask(
    listener: Listener,
    transaction: Transaction,
    arrived: Arrived | None,
    account: Account,
    now: float,
) -> Reply:
    """File what ``account`` asks for; its message itself goes no further.

    A repeated one is answered as the first one was: its 250 may have been lost.
    """
    request = _request(arrived)
    recipient = transaction.recipients[0].address
    is_own = request.sender.key == account.address.key
    if not is_own or request.recipient.key != recipient.key:
        _log(transaction, account, request, Outcome.FORGED)
        raise ReplyError(replies.NOT_YOUR_REQUEST)
    if request.expires <= now:
        raise ReplyError(replies.REQUEST_TOO_LATE)
    transaction.trace = request.trace
    asked = await listener.store.index.write(
        address_requests.ask, account, request, listener.asking, now
    )
    _log(transaction, account, request, asked.outcome)
    for decided in asked.decided:
        delivery_log.address_answered(
            decided.id,
            sender=str(decided.sender),
            to=str(decided.recipient),
            accepted=decided.accepted,
            trace=decided.trace,
        )
    if asked.outcome in _REFUSALS:
        raise ReplyError(_REFUSALS[asked.outcome])
    return Reply(250, "0.0", f"{request.id} is {asked.outcome}")


def _request(arrived: Arrived | None) -> AddressRequest:
    if arrived is None or arrived.facts is None:
        raise ReplyError(replies.NO_REQUEST)
    try:
        return parse_request(arrived.facts)
    except OfferError as error:
        raise ReplyError(replies.NO_REQUEST) from error


def _log(
    transaction: Transaction,
    account: Account,
    request: AddressRequest,
    outcome: Outcome,
) -> None:
    delivery_log.address_asked(
        request.id,
        sender=str(account.address),
        to=str(request.recipient),
        outcome=str(outcome),
        message_id=transaction.id,
        trace=request.trace,
    )
