# SPDX-License-Identifier: Apache-2.0
"""The rows of table ``transfer``: reading and writing one whole."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from maild.mail.address import Address, parse_address
from maild.mail.transfer import ACTIVE, FINAL, Kind, State
from maild.store.errors import NotFoundError
from maild.store.index import Row, Tx


@dataclass(frozen=True, slots=True)
class Transfer:
    """One queue entry; the columns of table ``transfer`` (times: Unix seconds)."""

    id: str
    account_id: int | None
    kind: Kind
    state: State
    held: bool
    item_id: str | None
    content_id: int | None
    sender: Address | None
    """None is the null reverse-path ``<>``."""
    recipient: Address
    smtputf8: bool
    note: str
    size: int
    octets: int
    nonce: str | None
    ticket: str | None
    ticket_size: int | None
    """Octets the ticket is good for; of an answer that brings one, too."""
    attempts: int
    due: float
    expires: float
    warned: bool
    status: str
    reply: str
    relay: str
    trace: str
    created: float
    changed: float
    finished: float | None
    view_uid: int | None
    name: str = ""
    """Of the item, or the Subject of a mail; `add` finds it."""
    rate: float = 0.0
    """Octets a second that the next hop acknowledges, while content moves; else 0."""
    via: str = ""
    """Domain of the rendezvous by which offer, answer and withdrawal go; "" is none."""
    confirm: float = 0.0
    """Seconds in which the sender has to say go once it is prepared; 0: need not."""
    lasts: float | None = None
    """When it would have expired, while ``expires`` is until when go may be said."""
    route: str = ""
    """How content went in the last attempt: direct, a rendezvous, both; "" is none."""

    away: float | None = None
    """Since when no way has led to the recipient's server; None while one does."""

    @property
    def is_kept(self) -> bool:
        """Whether it is content of others that we keep, as a rendezvous.

        Its ticket is the proof itself: the ticket is for the sender's server only.
        """
        return self.kind is Kind.RELAY and self.ticket is not None

    @property
    def carries_ticket(self) -> bool:
        """Whether it is an answer that brings a ticket: a secret on its way."""
        return self.kind is Kind.ANSWER and self.ticket_size is not None


def newly_queued(
    kind: Kind,
    queue_id: str,
    account_id: int | None,
    sender: Address | None,
    recipient: Address,
    *,
    size: int,
    trace: str,
    now: float,
    expires: float,
) -> Transfer:
    """Return a new transfer, due at once, of which nothing has left.

    What it carries (``item_id`` or ``content_id``) is for the caller to add.
    """
    addresses = [address for address in (sender, recipient) if address is not None]
    return Transfer(
        id=queue_id,
        account_id=account_id,
        kind=kind,
        state=State.QUEUED,
        held=False,
        item_id=None,
        content_id=None,
        sender=sender,
        recipient=recipient,
        smtputf8=not all(address.is_ascii for address in addresses),
        note="",
        size=size,
        octets=0,
        nonce=None,
        ticket=None,
        ticket_size=None,
        attempts=0,
        due=now,
        expires=expires,
        warned=False,
        status="",
        reply="",
        relay="",
        trace=trace,
        created=now,
        changed=now,
        finished=None,
        view_uid=None,
    )


_COLUMNS = """id, account_id, kind, state, held, item_id, content_id, sender, recipient,
    smtputf8, note, size, octets, nonce, ticket, ticket_size, attempts, due, expires,
    warned, status, reply, relay, trace, created, changed, finished, view_uid, name,
    rate, via, confirm, lasts, route, away"""
SELECT = f"SELECT {_COLUMNS} FROM transfer "  # noqa: S608 - the columns are ours


def insert(tx: Tx, transfer: Transfer) -> None:
    """Add a row."""
    places = ", ".join(f"?{n}" for n in range(1, 36))
    tx.run(
        f"INSERT INTO transfer ({_COLUMNS}) VALUES ({places})",  # noqa: S608 - ours
        *_values(transfer),
    )
    tx.changed("queue", f"transfer:{transfer.id}")


def update(tx: Tx, transfer: Transfer) -> None:
    """Write what can change in a row; a claim ends with the attempt."""
    tx.run(
        """UPDATE transfer SET state = ?2, held = ?3, item_id = ?4, content_id = ?5,
            octets = ?6, ticket = ?7, ticket_size = ?8, attempts = ?9, due = ?10,
            expires = ?11, status = ?12, reply = ?13, relay = ?14, changed = ?15,
            finished = ?16, view_uid = ?17, rate = ?18, confirm = ?20, lasts = ?21,
            claimed_by = CASE WHEN ?19 THEN claimed_by END
        WHERE id = ?1""",
        transfer.id,
        transfer.state.value,
        transfer.held,
        transfer.item_id,
        transfer.content_id,
        transfer.octets,
        transfer.ticket,
        transfer.ticket_size,
        transfer.attempts,
        transfer.due,
        transfer.expires,
        transfer.status,
        transfer.reply,
        transfer.relay,
        transfer.changed,
        transfer.finished,
        transfer.view_uid,
        transfer.rate,
        transfer.state in ACTIVE,
        transfer.confirm,
        transfer.lasts,
    )
    tx.changed("queue", f"transfer:{transfer.id}")


def get(tx: Tx, transfer_id: str) -> Transfer:
    """Return a transfer; raise `NotFoundError`."""
    row = tx.one(SELECT + "WHERE id = ?1", transfer_id)
    if row is None:
        raise NotFoundError("there is no such transfer")
    return from_row(row)


def of_item(tx: Tx, item_id: str) -> list[Transfer]:
    """Return the transfers of an item, oldest first."""
    rows = tx.all(SELECT + "WHERE item_id = ?1 ORDER BY created, id", item_id)
    return [from_row(row) for row in rows]


def everything(
    tx: Tx, account_id: int | None = None, *, final: bool = True
) -> list[Transfer]:
    """Return transfers, oldest first; of one account, or of all (None)."""
    rows = tx.all(
        SELECT
        + f"""WHERE (?1 IS NULL OR account_id = ?1)
            AND (?2 OR state NOT IN ({listed(FINAL)})) ORDER BY created, id""",
        account_id,
        final,
    )
    return [from_row(row) for row in rows]


def listed(states: Iterable[State]) -> str:
    """Return states as an SQL list."""
    return ", ".join(f"'{state.value}'" for state in sorted(states))


def from_row(row: Row) -> Transfer:
    """Return the transfer that a row of `SELECT` says."""
    facts = list(row)
    facts[2] = Kind(facts[2])
    facts[3] = State(facts[3])
    facts[7] = parse_address(facts[7]) if facts[7] else None
    facts[8] = parse_address(facts[8])
    for flag in (4, 9, 19):
        facts[flag] = bool(facts[flag])
    return Transfer(*facts)


def _values(transfer: Transfer) -> list[object]:
    values: list[object] = []
    for name in Transfer.__slots__:
        value = getattr(transfer, name)
        values.append(str(value) if isinstance(value, Address) else value)
    values[7] = values[7] or ""
    return values
