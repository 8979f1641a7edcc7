# SPDX-License-Identifier: Apache-2.0
"""The verb that changes flags: STORE (RFC 9051 §6.4.6)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from maild.imapd.outcome import Done
from maild.imapd.selected import Selected
from maild.imapd.session import Session
from maild.store import meaning
from maild.store.index import Tx
from maild.store.messages import Line
from maild.wire.imap_cursor import BadError, Cursor
from maild.wire.imap_numbers import compact
from maild.wire.imap_read import Command
from maild.wire.imap_write import NoError, flag_list

LONGEST_KEYWORD = 100
"""Octets of one keyword."""
MOST_FLAGS = 50
"""Flags in one STORE."""


def demand_writable(session: Session) -> None:
    """Refuse what would change a mailbox that was only to be examined."""
    if session.view.read_only:
        raise NoError("the mailbox is selected read-only", "READ-ONLY")


async def store(session: Session, command: Command, *, uid: bool = False) -> Done:
    """STORE (RFC 9051 §6.4.6), UNCHANGEDSINCE (RFC 7162 §3.1.3)."""
    cursor = command.cursor()
    view = session.view
    uids = view.uids_of(cursor.sequence_set(), uid=uid)
    cursor.space()
    since = _unchanged_since(cursor)
    mode = next((sign for sign in ("+", "-") if cursor.accept(sign.encode())), "=")
    item = cursor.keyword()
    if item not in {"FLAGS", "FLAGS.SILENT"}:
        raise BadError("only FLAGS can be stored")
    cursor.space()
    flags = _take_flags(cursor)
    demand_writable(session)
    if since is not None:
        session.enabled.add("CONDSTORE")
    change = _Change(uids, mode, flags, since)
    changed, left, vanished = await session.store.index.write(
        _change, view, change, session.store.clock()
    )
    view.put(changed)
    refused = vanished.union(left)
    told = [u for u in uids if u not in refused]
    silent = item == "FLAGS.SILENT"
    if silent:
        told = [line.uid for line in changed] if session.condstore else []
    await _tell_flags(session, told, silent=silent, uid=uid)
    shown = left if uid else [number for number, _ in view.numbered(left)]
    code = f"MODIFIED {compact(shown)}" if left else ""
    # RFC 2180 §4.2: whoever waits for the flags of a message that is gone is told NO,
    # silence stays OK; a UID that is not there is no error (RFC 9051 §6.4.9).
    if not uid and not vanished.isdisjoint(uids):
        gone, code = "some of the messages are gone", code or "EXPUNGEISSUED"
        if not silent:
            raise NoError(gone, code)
        return Done(gone, code)
    return Done("stored", code)


@dataclass(frozen=True, slots=True)
class _Change:
    """What one STORE asks for."""

    uids: Sequence[int]
    mode: str
    flags: tuple[str, ...]
    unchanged_since: int | None


def _change(
    tx: Tx, view: Selected, wanted: _Change, now: float
) -> tuple[list[Line], list[int], set[int]]:
    """Change flags (a job); return changed lines, UIDs left alone, UIDs gone."""
    changed, left = meaning.store_flags(
        tx,
        view.mailbox,
        wanted.uids,
        wanted.mode,
        wanted.flags,
        now,
        unchanged_since=wanted.unchanged_since,
    )
    return changed, left, view.vanished(tx)


def _unchanged_since(cursor: Cursor) -> int | None:
    if not cursor.accept(b"(UNCHANGEDSINCE "):
        return None
    since = cursor.number()
    cursor.expect(b") ")
    return since


def _take_flags(cursor: Cursor) -> tuple[str, ...]:
    """Take the flags to the end; the parentheses may be missing (RFC 9051 §9)."""
    if cursor.peek() == b"(":
        flags = cursor.flag_list()
    else:
        found = [cursor.flag()]
        while not cursor.at_end:
            cursor.space()
            found.append(cursor.flag())
        flags = tuple(found)
    cursor.end()
    check_flags(flags)
    return flags


def check_flags(flags: Sequence[str]) -> None:
    """Refuse what would make every answer about a message long."""
    if len(flags) > MOST_FLAGS or any(len(f) > LONGEST_KEYWORD for f in flags):
        raise NoError("too many flags, or too long ones", "LIMIT")


async def _tell_flags(
    session: Session, uids: Sequence[int], *, silent: bool, uid: bool
) -> None:
    told = bytearray()
    for number, line in session.view.numbered(uids):
        facts = [b"UID %d" % line.uid] if uid else []
        if not silent:
            facts.append(b"FLAGS " + flag_list(line.flags))
        if session.condstore:
            facts.append(b"MODSEQ (%d)" % line.mod_seq)
        told += b"* %d FETCH (%s)\r\n" % (number, b" ".join(facts))
        if len(told) > 64 * 1024:
            await session.send(bytes(told))
            told.clear()
    if told:
        await session.send(bytes(told))
