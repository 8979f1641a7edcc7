# SPDX-License-Identifier: Apache-2.0
"""The verbs on whole mailboxes: SELECT, CREATE, DELETE, RENAME, STATUS and so on."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from maild.imapd.outcome import Done
from maild.imapd.selected import Selected
from maild.imapd.session import Session, Verb
from maild.store import mailboxes
from maild.store.errors import ExistsError, NotFoundError, ProtectedError
from maild.store.index import Tx
from maild.store.mailboxes import PROTECTED, Counts, Mailbox
from maild.store.meaning import (
    MADE_BY_US,
    CannotError,
    canonical,
    share_address,
)
from maild.store.messages import Line
from maild.wire.imap_cursor import SYSTEM_FLAGS, BadError, Cursor
from maild.wire.imap_read import Command
from maild.wire.imap_write import (
    NoError,
    decode_mailbox,
    encode_mailbox,
    flag_list,
)

LONGEST_NAME = 1000
"""Octets of a mailbox name."""
MOST_MAILBOXES = 1000
"""Mailboxes of one account."""
STATUS_ITEMS = frozenset(
    {"MESSAGES", "UIDNEXT", "UIDVALIDITY", "UNSEEN", "DELETED", "SIZE", "RECENT"}
    | {"HIGHESTMODSEQ", "APPENDLIMIT", "DELETED-STORAGE"}
)


def take_name(session: Session, cursor: Cursor) -> str:
    """Take a mailbox name from a command."""
    octets = cursor.astring()
    if len(octets) > LONGEST_NAME:
        raise NoError("the name is too long", "LIMIT")
    return canonical(decode_mailbox(octets, utf8=session.rev2))


async def find(session: Session, name: str) -> Mailbox:
    """Return one of the account's mailboxes; `NoError` when it is not there."""
    found = await session.store.index.read(mailboxes.find, session.owner.id, name)
    if found is None:
        raise NoError("there is no such mailbox", "NONEXISTENT")
    return found


async def select(session: Session, command: Command) -> Done:
    """SELECT and EXAMINE (RFC 9051 §6.3.2, §6.3.3)."""
    cursor = command.cursor()
    name = take_name(session, cursor)
    if not cursor.at_end:
        cursor.space()
        _take_parameters(session, cursor)
    cursor.end()
    if session.selected is not None and (session.rev2 or session.condstore):
        await session.untagged(b"OK [CLOSED] the other mailbox is closed")
    session.selected = None
    read_only = command.verb == "EXAMINE"
    mailbox = await find(session, name)
    view = Selected(mailbox, read_only=read_only, largest=session.largest)
    await session.store.index.read(view.load)
    await _describe(session, view)
    session.selected = view
    return Done("selected", "READ-ONLY" if read_only else "READ-WRITE")


def _take_parameters(session: Session, cursor: Cursor) -> None:
    """Take ``(CONDSTORE)`` (RFC 7162 §3.1.8)."""
    cursor.open_list()
    first = True
    while cursor.in_list(first=first):
        if cursor.keyword() != "CONDSTORE":
            raise BadError("that parameter is not known here")
        session.enabled.add("CONDSTORE")
        first = False


async def _describe(session: Session, view: Selected) -> None:
    """Say what a client has to know of a mailbox that it selects."""
    flags = _flags(view.lines)
    permanent = () if view.read_only else (*flags, "\\*")
    unseen = view.unseen
    told = [b"FLAGS " + flag_list(flags), b"%d EXISTS" % len(view.lines)]
    if not session.rev2:
        told.append(b"0 RECENT")
        if unseen is not None:
            told.append(b"OK [UNSEEN %d] the first not seen" % unseen)
    told += [
        b"OK [PERMANENTFLAGS " + flag_list(permanent) + b"] kept",
        b"OK [UIDVALIDITY %d] these UIDs" % view.mailbox.uid_validity,
        b"OK [UIDNEXT %d] the next one" % view.mailbox.uid_next,
        b"OK [HIGHESTMODSEQ %d] changes so far" % view.mod_seq,
    ]
    if session.rev2:
        name = encode_mailbox(view.mailbox.name, utf8=True)
        told.append(b'LIST () "/" ' + name)
    await session.send(b"".join(b"* " + line + b"\r\n" for line in told))


def _flags(lines: Iterable[Line]) -> tuple[str, ...]:
    keywords = {flag for line in lines for flag in line.flags} - SYSTEM_FLAGS
    return (*sorted(SYSTEM_FLAGS), *sorted(keywords))


async def unselect(session: Session, command: Command) -> Done:
    """UNSELECT (RFC 9051 §6.4.2)."""
    command.cursor().end()
    session.selected = None
    return Done("nothing is selected")


async def create(session: Session, command: Command) -> Done:
    """CREATE (RFC 9051 §6.3.4); below Share only mail addresses have a meaning."""
    cursor = command.cursor()
    name = take_name(session, cursor)
    cursor.end()
    await _write(session, _create, session.owner.id, name, session.store.clock())
    return Done("created")


def _create(tx: Tx, account_id: int, name: str, now: float) -> None:
    _check_share(name)
    if "*" in name or "%" in name:
        raise NoError("a name with * or % could not be listed", "CANNOT")
    mailboxes.create(tx, account_id, name, now)
    _check_bounds(tx, account_id)


def _check_bounds(tx: Tx, account_id: int) -> None:
    """Undo a job (by raising) that left too many mailboxes, or too long names."""
    everything = mailboxes.everything(tx, account_id)
    if len(everything) > MOST_MAILBOXES:
        raise NoError("there are too many mailboxes", "LIMIT")
    if any(len(mailbox.name.encode()) > LONGEST_NAME for mailbox in everything):
        raise NoError("a name would be too long", "LIMIT")


