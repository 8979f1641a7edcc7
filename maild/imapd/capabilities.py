# SPDX-License-Identifier: Apache-2.0
"""What we can do, by name, and the verbs that ask for it: CAPABILITY, ENABLE, ID."""

from __future__ import annotations

from maild.imapd.annotated import Annotated
from maild.imapd.outcome import Done
from maild.imapd.session import Session, Verb
from maild.wire.imap_cursor import BadError, Cursor
from maild.wire.imap_read import Command

ALWAYS = ("IMAP4rev1", "IMAP4rev2", "LITERAL-", "ID", "ENABLE", "SASL-IR")
LOGGED_IN = (
    "IDLE",
    "UIDPLUS",
    "MOVE",
    "NAMESPACE",
    "UNSELECT",
    "CHILDREN",
    "SPECIAL-USE",
    "LIST-EXTENDED",
    "LIST-STATUS",
    "BINARY",
    "CATENATE",
    "REPLACE",
    "METADATA",
    "ESEARCH",
    "SEARCHRES",
    "CONDSTORE",
    "STATUS=SIZE",
    "QUOTA",
    "QUOTA=RES-STORAGE",
)
ENABLED_BY_NAME = frozenset({"IMAP4REV2", "CONDSTORE", "METADATA"})
"""What ENABLE switches on (RFC 5161)."""
MOST_WORDS = 64
"""Names in one ENABLE, or strings in one ID (RFC 2971 §3.3: 30 pairs)."""


def advertised(session: Session) -> str:
    """Return the capabilities of the session as it stands now."""
    names = list(ALWAYS)
    if session.account is not None:
        limit = session.house.settings.append_limit
        names += [*LOGGED_IN, f"APPENDLIMIT={limit}"]
    elif session.connection.secure:
        names += [f"AUTH={name}" for name in session.house.gate.mechanisms()]
    else:
        if session.house.identity.tls is not None:
            names.append("STARTTLS")
        names.append("LOGINDISABLED")
    return " ".join(names)


async def capability(session: Session, command: Command) -> Done:
    """CAPABILITY (RFC 9051 §6.1.1)."""
    command.cursor().end()
    await session.untagged(b"CAPABILITY " + advertised(session).encode())
    return Done("that is all")


async def enable(session: Session, command: Command) -> Done:
    """ENABLE (RFC 5161, RFC 9051 §6.3.1); what is not known is ignored."""
    cursor = command.cursor()
    names = [cursor.atom().upper()]
    while not cursor.at_end and len(names) < MOST_WORDS:
        cursor.space()
        names.append(cursor.atom().upper())
    cursor.end()
    fresh = [n for n in names if n in ENABLED_BY_NAME and n not in session.enabled]
    session.enabled.update(fresh)
    if "METADATA" in fresh:  # changes are told from now on (RFC 5464 §4.1)
        session.annotated = Annotated(session.store.index, session.owner.id)
        await session.annotated.begin()
    shown = ["IMAP4rev2" if name == "IMAP4REV2" else name for name in fresh]
    await session.untagged(" ".join(["ENABLED", *shown]).encode())
    return Done("enabled")


async def identify(session: Session, command: Command) -> Done:
    """ID (RFC 2971): we tell our name, and believe nothing of theirs."""
    cursor = command.cursor()
    if cursor.peek() == b"(":
        _skip_pairs(cursor)
    else:
        cursor.expect(b"NIL")
    cursor.end()
    await session.untagged(b'ID ("name" "maild")')
    return Done("nice to meet you")


def _skip_pairs(cursor: Cursor) -> None:
    cursor.open_list()
    count = 0
    while cursor.in_list(first=count == 0):
        cursor.nstring()
        count += 1
        if count > MOST_WORDS:
            raise BadError("too many fields")


async def noop(session: Session, command: Command) -> Done:
    """NOOP and CHECK: what is new is told with every answer (RFC 9051 §6.1.2).

    Annotations only here and in IDLE: to look for them with every answer would cost.
    """
    command.cursor().end()
    await session.tell_annotations()
    return Done("nothing done")


async def logout(session: Session, command: Command) -> Done:
    """LOGOUT (RFC 9051 §6.1.3)."""
    command.cursor().end()
    await session.status("*", "BYE", "until next time")
    session.over = True
    return Done("bye")


VERBS: dict[str, Verb] = {
    "CAPABILITY": capability,
    "ENABLE": enable,
    "ID": identify,
    "NOOP": noop,
    "CHECK": noop,
    "LOGOUT": logout,
}
