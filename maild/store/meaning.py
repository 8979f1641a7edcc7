# SPDX-License-Identifier: Apache-2.0
"""Jobs on what it means when a message is put into, or taken out of, a mailbox.

A message that arrives in ``Accepted`` or ``Declined`` decides its offer, or its address
request; an item's message that arrives in ``Share/<address>`` sends the item; what gets
``$Go`` in ``Transfers`` may go, what leaves it is cancelled; what leaves ``Items``,
``Library`` or ``Versions`` is removed.  Place and meaning change in one job: no crash
can part them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from maild.mail.address import Address, AddressError, parse_address
from maild.mail.transfer import FINAL, GO, Event, Lifetimes
from maild.store import (
    address_requests,
    arriving,
    closed,
    consent,
    items,
    mailboxes,
    messages,
    parting,
    transfers,
)
from maild.store.address_requests import Decided
from maild.store.index import Tx
from maild.store.mailboxes import Mailbox
from maild.store.messages import Line

SHARE = "Share/"
"""What is copied into a mailbox below this name is sent to the address it names."""
DECISIONS = {"Accepted": True, "Declined": False}
MADE_BY_US = frozenset({"Items", "Library", "Transfers", items.VERSIONS})
"""Mailboxes that nobody but the server puts messages into."""


class CannotError(Exception):
    """What a mailbox means forbids it; the text is for the client (``NO [CANNOT]``)."""


class NoMailboxError(Exception):
    """There is no such mailbox; it may be created (``NO [TRYCREATE]``)."""


@dataclass(frozen=True, slots=True)
class Fresh:
    """Names for what one message may start; jobs have no randomness of their own."""

    queue_id: str
    secret: str
    """32 hex digits: an offer's nonce, or a ticket."""


@dataclass(frozen=True, slots=True)
class Carried:
    """Where messages have arrived: (old UID, new UID) pairs in a mailbox."""

    uid_validity: int
    pairs: tuple[tuple[int, int], ...]
    answered: tuple[Decided, ...] = ()
    """Address requests that have been decided by it."""


@dataclass(frozen=True, slots=True)
class Errand:
    """A COPY or MOVE; ``fresh`` holds one `Fresh` for each of ``uids``."""

    account_id: int
    source: Mailbox
    uids: Sequence[int]
    target: str
    fresh: Sequence[Fresh]
    lifetimes: Lifetimes
    move: bool


def share_address(name: str) -> Address | None:
    """Return whom ``Share/<address>`` means; None when it is another mailbox.

    Raises `CannotError` for what looks like one and is no address that mail can reach.
    """
    if not name.startswith(SHARE):
        return None
    try:
        address = parse_address(name.removeprefix(SHARE))
    except AddressError as error:
        raise CannotError(f"not a mail address: {error}") from error
    if address.is_literal:
        raise CannotError("not a mail domain")
    return address


def canonical(name: str) -> str:
    """Return a mailbox name as it is meant: mutt turns each "." into our "/".

    Its ``imap_delim_chars`` are "/." unless set.  A mail domain without a dot that has
    a "/" in it can only be such a one, so ``Share/bob@b/example`` means bob@b.example.
    """
    name = mailboxes.canonical(name)
    if name.startswith(SHARE):
        local, _, domain = name.removeprefix(SHARE).rpartition("@")
        if local and "/" in domain and "." not in domain:
            return SHARE + f"{local}@{domain}".replace("/", ".")
    return name


def carry(tx: Tx, errand: Errand, now: float) -> Carried:
    """Copy or move messages and do what their arrival means; all of it or nothing."""
    if errand.target in MADE_BY_US:
        raise CannotError("only the server puts messages there")
    recipient = share_address(errand.target)
    if errand.move:
        _check_move(errand, sends=recipient is not None)
    target = mailboxes.find(tx, errand.account_id, errand.target)
    if target is None and recipient is not None:
        target = mailboxes.create(tx, errand.account_id, errand.target, now)
    if target is None:
        raise NoMailboxError
    if recipient is not None:
        pairs = _send(tx, errand, recipient, target, now)
    elif errand.target in DECISIONS:
        pairs, answered = _decide(tx, errand, target, now)
        return Carried(target.uid_validity, tuple(pairs), answered)
    elif errand.move and errand.source.name == "Transfers":
        pairs = messages.copy(tx, errand.source.id, errand.uids, target.id, move=False)
        expunge(tx, errand.source, errand.uids, now)
    else:
        pairs = messages.copy(
            tx, errand.source.id, errand.uids, target.id, move=errand.move
        )
    return Carried(target.uid_validity, tuple(pairs))


def expunge_deleted(tx: Tx, source: Mailbox, uids: Iterable[int], now: float) -> None:
    r"""Remove those of ``uids`` that are \Deleted, and what they stand for."""
    rows = tx.all(
        r"""SELECT uid FROM message
        WHERE mailbox_id = ?1 AND ' ' || flags || ' ' LIKE '% \Deleted %'""",
        source.id,
    )
    deleted = {uid for (uid,) in rows}
    expunge(tx, source, [uid for uid in uids if uid in deleted], now)


def expunge(tx: Tx, source: Mailbox, uids: Sequence[int], now: float) -> None:
    """Remove messages for good, and what they stand for."""
    if source.name == "Transfers":
        for uid in uids:
            _cancel(tx, source.id, uid, now)
    elif source.name in MADE_BY_US:
        for uid in uids:
            item = items.by_place(tx, source.id, uid)
            if item is not None and item.sha256 is None:
                arriving.refuse(tx, item, now)
            elif item is not None:
                items.remove(tx, source.account_id, item.id, now)
    messages.expunge(tx, source.id, uids)