def _check_share(name: str) -> None:
    try:
        share_address(name)
    except CannotError as error:
        raise NoError(str(error), "CANNOT") from error


async def delete(session: Session, command: Command) -> Done:
    """DELETE (RFC 9051 §6.3.5)."""
    cursor = command.cursor()
    name = take_name(session, cursor)
    cursor.end()
    await _write(session, _delete, session.owner.id, name)
    if session.selected is not None and session.selected.mailbox.name == name:
        session.selected = None
    return Done("deleted")


def _delete(tx: Tx, account_id: int, name: str) -> None:
    if name in PROTECTED:
        raise ProtectedError
    below = name + "/"
    if any(m.name.startswith(below) for m in mailboxes.everything(tx, account_id)):
        raise NoError("there are mailboxes below it", "HASCHILDREN")
    mailboxes.remove(tx, account_id, name)


async def rename(session: Session, command: Command) -> Done:
    """RENAME (RFC 9051 §6.3.6)."""
    cursor = command.cursor()
    name = take_name(session, cursor)
    cursor.space()
    new_name = take_name(session, cursor)
    cursor.end()
    _check_share(new_name)
    if new_name in PROTECTED or new_name.partition("/")[0] in MADE_BY_US:
        raise NoError("that name has a meaning here", "CANNOT")
    now = session.store.clock()
    await _write(session, _rename, session.owner.id, name, new_name, now)
    return Done("renamed")


def _rename(tx: Tx, account_id: int, name: str, new_name: str, now: float) -> None:
    mailboxes.rename(tx, account_id, name, new_name, now)
    _check_bounds(tx, account_id)


async def _write(
    session: Session, job: Callable[..., object], *arguments: object
) -> None:
    """Run a job on names and say in IMAP's words why it failed."""
    try:
        await session.store.index.write(job, *arguments)
    except ExistsError:
        raise NoError("there is one of that name", "ALREADYEXISTS") from None
    except ProtectedError:
        raise NoError("the server needs it as it is", "CANNOT") from None
    except NotFoundError:
        raise NoError("there is no such mailbox", "NONEXISTENT") from None


async def subscribe(session: Session, command: Command) -> Done:
    """SUBSCRIBE and UNSUBSCRIBE (RFC 9051 §6.3.7, §6.3.8)."""
    cursor = command.cursor()
    name = take_name(session, cursor)
    cursor.end()
    mailbox = await find(session, name)
    await session.store.index.write(
        mailboxes.subscribe,
        session.owner.id,
        mailbox.name,
        subscribed=command.verb == "SUBSCRIBE",
    )
    return Done("noted")


async def namespace(session: Session, command: Command) -> Done:
    """NAMESPACE (RFC 9051 §6.3.10): one, with ``/`` between levels."""
    command.cursor().end()
    await session.untagged(b'NAMESPACE (("" "/")) NIL NIL')
    return Done("that is all")


async def status(session: Session, command: Command) -> Done:
    """STATUS (RFC 9051 §6.3.11)."""
    cursor = command.cursor()
    name = take_name(session, cursor)
    cursor.space()
    items = take_status_items(cursor)
    cursor.end()
    mailbox = await find(session, name)
    await session.untagged(await status_of(session, mailbox, items))
    return Done("counted")


def take_status_items(cursor: Cursor) -> tuple[str, ...]:
    """Take a parenthesised list of STATUS items."""
    cursor.open_list()
    items: list[str] = []
    while cursor.in_list(first=not items):
        items.append(cursor.keyword())
        if items[-1] not in STATUS_ITEMS:
            raise BadError("that item is not known here")
    return tuple(dict.fromkeys(items))


async def status_of(session: Session, mailbox: Mailbox, items: Iterable[str]) -> bytes:
    """Return ``STATUS mailbox (item n ...)``."""
    mailbox, counts = await session.store.index.read(_look, mailbox.id, session.largest)
    known = {
        "MESSAGES": counts.messages,
        "UIDNEXT": mailbox.uid_next,
        "UIDVALIDITY": mailbox.uid_validity,
        "UNSEEN": counts.unseen,
        "DELETED": counts.deleted,
        "DELETED-STORAGE": counts.deleted_size,  # RFC 9208 §4.1.4
        "SIZE": counts.size,
        "RECENT": 0,
        "HIGHESTMODSEQ": mailbox.mod_seq,
        "APPENDLIMIT": session.house.settings.append_limit,
    }
    if "HIGHESTMODSEQ" in items:
        session.enabled.add("CONDSTORE")
    told = " ".join(f"{item} {known[item]}" for item in items)
    name = encode_mailbox(mailbox.name, utf8=session.rev2)
    return b"STATUS " + name + f" ({told})".encode()


def _look(tx: Tx, mailbox_id: int, largest: int) -> tuple[Mailbox, Counts]:
    """Return both as of one moment (a reading job)."""
    counts = mailboxes.counts(tx, mailbox_id, largest)
    return mailboxes.get(tx, mailbox_id), counts


VERBS: dict[str, Verb] = {
    "SELECT": select,
    "EXAMINE": select,
    "UNSELECT": unselect,
    "CREATE": create,
    "DELETE": delete,
    "RENAME": rename,
    "SUBSCRIBE": subscribe,
    "UNSUBSCRIBE": subscribe,
    "NAMESPACE": namespace,
    "STATUS": status,
}
