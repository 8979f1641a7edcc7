# SPDX-License-Identifier: Apache-2.0
"""Who has a number, and who is told: what accounts say of themselves, as annotations.

A number says where its user's mail goes and to whom that is told; a mail account says
which number is its user's.  Everything else below the same prefix only we write.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from maild.mail.address import Address, AddressError, parse_address
from maild.mail.number import is_number
from maild.store import metadata
from maild.store.index import Tx

HOME: Final = "/private/vendor/maild/home"
"""Of a number: the mail address of whoever has it."""
POLICY: Final = "/private/vendor/maild/address-policy"
"""Of a number: an `AddressPolicy`; without it, `AddressPolicy.ASK`."""
RENDEZVOUS: Final = "/private/vendor/maild/rendezvous"
"""Of a mail account: the number of whoever has it, at its rendezvous."""

OF_NUMBERS: Final = frozenset({HOME, POLICY})
OF_MAIL: Final = frozenset({RENDEZVOUS})


class AddressPolicy(StrEnum):
    """Who is told a number's mail address without its user being asked."""

    ASK = "ask"
    CONTACTS = "contacts"
    EVERYONE = "everyone"


def is_own_word(entry: str, *, of_number: bool) -> bool:
    """Whether an account of this kind may write the entry itself."""
    return entry in (OF_NUMBERS if of_number else OF_MAIL)


def complaint(entry: str, value: bytes, own_domains: frozenset[str]) -> str | None:
    """Return why a value cannot be that of ``entry``; None when it can.

    ``own_domains``: those of this server whose accounts are numbers.
    """
    try:
        text = value.decode("utf-8")
        if entry == POLICY:
            AddressPolicy(text)
            return None
        address = parse_address(text)
    except (UnicodeDecodeError, AddressError):
        return "that is no mail address"
    except ValueError:
        return f"a policy is one of {', '.join(AddressPolicy)}"
    if address.is_literal or str(address).startswith('"'):
        return "that is no mail address of a person"
    if entry == HOME and (address.domain in own_domains or is_number(address.local)):
        return "that is a number, not a mail address"
    if entry == RENDEZVOUS and not is_number(address.local):
        return "that is not a number"
    return None


def home_of(tx: Tx, account_id: int) -> Address | None:
    """Return the mail address of whoever has a number, if it has been told."""
    return _address(tx, account_id, HOME)


def rendezvous_of(tx: Tx, account_id: int) -> Address | None:
    """Return the number of whoever has a mail account, if it has been told."""
    return _address(tx, account_id, RENDEZVOUS)


def policy_of(tx: Tx, account_id: int) -> AddressPolicy:
    """Return to whom a number's mail address is told unasked."""
    found = metadata.find(tx, account_id, metadata.SERVER, POLICY, below=False)
    return AddressPolicy(found.get(POLICY, b"ask").decode())


def _address(tx: Tx, account_id: int, entry: str) -> Address | None:
    found = metadata.find(tx, account_id, metadata.SERVER, entry, below=False)
    value = found.get(entry)
    return None if value is None else parse_address(value.decode())
