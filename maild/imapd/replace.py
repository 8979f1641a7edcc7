# SPDX-License-Identifier: Apache-2.0
"""REPLACE and UID REPLACE (RFC 8508): a message takes another one's place, at once.

In ``Library`` that is a new version of an item: it keeps its id, and what it was goes
to the mailbox ``Versions``.  Anywhere else the old message is expunged, as the RFC
says.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial

from maild.imapd.append import Wish, file, filed, in_step, take_wish
from maild.imapd.filing import Filing
from maild.imapd.flags import demand_writable
from maild.imapd.incoming import Incoming
from maild.imapd.outcome import Done
from maild.imapd.session import Session, Verb
from maild.mail.compose import Composed, Facts, ItemFacts, item_stub
from maild.mail.structure import Part
from maild.store import meaning, messages, quota, trace, versions
from maild.store.blobs import Sealed
from maild.store.errors import NotFoundError
from maild.store.index import Tx
from maild.store.items import Item
from maild.store.mailboxes import Mailbox
from maild.store.meaning import MADE_BY_US
from maild.store.rope import Base64, Rope
from maild.store.trace import TraceEvent
from maild.store.versions import Successor
from maild.wire import mime
from maild.wire.imap_cursor import BadError
from maild.wire.imap_read import Command, LiteralHead
from maild.wire.imap_write import NoError

LIBRARY = "Library"
LONGEST_NAME = 255
"""Characters of a file name that are kept; as of uploads."""
CHANGED = NoError("somebody else has replaced or removed it", "NONEXISTENT")


@dataclass(frozen=True, slots=True)
class Target:
    """The message that is replaced, and what replaces it."""

    source: Mailbox
    uid: int
    wish: Wish


async def replace_message(session: Session, head: LiteralHead) -> Done:
    """Take a message in another one's place; in step with the client either way."""
    incoming = Incoming(session, head.arguments, head)
    return await _replace(session, incoming, head.tag, uid=head.verb.startswith("UID "))


async def without_literal(
    session: Session, command: Command, *, uid: bool = False
) -> Done:
    """REPLACE by URLs alone; or by nothing, which is refused."""
    if b"CATENATE" not in command.arguments.upper():
        raise BadError("the message is missing")
    incoming = Incoming(session, command.arguments, None)
    return await _replace(session, incoming, command.tag, uid=uid)


async def _replace(
    session: Session, incoming: Incoming, tag: str, *, uid: bool
) -> Done:
    async with in_step(incoming):
        target = await _target(session, incoming, uid=uid)
        if target.source.name == LIBRARY:
            code = await _new_version(session, incoming, target, tag)
        else:
            code = await _ordinary(session, incoming, target, tag)
    # Before the EXPUNGE that follows (RFC 8508 §4.3).
    await session.status("*", "OK", "the replacement is there", code)
    return Done("replaced")


async def _target(session: Session, incoming: Incoming, *, uid: bool) -> Target:
    if session.selected is None:
        raise BadError("not while no mailbox is selected")  # RFC 8508 §3.5
    demand_writable(session)
    cursor, source = incoming.cursor, session.view.mailbox
    uids = session.view.uids_of(cursor.sequence_set(), uid=uid)
    cursor.space()
    settings = session.house.settings
    in_library = source.name == LIBRARY
    limit = settings.item_limit if in_library else settings.append_limit
    into = LIBRARY if in_library else ""
    wish = await take_wish(session, incoming, limit, into=into)
    if len(uids) != 1:
        raise NoError("there is no such message", "NONEXISTENT")
    if in_library and wish.mailbox.name != LIBRARY:
        raise NoError("an item is replaced where it is", "CANNOT")
    if source.name in MADE_BY_US and not in_library:
        raise NoError("an item is replaced in Library", "CANNOT")
    return Target(source, uids[0], wish)


async def _ordinary(
    session: Session, incoming: Incoming, target: Target, tag: str
) -> str:
    now = session.store.clock()
    async with filed(session, incoming, target.wish, tag) as (rope, filing):
        job = partial(_exchange, target=target, rope=rope, reader=filing.reader)
        return await session.store.index.write(job, now=now)


