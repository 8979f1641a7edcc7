# SPDX-License-Identifier: Apache-2.0
"""Jobs on the queue as a whole: what is due, who takes it, what time ends."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from maild.mail.reply import Reply
from maild.mail.transfer import ACTIVE, CLAIMABLE, NEXT, SILENT, Event, State
from maild.store import messages, transfer_view
from maild.store.index import Tx
from maild.store.transfer_moves import advance, release_content
from maild.store.transfer_records import (
    SELECT,
    Transfer,
    from_row,
    get,
    listed,
    of_item,
    update,
)

LOOKED_AT = 1000
"""Due transfers among which a claim is fair; the rest is not yet in sight."""
WHEN_CLOSED = 1e11
"""Due time of what waits until its live item is closed: no clock says that."""
_DOMAIN = """substr({0}.recipient,
    length(rtrim({0}.recipient, replace({0}.recipient, '@', ''))) + 1)"""
_SAME_PUSH = f"""ticket IS NOT NULL AND EXISTS (SELECT 1 FROM transfer AS other
    WHERE other.item_id = transfer.item_id AND other.ticket IS NOT NULL
        AND other.state IN ({listed(ACTIVE)})
        AND {_DOMAIN.format("other")} = {_DOMAIN.format("transfer")})"""  # noqa: S608 - ours
"""Whether the next hop is being sent the same octets for somebody else: what they
bring there will not have to be sent again."""
_DUE = f"""held = 0 AND state IN ({listed(CLAIMABLE)}) AND NOT ({_SAME_PUSH})"""
_IDLE = frozenset(state for state, moves in NEXT.items() if Event.EXPIRE in moves)
_BAD_ENDS = frozenset({State.FAILED, State.DECLINED, State.EXPIRED})
_FOR_PEOPLE = "(ticket IS NOT NULL OR kind NOT IN ('{}'))".format(
    "', '".join(sorted(SILENT))
)
"""A user's own, and content of others that we keep, as a rendezvous."""
_NO_ANSWER = Reply(450, "4.7", "the recipient did not answer in time")
_TOO_LATE = Reply(450, "4.7", "it could not be delivered in time")
NO_GO = Reply(450, "4.7", "it was prepared, and its sender did not say go in time")


@dataclass(frozen=True, slots=True)
class Slots:
    """How many transfers of one domain may be under way, and how many are."""

    each: int
    taken: Mapping[str, int]

    def left(self, domain: str) -> int:
        """Return how many more of a domain may be claimed."""
        return self.each - self.taken.get(domain, 0)

    def but_for_full(self, place: int) -> tuple[str, list[str]]:
        """Return a condition that passes what full domains wait for; ?place is free.

        However many wait for a domain that is slow, they hide no other's.
        """
        names = [f"@{domain}" for domain in self.taken if self.left(domain) <= 0]
        condition = "".join(
            f" AND substr(recipient, -length(?{n})) != ?{n}"
            for n in range(place, place + len(names))
        )
        return condition, names


@dataclass(frozen=True, slots=True)
class Lanes:
    """Slots of small mail (offers, answers, ordinary mail) and of content.

    Apart, because a push takes as long as its source: what decides about content must
    not wait behind it.  ``pushes``: how many more there may be, whatever their domain.
    """

    small: Slots
    content: Slots
    pushes: int


UNBOUNDED = Lanes(Slots(2**31, {}), Slots(2**31, {}), 2**31)
_SMALL = "ticket IS NULL"
_CONTENT = "ticket IS NOT NULL"


def claim(
    tx: Tx, owner: str, now: float, most: int, lanes: Lanes = UNBOUNDED
) -> list[Transfer]:
    """Take up to ``most`` due transfers for delivery process ``owner``.

    Fair: at most one share per account and next hop before the next account's; small
    mail goes before content; no domain has more than its ``lanes`` allow.  An item is
    pushed to one recipient of a domain at a time.
    """
    taken = _fitting(_due(tx, now, most, _SMALL, lanes.small), lanes.small)
    pushes = max(0, min(most - len(taken), lanes.pushes))
    if pushes:
        content = _first_of_each(_due(tx, now, LOOKED_AT, _CONTENT, lanes.content))
        taken += _fitting(_in_turn(content), lanes.content)[:pushes]
    claimed = [advance(tx, transfer.id, Event.CLAIM, now) for transfer in taken]
    for transfer in claimed:
        tx.run("UPDATE transfer SET claimed_by = ?2 WHERE id = ?1", transfer.id, owner)
    return claimed


