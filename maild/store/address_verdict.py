# SPDX-License-Identifier: Apache-2.0
"""What an address request is worth before anybody is asked: known, welcome or not."""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from maild.mail.address_request import AddressRequest
from maild.store import accounts, exchanges, numbers
from maild.store.accounts import Account
from maild.store.index import Tx
from maild.store.numbers import AddressPolicy

HOUR: Final = 3600.0
REFUSAL_HOLDS: Final = 86400.0
"""Seconds after a user's decline in which the same number is declined, unasked: no
nagging.  What is declined so begins no other day."""


class Outcome(StrEnum):
    """What has become of a request that was submitted; told in the log."""

    FILED = "asked"
    DECIDED = "decided"
    REPEATED = "repeated"
    FORGED = "forged"
    HOMELESS = "no address of its own"
    UNKNOWN = "no such number"
    TOO_MANY = "too many"


@dataclass(frozen=True, slots=True)
class Bounds:
    """How long a request is open (seconds), and how many one number may have."""

    lifetime: float = 7 * 86400.0
    per_hour: int = 60
    open: int = 200


USUAL: Final = Bounds()


class Verdict(StrEnum):
    """What is answered without asking; ASK: nothing is."""

    ASK = "ask"
    KNOWN = "known"
    WELCOME = "welcome"
    REFUSED = "refused"


def verdict(tx: Tx, asking: Account, asked: Account, now: float) -> Verdict:
    """Return what is answered without asking: known already, policy, or no nagging."""
    home = numbers.home_of(tx, asked.id)
    told = exchanges.told(tx, asking.address).get(asked.address.key)
    if home is not None and told == home.key:
        return Verdict.KNOWN
    policy = numbers.policy_of(tx, asked.id)
    is_welcome = policy is AddressPolicy.EVERYONE or (
        policy is AddressPolicy.CONTACTS
        and accounts.is_contact(tx, asked.id, asking.address)
    )
    if home is not None and is_welcome:
        return Verdict.WELCOME
    declined = tx.value(
        """SELECT max(decided) FROM address_request
        WHERE asking = ?1 AND asked = ?2 AND state = 'declined' AND NOT unasked""",
        asking.id,
        asked.id,
    )
    if declined is not None and now - REFUSAL_HOLDS < declined <= now:
        return Verdict.REFUSED
    return Verdict.ASK


def repeated(tx: Tx, asking_id: int, request: AddressRequest) -> Outcome | None:
    """Return what a request is whose id this number has used before."""
    row = tx.one(
        """SELECT nonce, account.address FROM address_request
            LEFT JOIN account ON account.id = asked
        WHERE asking = ?1 AND address_request.id = ?2""",
        asking_id,
        request.id,
    )
    if row is None:
        return None
    nonce, address = row
    is_same = hmac.compare_digest(nonce.encode(), request.nonce.encode())
    if is_same and address is None:
        return Outcome.UNKNOWN
    if is_same and address == request.recipient.key:
        return Outcome.REPEATED
    return Outcome.FORGED


def is_too_much(
    tx: Tx, asking_id: int, asked: Account | None, bounds: Bounds, now: float
) -> bool:
    """Whether one number has asked for too much, or another is asked by too many."""
    lately = tx.value(
        "SELECT count(*) FROM address_request WHERE asking = ?1 AND created > ?2",
        asking_id,
        now - HOUR,
    )
    made = tx.value(
        """SELECT count(*) FROM address_request
        WHERE asking = ?1 AND state = 'open'""",
        asking_id,
    )
    sent = 0
    if asked is not None:
        sent = tx.value(
            """SELECT count(*) FROM address_request
            WHERE asked = ?1 AND state = 'open'""",
            asked.id,
        )
    return bool(lately >= bounds.per_hour or max(made, sent) >= bounds.open)
