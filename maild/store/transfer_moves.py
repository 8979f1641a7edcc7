# SPDX-License-Identifier: Apache-2.0
"""Jobs that move one transfer: added, advanced by the table, held, making progress."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from email.errors import HeaderParseError
from email.header import decode_header, make_header

from maild.mail.reply import Reply
from maild.mail.transfer import ACTIVE, FINAL, SILENT, Event, Kind, State, retry_delay
from maild.mail.transfer import advance as next_state
from maild.store import messages, passed, trace, transfer_view, withdrawals
from maild.store.errors import NotFoundError
from maild.store.index import Tx
from maild.store.trace import TraceEvent
from maild.store.transfer_records import Transfer, get, insert, of_item, update

LONGEST = 500
"""Characters of a peer's reply that are kept."""
_BEGIN_ANEW = frozenset({Event.ACCEPT, Event.PREPARE, Event.GO})
"""After these the attempts that failed before do not count."""


def add(tx: Tx, transfer: Transfer, now: float) -> bool:
    """Queue a transfer and (for a user's own) show it in Transfers; wakes ``queue``.

    A share of the same item to the same recipient that is not final, or was sent, is
    not queued twice: returns False.
    """
    if find_share(tx, transfer) is not None:
        return False
    if transfer.content_id is not None:
        messages.hold_content(tx, transfer.content_id)
    transfer = replace(transfer, name=transfer.name or _name(tx, transfer))
    insert(tx, transfer)
    shown = transfer_view.show(tx, transfer, now)
    if shown is not transfer:
        update(tx, shown)
    _note(tx, shown, now, f"{shown.kind} for {shown.recipient} queued")
    return True


def find_share(tx: Tx, transfer: Transfer) -> Transfer | None:
    """Return the open (or sent) share of the same item to the same address."""
    if transfer.kind is not Kind.SHARE or transfer.item_id is None:
        return None
    for other in of_item(tx, transfer.item_id):
        over = other.state in FINAL and other.state is not State.SENT
        if not over and other.recipient.key == transfer.recipient.key:
            return other
    return None


def advance(
    tx: Tx,
    transfer_id: str,
    event: Event,
    now: float,
    *,
    reply: Reply | None = None,
    relay: str = "",
    due: float | None = None,
) -> Transfer:
    """Apply an event, record the reply, renew its message in Transfers, wake all.

    A peer that waits for what will not come is told.

    ``due`` is when a deferred one may be tried again.
    """
    old = get(tx, transfer_id)
    state = next_state(old.state, event)
    failed = event is Event.FAIL_FOR_NOW
    attempts = 0 if event in _BEGIN_ANEW else old.attempts + failed
    new = replace(
        old,
        state=state,
        attempts=attempts,
        octets=old.size if event is Event.DELIVER else old.octets,
        rate=0.0,
        due=_due(state, attempts, now, due, failed=failed),
        changed=now,
        finished=now if state in FINAL else None,
        relay=relay or old.relay,
    )
    if event is Event.CANCEL:
        new = replace(new, status="", reply="")  # not what kept it before
    if reply is not None:
        text = "".join(c if c.isprintable() else "?" for c in reply.text[:LONGEST])
        new = replace(new, status=reply.status or str(reply.code), reply=text)
    new = transfer_view.show(
        tx, release_content(tx, new), now, is_short=event is Event.GO
    )
    update(tx, new)
    said = f"{event} {new.status} {new.reply}" if reply is not None else str(event)
    _note(tx, new, now, said.rstrip())
    withdrawals.after(tx, old, new, now)
    passed.after(tx, new, now)
    return new


def _due(
    state: State, attempts: int, now: float, due: float | None, *, failed: bool
) -> float:
    if state in ACTIVE or not failed:
        return now if due is None else due
    return now + retry_delay(attempts) if due is None else due


def release_content(tx: Tx, transfer: Transfer, *, told: bool = False) -> Transfer:
    """Give back the message once nobody needs it any more.

    A failure notice quotes its header: until it is given (``told``) it stays.
    """
    needed = transfer.state not in FINAL or (
        transfer.state not in (State.SENT, State.CANCELLED)
        and transfer.kind not in SILENT
        and transfer.sender is not None
        and not told
    )
    if needed or transfer.content_id is None:
        return transfer
    tx.run("UPDATE transfer SET content_id = NULL WHERE id = ?1", transfer.id)
    messages.release_content(tx, transfer.content_id)
    return replace(transfer, content_id=None)


def progress(
    tx: Tx, transfer_id: str, octets: int, now: float, rate: float = 0.0
) -> None:
    """Record what the next hop has acknowledged; never backwards.

    Whoever resumes may have lost the end of what he had acknowledged: what is shown is
    the most that ever was.  ``rate`` is in octets a second.  Renews the annotation
    ``/private/vendor/maild/transfer/<id>`` of ``Transfers`` (`transfer_view`).
    """
    old = get(tx, transfer_id)
    if octets <= old.octets:
        return
    tx.run(
        "UPDATE transfer SET octets = ?2, changed = ?3, rate = ?4 WHERE id = ?1",
        transfer_id,
        octets,
        now,
        rate,
    )
    tx.changed(f"transfer:{transfer_id}")
    transfer_view.show_numbers(tx, replace(old, octets=octets, rate=rate))


def progress_together(
    tx: Tx, moved: Mapping[str, tuple[int, float]], now: float
) -> None:
    """Record octets and rate of several transfers; one that is gone is left out."""
    for transfer_id, (octets, rate) in moved.items():
        with suppress(NotFoundError):
            progress(tx, transfer_id, octets, now, rate)


def routed(tx: Tx, transfer_id: str, route: str) -> None:
    """Record by which ways content goes."""
    tx.run("UPDATE transfer SET route = ?2 WHERE id = ?1", transfer_id, route)
    transfer_view.show_numbers(tx, get(tx, transfer_id))


def out_of_reach(tx: Tx, transfer_id: str, since: float | None) -> None:
    """Record since when no way leads to the recipient's server; None: one does."""
    tx.run("UPDATE transfer SET away = ?2 WHERE id = ?1", transfer_id, since)


def hold(tx: Tx, transfer_id: str, now: float, *, held: bool) -> Transfer:
    """Keep a transfer from being claimed, or let it go again."""
    transfer = replace(get(tx, transfer_id), held=held, changed=now)
    update(tx, transfer)
    transfer_view.show_hold(tx, transfer)
    _note(tx, transfer, now, "held" if held else "released")
    return transfer


def _name(tx: Tx, transfer: Transfer) -> str:
    if transfer.item_id is not None:
        name = tx.value("SELECT name FROM item WHERE id = ?1", transfer.item_id)
        return str(name or "")
    structure = tx.value(
        "SELECT structure FROM content WHERE id = ?1", transfer.content_id
    )
    if structure is None or not transfer_view.is_shown(transfer):
        return ""
    subject = str(json.loads(structure)["envelope"][1] or "")[:LONGEST]
    try:
        return str(make_header(decode_header(subject)))
    except (HeaderParseError, LookupError, ValueError):
        return subject


def _note(tx: Tx, transfer: Transfer, now: float, text: str) -> None:
    trace.note(tx, TraceEvent(now, transfer.trace, transfer.id, "queue", text))
