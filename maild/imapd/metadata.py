# SPDX-License-Identifier: Apache-2.0
"""The verbs on annotations: GETMETADATA and SETMETADATA (RFC 5464)."""

from __future__ import annotations

from dataclasses import dataclass

from maild.imapd.mailboxes import find, take_name
from maild.imapd.outcome import Done
from maild.imapd.session import Session, Verb
from maild.store import exchanges, item_view, metadata, numbers
from maild.store.index import Tx
from maild.wire.imap_cursor import BadError, Cursor
from maild.wire.imap_read import Command
from maild.wire.imap_write import (
    NoError,
    astring,
    encode_mailbox,
    literal_head,
    string,
)

LARGEST_VALUE = 64 * 1024
"""Octets of one value that a client may set."""
MOST_ENTRIES = 200
"""Entries a client may keep at one mailbox, or name in one command."""
OURS = "/private/vendor/maild/"
"""Entries below this are written by the server only, but for `numbers`."""


@dataclass(frozen=True, slots=True)
class Options:
    """How far a GETMETADATA looks (RFC 5464 §4.2.1, §4.2.2)."""

    largest: int | None = None
    depth: str = "0"


async def getmetadata(session: Session, command: Command) -> Done:
    """GETMETADATA (RFC 5464 §4.2)."""
    cursor = command.cursor()
    options = Options()
    if cursor.peek() == b"(":
        options = _take_options(cursor)
        cursor.space()
    name = take_name(session, cursor)
    cursor.space()
    wanted = _take_entries(cursor)
    cursor.end()
    if name:
        name = (await find(session, name)).name
    found = await session.store.index.read(
        _found, session.owner.id, name, wanted, options.depth
    )
    most = options.largest
    shown = {n: v for n, v in found.items() if most is None or len(v) <= most}
    await _tell(session, name, shown)
    longest = max((len(v) for n, v in found.items() if n not in shown), default=0)
    return Done("that is all", f"METADATA LONGENTRIES {longest}" if longest else "")


def _take_options(cursor: Cursor) -> Options:
    largest, depth = None, "0"
    cursor.open_list()
    first = True
    while cursor.in_list(first=first):
        first = False
        match cursor.keyword():
            case "MAXSIZE":
                cursor.space()
                largest = cursor.number()
            case "DEPTH":
                cursor.space()
                depth = cursor.keyword()
            case _:
                raise BadError("that option is not known here")
    if depth not in {"0", "1", "INFINITY"}:
        raise BadError("DEPTH is 0, 1 or infinity")
    return Options(largest, depth)


def _take_entries(cursor: Cursor) -> list[str]:
    if cursor.peek() != b"(":
        return [_take_entry(cursor)]
    found: list[str] = []
    cursor.open_list()
    while cursor.in_list(first=not found):
        found.append(_take_entry(cursor))
        if len(found) > MOST_ENTRIES:
            raise BadError("too many entries")
    return found


def _take_entry(cursor: Cursor) -> str:
    """Take an entry name; they know no case (RFC 5464 §3.2)."""
    octets = cursor.astring()
    try:
        name = octets.decode("ascii").lower()
    except UnicodeDecodeError:
        raise BadError("that is no entry name") from None
    forbidden = not name.startswith("/") or name.endswith("/") or "//" in name
    if forbidden or not name.isprintable() or "*" in name or "%" in name:
        raise BadError("that is no entry name")
    return name


def _found(
    tx: Tx, account_id: int, mailbox: str, wanted: list[str], depth: str
) -> dict[str, bytes]:
    """Return the entries that are wanted and there (a reading job)."""
    below = depth != "0"
    found: dict[str, bytes] = {}
    for entry in wanted:
        there = metadata.find(tx, account_id, mailbox, entry, below=below)
        if mailbox == metadata.SERVER:
            there |= exchanges.entries(tx, account_id, entry, below=below)
        if mailbox == item_view.MAILBOX:
            there |= item_view.find(tx, account_id, entry, below=below)
        found |= {
            name: value
            for name, value in there.items()
            if depth != "1" or "/" not in name[len(entry) + 1 :]
        }
    return found


async def _tell(session: Session, mailbox: str, entries: dict[str, bytes]) -> None:
    """Send one METADATA answer for each entry, so that no line grows with them."""
    name = encode_mailbox(mailbox, utf8=session.rev2)
    for entry, value in entries.items():
        shown = string(value)
        if b"\0" in value:
            shown = literal_head(len(value), binary=True) + value
        told = b"METADATA " + name + b" (" + astring(entry.encode()) + b" " + shown
        await session.untagged(told + b")")


async def setmetadata(session: Session, command: Command) -> Done:
    """SETMETADATA (RFC 5464 §4.3); NIL removes an entry."""
    cursor = command.cursor()
    name = take_name(session, cursor)
    cursor.space()
    changes: dict[str, bytes | None] = {}
    cursor.open_list()
    while cursor.in_list(first=not changes):
        entry = _take_entry(cursor)
        cursor.space()
        changes[entry] = cursor.nstring(binary=True)
    cursor.end()
    identity, address = session.house.identity, session.owner.address
    for entry, value in changes.items():
        own = not name and numbers.is_own_word(
            entry, of_number=identity.is_number(address)
        )
        _check(entry, value, own=own)
        if own and value is not None:
            why = numbers.complaint(entry, value, identity.rendezvous)
            if why is not None:
                raise NoError(why, "CANNOT")
    if name:
        name = (await find(session, name)).name
    made = await session.store.index.write(_change, session.owner.id, name, changes)
    if session.annotated is not None:
        session.annotated.changed_itself(made[0], made[-1])
    return Done("kept")


def _check(entry: str, value: bytes | None, *, own: bool) -> None:
    """Refuse what is no entry, too large, or ours; ``own``: the account's own word."""
    if not entry.startswith(("/private/", "/shared/")):
        raise BadError("an entry begins with /private/ or /shared/")
    if (entry + "/").startswith(OURS) and not own:
        raise NoError("only the server writes that", "CANNOT")
    if value is not None and len(value) > LARGEST_VALUE:
        raise NoError("the value is too large", f"METADATA MAXSIZE {LARGEST_VALUE}")


def _change(
    tx: Tx, account_id: int, mailbox: str, changes: dict[str, bytes | None]
) -> list[int]:
    """Set all entries or none; return the numbers of the changes (a writing job)."""
    made = [
        metadata.put(tx, account_id, mailbox, entry, value)
        for entry, value in changes.items()
    ]
    kept = metadata.everything(tx, account_id, mailbox)
    if sum(not name.startswith(OURS) for name in kept) > MOST_ENTRIES:
        raise NoError("there are too many entries", "METADATA TOOMANY")
    return made


VERBS: dict[str, Verb] = {"GETMETADATA": getmetadata, "SETMETADATA": setmetadata}
