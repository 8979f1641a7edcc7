# SPDX-License-Identifier: GPL-3.0-only
"""What our server holds for us: the items of the mailbox Library."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace
from datetime import datetime
from email.utils import parseaddr
from typing import Any

from maild.mail.encoding import base64_size
from maild.mail.offer import MEDIA_TYPE
from maild.wire.imap_url import ImapUrl
from terminal_client import mailbox, metadata
from terminal_client.choice import by_id, hint
from terminal_client.errors import NoInputError, ProtocolError, TerminalError
from terminal_client.matching import Held
from terminal_client.session_imap import MailboxConnection

LIBRARY = "Library"
STUBS = "Items"
ENTRY = "/private/vendor/maild/item"
READ_ENTRY = "/private/vendor/maild/read"
"""Below it: how far some terminal of the account has read an item."""
ARRIVING = "$Arriving"
"""The keyword of an item of which the server has only a part yet."""
_DIGEST = re.compile(rb"\bsha-256 ([0-9a-f]{64})\b")
_FIELDS = (
    "Share-Number",
    "Share-Code",
    "Share-Terminal",
    "Share-Type",
    "Share-Item",
    "Share-SHA256",
    "Share-Version",
    "Maild-Trace",
    "Subject",
    "From",
    "Date",
)
_LARGE = 2**32 - 2**20
"""Octets of content that may make a message too large for IMAP4rev1."""
_NEWEST = 20
"""How many uploads under one number are looked at; the newest wins."""


@dataclass(frozen=True, slots=True)
class Item:
    """One item of the Library.  ``size`` in octets of the file itself."""

    id: str
    uid: int
    section: str
    """IMAP section of the file: "1" in own uploads, "2" in received items."""
    name: str
    type: str
    size: int
    sha256: str | None
    """Hex digest, when the server or this terminal knows it."""
    own: bool
    sender: str | None
    """Who sent it; None for an own upload."""
    date: datetime | None
    number: str | None = None
    code: str | None = None
    terminal: str | None = None
    uploaded: bool = False
    """Whether the call that returned this brought it to the server."""
    arriving: bool = False
    """Whether the server has only a part of it yet, and no digest."""
    arrived: int | None = None
    """Octets of an arriving item that the server has, where that is known."""
    read: int | None = None
    """Octets up to which a download of the account has come, where that is known."""
    trace: str | None = None
    """The same as in the offer that it came of."""
    version: int = 1
    mailbox: str = LIBRARY
    """Where it is: an older version is in another one."""

    def to_json(self) -> dict[str, Any]:
        """Return what ``mshare ls --json`` prints."""
        return {
            "id": self.id,
            "name": self.name,
            "type": self.type,
            "size": self.size,
            "sha256": self.sha256,
            "own": self.own,
            "origin": "own" if self.own else "received",
            "sender": self.sender,
            "date": self.date.isoformat() if self.date else None,
            "number": self.number,
            "uid": self.uid,
            "arriving": self.arriving,
            "arrived": self.arrived,
            "version": self.version,
            "read": self.read,
        }


async def held_under(
    connection: MailboxConnection, number: str, code: str, size: int
) -> list[Held]:
    """Ask what the server holds under a number of Table 1 (seed 211, 212).

    ``size``: octets of the file, because the largest need another greeting.  ``code``
    is named only where too many numbers hold this one: 1123 holds 123.
    """
    wanted = ["HEADER", "Share-Number", number]
    large = base64_size(size) > _LARGE
    uids = await mailbox.open_and_search(connection, LIBRARY, wanted, large=large)
    if len(uids) > _NEWEST:
        ours = await mailbox.search(connection, *wanted, "HEADER", "Share-Code", code)
        uids = sorted({*uids[-_NEWEST:], *ours[-_NEWEST:]})
    if not uids:
        return []
    names = "FLAGS " + mailbox.header_items(
        "Share-Number", "Share-Code", "Share-Terminal", "Share-Item", "Share-SHA256"
    )
    found = []
    for facts in await mailbox.fetch(connection, uids, names):
        fields = mailbox.headers(facts)
        found.append(
            Held(
                uid=int(facts["UID"]),
                number=fields.get("share-number", ""),
                code=fields.get("share-code", ""),
                terminal=fields.get("share-terminal", ""),
                item=fields.get("share-item", ""),
                sha256=fields.get("share-sha256"),
                arriving=mailbox.has_keyword(facts, ARRIVING),
            )
        )
    return found


async def under_code(connection: MailboxConnection, code: str, size: int) -> int | None:
    """Return the UID of the newest upload with a verification code, if there is one."""
    uids = await mailbox.open_and_search(
        connection,
        LIBRARY,
        ["HEADER", "Share-Code", code],
        large=base64_size(size) > _LARGE,
    )
    return uids[-1] if uids else None


async def everything(connection: MailboxConnection) -> list[Item]:
    """Return the items of the Library, oldest first."""
    return await since(connection, 1)


async def since(connection: MailboxConnection, uid: int) -> list[Item]:
    """Return the items of the Library from a UID on, oldest first."""
    uids = await mailbox.open_and_search(connection, LIBRARY, ["UID", f"{uid}:*"])
    # The range is never empty: the newest is in it (RFC 9051 §9, seq-range).
    return await read(connection, [found for found in uids if found >= uid])


async def read(connection: MailboxConnection, uids: list[int]) -> list[Item]:
    """Return the items at these UIDs of the Library, which is open."""
    wanted = f"FLAGS BODYSTRUCTURE {mailbox.header_items(*_FIELDS)}"
    found = await mailbox.fetch(connection, uids, wanted)
    items = []
    for facts in found:
        item = _item(facts)
        if item is not None and not _says_size(facts):
            item = await measured(connection, item)
        if item is not None:
            items.append(item)
    return sorted(items, key=lambda item: item.uid)


def _says_size(facts: dict[str, Any]) -> bool:
    """Whether Content-Disposition has a size: that of a recording nobody knew."""
    parts = mailbox.leaves(facts.get("BODYSTRUCTURE"))
    return any(part.size is not None for part in parts)


def _item(facts: dict[str, Any]) -> Item | None:
    if "BODYSTRUCTURE" not in facts:
        return None  # it went away meanwhile
    fields = mailbox.headers(facts)
    parts = mailbox.leaves(facts.get("BODYSTRUCTURE"))
    content = next((p for p in parts if p.filename or p.size is not None), None)
    if content is None:
        return None
    # Received content stands between a text and the facts; an upload stands alone.
    own = len(parts) == 1
    uid = int(facts["UID"])
    version = fields.get("share-version", "")
    return Item(
        id=fields.get("share-item") or f"uid{uid}",
        uid=uid,
        section=content.section,
        name=content.filename or fields.get("subject") or "unnamed",
        type=fields.get("share-type") or content.type,
        size=content.size if content.size is not None else content.octets,
        sha256=fields.get("share-sha256"),
        own=own,
        sender=None if own else parseaddr(fields.get("from", ""))[1] or None,
        date=mailbox.date(fields.get("date")),
        number=fields.get("share-number"),
        code=fields.get("share-code"),
        terminal=fields.get("share-terminal"),
        arriving=mailbox.has_keyword(facts, ARRIVING),
        trace=fields.get("maild-trace"),
        version=int(version) if version.isdecimal() and len(version) < 10 else 1,
    )


async def arrived(connection: MailboxConnection, items: list[Item]) -> list[Item]:
    """Return the items; those that still arrive with how far they are."""
    ids = [item.id for item in items if item.arriving]
    told = await metadata.read(connection, LIBRARY, ENTRY, ids) if ids else {}

    def count(item: Item) -> int | None:
        octets = told.get(item.id, {}).get("octets")
        return octets if isinstance(octets, int) else None

    return [replace(i, arrived=count(i)) if i.id in told else i for i in items]


async def being_read(connection: MailboxConnection, items: list[Item]) -> list[Item]:
    """Return the items; those that were downloaded with how far (seed 221)."""
    told = await metadata.every(connection, LIBRARY, READ_ENTRY) if items else {}
    counts = {id_: facts.get("octets") for id_, facts in told.items()}
    return [
        replace(item, read=count) if isinstance(count, int) else item
        for item in items
        for count in (counts.get(item.id),)
    ]


async def meant(
    connection: MailboxConnection, name: str, *, else_file: bool = False
) -> list[Item]:
    """Return the item whose id is (or begins with) ``name``, or all that are called so.

    Oldest first, and never none.  ``else_file``: a file might have been meant, and is
    not there.
    """
    items = await everything(connection)
    found = by_id(items, name)
    if found is not None:
        return [found]
    named = [i for i in items if i.name == name]
    if named:
        return named
    if else_file:
        raise NoInputError(
            f"there is no file {name} here, nor an item on the server;"
            " `mshare ls` shows the items"
        )
    raise NoInputError(
        f"there is no item {name}{hint(name)}; `mshare ls` shows what there is"
    )


async def find(connection: MailboxConnection, name: str) -> Item:
    """Return the item that a name stands for; of several (`meant`) the newest."""
    return (await meant(connection, name))[-1]


async def digest_of(connection: MailboxConnection, item: Item) -> str | None:
    """Return the SHA-256 that travelled behind received content, or None."""
    if item.own:
        return item.sha256
    facts = await mailbox.fetch_one(connection, item.uid, "BODYSTRUCTURE")
    parts = mailbox.leaves(facts.get("BODYSTRUCTURE"))
    for part in reversed(parts):
        if part.type == MEDIA_TYPE:
            octets = await section(connection, item.uid, part.section)
            return _digest_in(octets)
    return item.sha256


async def measured(connection: MailboxConnection, item: Item) -> Item:
    """Return the item with the size that its server tells (RFC 3516 §4.3).

    What Content-Disposition says is somebody's word (RFC 2183 §2.7).  The Library must
    be open; a server that cannot tell is taken at that word.
    """
    name = f"BINARY.SIZE[{item.section}]"
    try:
        found = await mailbox.fetch(connection, [item.uid], name)
    except TerminalError:
        if not connection.is_open:
            raise
        return item
    told = next((str(facts[name]) for facts in found if name in facts), "")
    return replace(item, size=int(told)) if told.isdigit() else item


async def section(connection: MailboxConnection, uid: int, name: str) -> bytes:
    """Return one small section, decoded (RFC 3516)."""
    facts = await mailbox.fetch_one(connection, uid, f"BINARY.PEEK[{name}]")
    octets = facts.get(f"BINARY[{name}]")
    if isinstance(octets, bytes):
        return octets
    raise ProtocolError("the server does not give a part that it described")


def _digest_in(octets: bytes) -> str | None:
    try:
        found = json.loads(octets)
    except ValueError:
        return None
    digest = found.get("sha256") if isinstance(found, dict) else None
    return digest if isinstance(digest, str) and len(digest) == 64 else None


def url_of(connection: MailboxConnection, user: str, uid: int) -> ImapUrl:
    """Return the URL by which BURL names an item of the open Library (RFC 5092).

    Its host is the user's domain, until the server has said what it is called.
    """
    return ImapUrl(
        user=user,
        host=user.rpartition("@")[2],
        mailbox=LIBRARY,
        uid=uid,
        uid_validity=connection.uid_validity or None,
    )


async def digests(connection: MailboxConnection) -> dict[str, str]:
    """Return the digests that the stubs of Items tell, by item; opens Items.

    The only place where a terminal learns the digest of what another one uploaded.
    """
    uids = await mailbox.open_and_search(connection, STUBS, ["ALL"])
    wanted = f"BINARY.PEEK[1] {mailbox.header_items('Share-Item')}"
    found: dict[str, str] = {}
    for facts in await mailbox.fetch(connection, uids, wanted):
        id_ = mailbox.headers(facts).get("share-item")
        told = _DIGEST.search(facts.get("BINARY[1]") or b"")
        if id_ and told:
            found[id_] = told[1].decode()
    return found
