# SPDX-License-Identifier: Apache-2.0
"""Jobs on exchanges: two people of a rendezvous who know each other's mail address.

One row for two numbers and their homes, whoever asked; a number that has another
address since is told anew, and the row of its former one goes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from maild.mail.address import Address
from maild.store import metadata
from maild.store.index import Tx

ENTRY: Final = "/private/vendor/maild/exchange"
"""Below it, one annotation of the server for each number that an account knows."""


@dataclass(frozen=True, slots=True)
class Person:
    """One side of an exchange."""

    number: Address
    home: Address


def made(tx: Tx, one: Person, other: Person, now: float) -> None:
    """Keep that two people have told each other their addresses."""
    first, second = sorted((one, other), key=lambda person: person.home.key)
    _forget_pair(tx, one.number, other.number)
    tx.run(
        """INSERT INTO exchange (first_home, second_home, first_number, second_number,
            made) VALUES (?1, ?2, ?3, ?4, ?5)
        ON CONFLICT DO UPDATE SET made = ?5""",
        first.home.key,
        second.home.key,
        first.number.key,
        second.number.key,
        now,
    )
    for number in (one.number, other.number):
        account_id = tx.value("SELECT id FROM account WHERE address = ?1", number.key)
        if account_id is not None:
            tx.changed(metadata.topic(account_id))


def known(tx: Tx, sender: Address, recipient: Address) -> bool:
    """Whether two mail addresses have been told to each other here."""
    first, second = sorted((sender.key, recipient.key))
    found = tx.value(
        "SELECT 1 FROM exchange WHERE first_home = ?1 AND second_home = ?2",
        first,
        second,
    )
    return found is not None


def told(tx: Tx, number: Address) -> dict[str, str]:
    """Return the mail addresses that ``number`` knows, by number (as `Address.key`)."""
    rows = tx.all(
        """SELECT second_number, second_home FROM exchange WHERE first_number = ?1
        UNION ALL
        SELECT first_number, first_home FROM exchange WHERE second_number = ?1
        ORDER BY 1""",
        number.key,
    )
    return dict(rows)


def entries(tx: Tx, account_id: int, entry: str, *, below: bool) -> dict[str, bytes]:
    """Return annotations that say what a number has been told: computed, never kept.

    Named by the other number without its domain, which is that of both.
    """
    names_one = entry.startswith(ENTRY + "/")
    names_all = below and (ENTRY + "/").startswith(entry + "/")
    if not names_one and not names_all:
        return {}
    address = tx.value("SELECT address FROM account WHERE id = ?1", account_id)
    if address is None:
        return {}
    local, _, domain = address.rpartition("@")
    found = {
        f"{ENTRY}/{number.rpartition('@')[0]}": home.encode()
        for number, home in told(tx, Address(local, domain)).items()
    }
    if names_one:
        return {name: home for name, home in found.items() if name == entry}
    return found


def forget(tx: Tx, number: Address) -> None:
    """Forget what a number was told, and who was told its address: it is gone."""
    tx.run(
        "DELETE FROM exchange WHERE first_number = ?1 OR second_number = ?1",
        number.key,
    )


def _forget_pair(tx: Tx, one: Address, other: Address) -> None:
    tx.run(
        """DELETE FROM exchange WHERE (first_number = ?1 AND second_number = ?2)
            OR (first_number = ?2 AND second_number = ?1)""",
        one.key,
        other.key,
    )