def store_flags(
    tx: Tx,
    source: Mailbox,
    uids: Sequence[int],
    mode: str,
    flags: Iterable[str],
    now: float,
    *,
    unchanged_since: int | None = None,
) -> tuple[list[Line], list[int]]:
    r"""Change flags; return the changed lines and the UIDs left alone.

    Left alone is what changed after ``unchanged_since`` (RFC 7162 §3.1.3).  In
    Transfers \Flagged holds a transfer and lets it go again, and $Go is its sender's
    word that the content may go.
    """
    left: set[int] = set()
    if unchanged_since is not None:
        newer, _, _ = messages.lines(tx, source.id, since=unchanged_since)
        left = {line.uid for line in newer}.intersection(uids)
    wanted = [uid for uid in uids if uid not in left]
    changed = messages.store_flags(tx, source.id, wanted, mode, flags)
    if source.name == "Transfers":
        for line in changed:
            _hold(tx, source.id, line, now)
            _go(tx, source.id, line, now)
    return changed, sorted(left)


def _check_move(errand: Errand, *, sends: bool) -> None:
    if errand.source.name == "Library":
        raise CannotError("a Library keeps its items; copy them")
    if errand.source.name == "Items" and not sends:
        raise CannotError("an item is copied into Share/<address>, or deleted")
    if errand.source.name == items.VERSIONS:
        raise CannotError("a version is copied, or deleted")
    if errand.source.name == "Transfers" and errand.target != "Trash":
        raise CannotError("a transfer is only moved to Trash, which cancels it")


def _send(
    tx: Tx, errand: Errand, recipient: Address, target: Mailbox, now: float
) -> list[tuple[int, int]]:
    """Share items, and leave a small message in ``Share/<address>`` for each."""
    pairs: list[tuple[int, int]] = []
    stubs = mailboxes.find(tx, errand.account_id, "Items")
    for uid, fresh in zip(errand.uids, errand.fresh, strict=True):
        item = items.by_place(tx, errand.source.id, uid)
        if item is None:
            raise CannotError("only what lies in Items or Library can be sent this way")
        transfers.share(
            tx,
            errand.account_id,
            item.id,
            recipient,
            transfers.FreshShare(queue_id=fresh.queue_id, nonce=fresh.secret),
            errand.lifetimes,
            now,
        )
        place, old = errand.source.id, uid
        if stubs is not None and item.items_uid is not None:
            place, old = stubs.id, item.items_uid
        new = messages.copy(tx, place, [old], target.id, move=False)
        pairs += [(uid, there) for _, there in new]
        if errand.move:
            items.put_back(tx, errand.source.id, uid, now)  # sending takes nothing
    return pairs


def _decide(
    tx: Tx, errand: Errand, target: Mailbox, now: float
) -> tuple[list[tuple[int, int]], tuple[Decided, ...]]:
    """File messages in Accepted or Declined and decide what they offer or ask for."""
    contents = [
        tx.value(
            "SELECT content_id FROM message WHERE mailbox_id = ?1 AND uid = ?2",
            errand.source.id,
            uid,
        )
        for uid in errand.uids
    ]
    pairs = messages.copy(
        tx, errand.source.id, errand.uids, target.id, move=errand.move
    )
    answered: list[Decided] = []
    accepted = DECISIONS[errand.target]
    for content_id, fresh in zip(contents, errand.fresh, strict=True):
        if content_id is None:
            continue
        why_not = closed.complaint(tx, errand.account_id, content_id, now)
        if why_not is not None:
            raise CannotError(why_not)
        decided = consent.decide(
            tx,
            errand.account_id,
            content_id,
            consent.Randomness(ticket=fresh.secret, queue_id=fresh.queue_id),
            now,
            accepted=accepted,
        )
        if decided:
            closed.unmark(tx, content_id, parting.KEYWORD, but=target.id)  # copied
        try:
            answered += address_requests.decide(
                tx, errand.account_id, content_id, now, accepted=accepted
            )
        except address_requests.HomelessError:
            raise CannotError("this number has no mail address to tell yet") from None
    return pairs, tuple(answered)


def _cancel(tx: Tx, transfers_id: int, uid: int, now: float) -> None:
    """Cancel the transfer that a message in Transfers shows, unless it is over."""
    transfer = transfers.by_view(tx, transfers_id, uid)
    if transfer is not None and transfer.state not in FINAL:
        transfers.advance(tx, transfer.id, Event.CANCEL, now)


def _hold(tx: Tx, transfers_id: int, line: Line, now: float) -> None:
    """Hold what is flagged, let go what is not."""
    transfer = transfers.by_view(tx, transfers_id, line.uid)
    flagged = "\\Flagged" in line.flags
    if (
        transfer is not None
        and transfer.state not in FINAL
        and transfer.held != flagged
    ):
        transfers.hold(tx, transfer.id, now, held=flagged)


def _go(tx: Tx, transfers_id: int, line: Line, now: float) -> None:
    """Let content go; a keyword knows no case (RFC 9051 §2.3.2)."""
    if GO.casefold() not in {flag.casefold() for flag in line.flags}:
        return
    transfer = transfers.by_view(tx, transfers_id, line.uid)
    if transfer is not None:
        transfers.go(tx, transfer.id, now)