def _exchange(
    tx: Tx, *, target: Target, rope: Rope, reader: mime.MessageReader, now: float
) -> str:
    """Put one message in another's place (RFC 8508 §3.4: both or nothing)."""
    if messages.line(tx, target.source.id, target.uid) is None:
        raise CHANGED
    meaning.expunge(tx, target.source, [target.uid], now)
    return file(tx, target.wish, rope, reader)


# Versions


async def _new_version(
    session: Session, incoming: Incoming, target: Target, tag: str
) -> str:
    """Take the next version of an item."""
    store, now = session.store, session.store.clock()
    try:
        old = await store.index.read(versions.replaceable, target.source.id, target.uid)
    except NotFoundError:
        raise CHANGED from None
    new = versions.following(old)
    front = _front(new)
    async with filed(session, incoming, target.wish, tag, front) as (rope, filing):
        new = _described(new, filing, rope)
        one = Successor(
            new,
            rope,
            filing.reader.structure,
            _stub(session, new, now),
            ("\\Seen", *target.wish.flags),
            session.house.settings.versions,
        )
        uid = await store.index.write(_succeed, target.uid, one, now)
    return f"APPENDUID {target.source.uid_validity} {uid}"


def _front(new: Item) -> bytes:
    """Return what we say of an item's version in front of its header."""
    return (
        f"Share-Item: {new.id}\r\nShare-Version: {new.version}\r\n"
        f"Maild-Trace: {new.trace}\r\n"
    ).encode()


def _described(new: Item, filing: Filing, rope: Rope) -> Item:
    """Return the item as the message describes it; raise when it is no content."""
    part = filing.reader.structure.root
    blob = filing.sealed.get(part.blob) if part.blob is not None else None
    if blob is None or not isinstance(rope.pieces[part.blob or 0], Base64):
        raise NoError(
            "a version is one part that is no text, binary or in proper base64",
            "CANNOT",
        )
    _check(filing.reader, part, blob)
    said = (filing.reader.header("Share-Type") or "").strip().lower()
    own_type = f"{part.type}/{part.subtype}"
    known = new.type if own_type == "application/octet-stream" else own_type
    return replace(
        new,
        name=(part.filename or new.name)[:LONGEST_NAME],
        type=said or known,
        size=blob.size,
        blob_id=blob.id,
        sha256=blob.sha256,
    )


def _check(reader: mime.MessageReader, part: Part, blob: Sealed) -> None:
    """Compare what came with what was announced, by whoever put it together."""
    size = dict(part.disposition_params).get("size", str(blob.size))
    if size != str(blob.size):
        raise NoError("the content has another size than its header says")
    digest = (reader.header("Share-SHA256") or blob.sha256).strip().lower()
    if digest != blob.sha256:
        raise NoError("the content has another digest than Share-SHA256 says")


def _stub(session: Session, new: Item, now: float) -> Composed:
    """Return the small message that stands for an item, in Items."""
    hostname = session.house.identity.hostname
    shown = ItemFacts(
        id=new.id,
        name=new.name,
        type=new.type,
        size=new.size,
        sha256=new.sha256,
        sender=None,
        version=new.version,
    )
    facts = Facts(f"{new.id}.{new.version}@{hostname}", now, new.trace)
    return item_stub(shown, session.owner.address, facts)


def _succeed(tx: Tx, uid: int, one: Successor, now: float) -> int:
    """Keep a version, if nobody was faster; return its UID in Library."""
    try:
        new = versions.succeed(tx, uid, one, now)
    except NotFoundError:
        raise CHANGED from None
    text = f"version {new.version}, {new.size} octets"
    trace.note(tx, TraceEvent(now, new.trace, new.id, "imapd", text))
    quota.check(tx, new.account_id)
    assert new.library_uid is not None
    return new.library_uid


VERBS: dict[str, Verb] = {"REPLACE": without_literal}