def _fitting(found: Iterable[Transfer], slots: Slots) -> list[Transfer]:
    """Return those for which their domain has a slot."""
    seen: Counter[str] = Counter()
    fitting: list[Transfer] = []
    for transfer in found:
        domain = transfer.recipient.domain
        if seen[domain] < slots.left(domain):
            seen[domain] += 1
            fitting.append(transfer)
    return fitting


def _due(tx: Tx, now: float, most: int, which: str, slots: Slots) -> list[Transfer]:
    passed, names = slots.but_for_full(3)
    rows = tx.all(
        SELECT
        + f"""WHERE {_DUE} AND due <= ?1 AND {which}{passed}
            ORDER BY due, id LIMIT ?2""",
        now,
        max(0, most),
        *names,
    )
    return [from_row(row) for row in rows]


def _first_of_each(found: Iterable[Transfer]) -> list[Transfer]:
    """Return the first push of each item to each domain."""
    first: dict[tuple[str | None, str], Transfer] = {}
    for transfer in found:
        first.setdefault((transfer.item_id, transfer.recipient.domain), transfer)
    return list(first.values())


def _in_turn(found: Iterable[Transfer]) -> list[Transfer]:
    """Order so that every account and next hop has its first before any its second."""
    seen: Counter[tuple[int | None, str]] = Counter()
    ranked: list[tuple[int, Transfer]] = []
    for transfer in found:
        whose = transfer.account_id, transfer.recipient.domain
        ranked.append((seen[whose], transfer))
        seen[whose] += 1
    return [transfer for _, transfer in sorted(ranked, key=lambda entry: entry[0])]


def next_due(tx: Tx, lanes: Lanes = UNBOUNDED) -> float | None:
    """Return when the next transfer that ``lanes`` allow is due, or None."""
    looks = [(_SMALL, lanes.small)]
    if lanes.pushes > 0:
        looks.append((_CONTENT, lanes.content))
    found: list[float] = []
    for which, slots in looks:
        passed, names = slots.but_for_full(1)
        due = tx.value(
            f"""SELECT due FROM transfer WHERE {_DUE} AND {which}{passed}
            ORDER BY due LIMIT 1""",  # noqa: S608 - ours
            *names,
        )
        found += [] if due is None else [float(due)]
    return min(found, default=None)


def last_due(tx: Tx) -> float | None:
    """Return when the last transfer that waits for its time is due, or None."""
    found = tx.value(
        f"SELECT max(due) FROM transfer WHERE {_DUE} AND due < ?1",  # noqa: S608 - ours
        WHEN_CLOSED,
    )
    return None if found is None else float(found)


def bring_forward(tx: Tx, latest: float, now: float) -> int:
    """Make due at once what is due after ``latest``; return how many.

    For what was put off while the clock was ahead: nobody meant it to wait so long.
    """
    done = tx.run(
        f"""UPDATE transfer SET due = ?2
        WHERE {_DUE} AND due > ?1 AND due < ?3""",  # noqa: S608 - ours
        latest,
        now,
        WHEN_CLOSED,
    )
    tx.changed("queue")
    return done


def next_expiry(tx: Tx) -> float | None:
    """Return when the next transfer that is not over (nor held) expires, or None."""
    found = tx.value(
        "SELECT min(expires) FROM transfer WHERE finished IS NULL AND held = 0"
    )
    return None if found is None else float(found)


def next_warning(tx: Tx, delay_warning: float) -> float | None:
    """Return when the next sender must be told of a delay, or None."""
    if not delay_warning:
        return None
    found = tx.value(
        f"""SELECT min(created) FROM transfer
        WHERE warned = 0 AND state = 'deferred'
            AND {_FOR_PEOPLE} AND sender != ''"""  # noqa: S608 - ours
    )
    return None if found is None else float(found) + delay_warning


def hasten(tx: Tx, transfer_id: str, now: float) -> bool:
    """Make a waiting transfer due at once; False when its state has no due time."""
    done = tx.run(
        f"""UPDATE transfer SET due = ?2
        WHERE id = ?1 AND due < ?3 AND state IN ({listed(CLAIMABLE)})""",  # noqa: S608 - ours
        transfer_id,
        now,
        WHEN_CLOSED,
    )
    tx.changed("queue")
    return done > 0


