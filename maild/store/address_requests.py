# SPDX-License-Identifier: Apache-2.0
"""Jobs on address requests: filed once, decided once, answered to who asked (203-206).

A decision is the arrival of the request in ``Accepted`` or ``Declined``, or what the
asked number's policy says; it holds for all that the same number has asked meanwhile.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from maild.mail.address import Address, parse_address
from maild.mail.address_request import (
    REQUEST_KEYWORD,
    AddressRequest,
    AddressResponse,
)
from maild.store import (
    accounts,
    address_filing,
    address_verdict,
    closed,
    exchanges,
    messages,
    numbers,
    quota,
)
from maild.store.accounts import Account
from maild.store.address_verdict import Bounds, Outcome, Verdict
from maild.store.exchanges import Person
from maild.store.index import Tx


class HomelessError(Exception):
    """A number cannot tell its mail address: it has none yet."""


@dataclass(frozen=True, slots=True)
class Decided:
    """A request that has been answered."""

    id: str
    sender: Address
    recipient: Address
    accepted: bool
    trace: str


@dataclass(frozen=True, slots=True)
class Asked:
    """What has become of a request, and what was answered at once."""

    outcome: Outcome
    decided: tuple[Decided, ...] = ()


def ask(
    tx: Tx, asking: Account, request: AddressRequest, bounds: Bounds, now: float
) -> Asked:
    """File a request that ``asking`` has submitted, or answer it by what is known.

    A number that does not exist is kept, too: whoever tries numbers has soon asked
    too many.
    """
    home = numbers.home_of(tx, asking.id)
    repeated = address_verdict.repeated(tx, asking.id, request)
    if repeated is Outcome.REPEATED:
        _answer_again(tx, asking, request, now)
    if repeated is not None:
        return Asked(repeated)
    if home is None:
        return Asked(Outcome.HOMELESS)
    asked = accounts.find(tx, request.recipient)
    if address_verdict.is_too_much(tx, asking.id, asked, bounds, now):
        return Asked(Outcome.TOO_MANY)
    expires = min(float(request.expires), now + bounds.lifetime)
    request = replace(request, home=home, created=int(now), expires=int(expires))
    _keep(tx, asking.id, asked, request, now)
    if asked is None:
        return Asked(Outcome.UNKNOWN)
    accounts.add_contact(tx, asking.id, asked.address)
    verdict = address_verdict.verdict(tx, asking, asked, now)
    if verdict is Verdict.ASK:
        if not address_filing.waits_with_another(tx, asking.id, asked.id, request):
            content_id = address_filing.file(
                tx, asked, request, "INBOX", (REQUEST_KEYWORD,), now
            )
            _hold(tx, asking.id, request.id, content_id)
        return Asked(Outcome.FILED)
    if verdict is Verdict.WELCOME:
        address_filing.file(
            tx, asked, request, "Accepted", (REQUEST_KEYWORD, "\\Seen"), now
        )
    accepted = verdict is not Verdict.REFUSED
    decided = _decide(tx, asking.id, asked, now, accepted=accepted, unasked=True)
    return Asked(Outcome.DECIDED, decided)


def decide(
    tx: Tx, asked_id: int, content_id: int, now: float, *, accepted: bool
) -> tuple[Decided, ...]:
    """Decide the open request made by ``content_id``; nothing when it makes none.

    Called in the job that moves or copies the message.  `HomelessError`, which leaves
    it open, when there is no address yet that could be told.
    """
    asking_id = tx.value(
        """SELECT asking FROM address_request WHERE content_id = ?1 AND asked = ?2
            AND state = 'open' AND expires > ?3""",
        content_id,
        asked_id,
        now,
    )
    if asking_id is None:
        return ()
    asked = accounts.get(tx, asked_id)
    if accepted and numbers.home_of(tx, asked_id) is None:
        raise HomelessError
    return _decide(tx, asking_id, asked, now, accepted=accepted)


def is_one_due(tx: Tx, now: float) -> bool:
    """Whether there is something to `expire`."""
    found = tx.value(
        "SELECT 1 FROM address_request WHERE state = 'open' AND expires <= ?1", now
    )
    return found is not None


def expire(tx: Tx, now: float) -> int:
    """Close requests that nobody has decided in time; return how many.

    Their messages ask for nothing from then on.
    """
    rows = tx.all(
        """UPDATE address_request SET state = 'expired'
        WHERE state = 'open' AND expires <= ?1 RETURNING content_id""",
        now,
    )
    tx.run(
        """UPDATE address_request SET content_id = NULL
        WHERE state = 'expired' AND content_id IS NOT NULL"""
    )
    for (content_id,) in rows:
        closed.unmark(tx, content_id, REQUEST_KEYWORD, is_late=True)
    address_filing.release(tx, rows)
    return len(rows)


def forget(tx: Tx, before: float) -> int:
    """Drop requests made before a time that are closed; return how many."""
    return tx.run(
        "DELETE FROM address_request WHERE created < ?1 AND state <> 'open'", before
    )


def forget_account(tx: Tx, account: Account) -> None:
    """Drop all that an account has asked, was asked and was told: it goes."""
    rows = tx.all(
        """SELECT content_id FROM address_request WHERE asking = ?1 OR asked = ?1""",
        account.id,
    )
    tx.run("DELETE FROM address_request WHERE asking = ?1 OR asked = ?1", account.id)
    address_filing.release(tx, rows)
    exchanges.forget(tx, account.address)


# Keeping, filing, answering


def _keep(
    tx: Tx, asking_id: int, asked: Account | None, request: AddressRequest, now: float
) -> None:
    tx.run(
        """INSERT INTO address_request (asking, id, asked, nonce, home, state, expires,
            trace, created) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)""",
        asking_id,
        request.id,
        None if asked is None else asked.id,
        request.nonce,
        str(request.home),
        "unknown" if asked is None else "open",
        request.expires,
        request.trace,
        now,
    )
    to = request.recipient.local
    address_filing.tell(
        tx, request.id, request.trace, f"address of {to} asked for", now
    )


def _hold(tx: Tx, asking_id: int, request_id: str, content_id: int) -> None:
    """Let the message stay as long as the request is open, whoever deletes it."""
    messages.hold_content(tx, content_id)
    tx.run(
        """UPDATE address_request SET content_id = ?3, said_by = ?3
        WHERE asking = ?1 AND id = ?2""",
        asking_id,
        request_id,
        content_id,
    )


def _decide(
    tx: Tx,
    asking_id: int,
    asked: Account,
    now: float,
    *,
    accepted: bool,
    unasked: bool = False,
) -> tuple[Decided, ...]:
    """Answer all that is open between two numbers, and keep what was told.

    ``unasked``: what is known decides, not the user.
    """
    asking = accounts.get(tx, asking_id)
    rows = tx.all(
        """SELECT id, nonce, home, content_id, trace FROM address_request
        WHERE asking = ?1 AND asked = ?2 AND state = 'open' AND expires > ?3
        ORDER BY created""",
        asking_id,
        asked.id,
        now,
    )
    home = numbers.home_of(tx, asked.id) if accepted else None
    tx.run(
        """UPDATE address_request SET state = ?4, decided = ?3, content_id = NULL,
            told = ?5, unasked = ?6
        WHERE asking = ?1 AND asked = ?2 AND state = 'open' AND expires > ?3""",
        asking_id,
        asked.id,
        now,
        "accepted" if accepted else "declined",
        None if home is None else str(home),
        unasked,
    )
    for request_id, nonce, _, _, trace_id in rows:
        response = AddressResponse(
            request_id=request_id,
            nonce=nonce,
            sender=asking.address,
            recipient=asked.address,
            accepted=accepted,
            home=home,
            trace=trace_id,
        )
        address_filing.answer(tx, asking, response, now)
    address_filing.release(tx, [(content_id,) for _, _, _, content_id, _ in rows])
    if home is not None and rows:
        asked_by = Person(asking.address, parse_address(rows[-1][2]))
        exchanges.made(tx, asked_by, Person(asked.address, home), now)
        accounts.add_contact(tx, asked.id, asking.address)
    return tuple(
        Decided(row[0], asking.address, asked.address, accepted, row[4]) for row in rows
    )


def _answer_again(tx: Tx, asking: Account, request: AddressRequest, now: float) -> None:
    """Give the response to a decided request once more: who repeats it has none.

    With the address that was told then: another one needs another consent.  While the
    response lies in INBOX it is all there is to say, however often it is asked for.
    """
    row = tx.one(
        """SELECT told FROM address_request
        WHERE asking = ?1 AND id = ?2 AND state IN ('accepted', 'declined')""",
        asking.id,
        request.id,
    )
    if row is None or address_filing.is_answered(tx, asking.id, request.id):
        return
    home = None if row[0] is None else parse_address(row[0])
    response = AddressResponse(
        request_id=request.id,
        nonce=request.nonce,
        sender=asking.address,
        recipient=request.recipient,
        accepted=home is not None,
        home=home,
        trace=request.trace,
    )
    address_filing.answer(tx, asking, response, now)
    quota.check(tx, asking.id)