def hasten_one(tx: Tx, domain: str, now: float) -> None:
    """Make due at once one of those that wait for a domain whose server has called.

    The one that was touched longest ago: a call takes one, and the next call follows.
    """
    tx.run(
        f"""UPDATE transfer SET due = ?2 WHERE id = (SELECT id FROM transfer
            WHERE {_DUE} AND due > ?2 AND due < ?3
                AND substr(recipient, -length(?1)) = ?1
            ORDER BY changed, id LIMIT 1)""",  # noqa: S608 - ours
        f"@{domain}",
        now,
        WHEN_CLOSED,
    )
    tx.changed("queue")


def begin_waiting(tx: Tx, item_id: str, size: int, now: float) -> None:
    """Send what waited for a live item; it is closed and has ``size`` octets."""
    for transfer in of_item(tx, item_id):
        if transfer.due < WHEN_CLOSED or transfer.state is not State.QUEUED:
            continue
        expires = now + transfer.expires - WHEN_CLOSED
        tx.run(
            "UPDATE transfer SET due = ?2, expires = ?3, size = ?4 WHERE id = ?1",
            transfer.id,
            now,
            expires,
            size,
        )
        transfer = replace(transfer, due=now, expires=expires, size=size, changed=now)
        update(tx, transfer_view.show(tx, transfer, now))


def abandon_claims(tx: Tx, owner: str, now: float) -> int:
    """Defer (due at once) whatever ``owner`` had claimed before it died."""
    rows = tx.all("SELECT id FROM transfer WHERE claimed_by = ?1", owner)
    for (transfer_id,) in rows:
        advance(tx, transfer_id, Event.RELEASE_CLAIM, now, due=now)
    return len(rows)


def expire_due(tx: Tx, now: float) -> list[Transfer]:
    """Advance (EXPIRE) every idle transfer whose time has come; return them.

    What is held waits for whoever holds it; what is active ends by itself first.
    """
    rows = tx.all(
        SELECT
        + f"""WHERE finished IS NULL AND expires <= ?1 AND held = 0
            AND state IN ({listed(_IDLE)}) ORDER BY expires""",
        now,
    )
    expired: list[Transfer] = []
    for transfer in map(from_row, rows):
        reply: Reply | None = None
        if transfer.state is State.OFFERED:
            reply = _NO_ANSWER
        elif transfer.state is State.PREPARED:
            reply = NO_GO
        elif transfer.state is not State.DEFERRED:
            reply = _TOO_LATE
        expired.append(advance(tx, transfer.id, Event.EXPIRE, now, reply=reply))
    return expired


@dataclass(frozen=True, slots=True)
class Notice:
    """What a sender has to be told about one of their transfers."""

    transfer: Transfer
    name: str
    """Of the item, or the Subject of a mail."""
    delayed: bool


def notices_due(tx: Tx, now: float, delay_warning: float) -> list[Notice]:
    """Return transfers whose sender must be told of an end or a delay.

    Never about an answer, a withdrawal or what has the null path (RFC 5321 §4.5.5).
    """
    rows = tx.all(
        SELECT
        + f"""WHERE warned < 2 AND state IN ({listed(_BAD_ENDS)})
            AND {_FOR_PEOPLE} AND sender != '' ORDER BY changed"""
    )
    if delay_warning:
        rows += tx.all(
            SELECT
            + f"""WHERE warned = 0 AND state = 'deferred' AND created <= ?1
                AND {_FOR_PEOPLE} AND sender != '' ORDER BY created""",
            now - delay_warning,
        )
    return [
        Notice(transfer, transfer.name, transfer.state is State.DEFERRED)
        for transfer in map(from_row, rows)
    ]


def notified(tx: Tx, transfer_id: str, *, delayed: bool) -> None:
    """Record that the sender has been told, in the job that files the notice."""
    tx.run(
        "UPDATE transfer SET warned = max(warned, ?2) WHERE id = ?1",
        transfer_id,
        1 if delayed else 2,
    )
    if not delayed:
        release_content(tx, get(tx, transfer_id), told=True)


def forget_finished(tx: Tx, before: float) -> int:
    """Remove transfers finished before ``before`` and their messages in Transfers."""
    rows = tx.all(SELECT + "WHERE finished < ?1", before)
    for transfer in map(from_row, rows):
        transfer_view.hide(tx, transfer)
        tx.run("DELETE FROM transfer WHERE id = ?1", transfer.id)
        if transfer.content_id is not None:
            messages.release_content(tx, transfer.content_id)
    return len(rows)
