# SPDX-License-Identifier: Apache-2.0
"""The verbs that list mailboxes: LIST with its extensions, and LSUB.

RFC 9051 §6.3.9, RFC 5258 (LIST-EXTENDED), RFC 6154 (SPECIAL-USE), RFC 5819
(LIST-STATUS), RFC 3501 §6.3.9 (LSUB).
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass

from maild.imapd.mailboxes import status_of, take_status_items
from maild.imapd.outcome import Done
from maild.imapd.session import Session, Verb
from maild.store import mailboxes
from maild.store.errors import NotFoundError
from maild.store.mailboxes import Mailbox
from maild.wire.imap_cursor import BadError, Cursor
from maild.wire.imap_read import Command
from maild.wire.imap_write import (
    NoError,
    decode_mailbox,
    encode_mailbox,
    flag_list,
)

LONGEST_PATTERN = 1000
"""Octets of one mailbox pattern."""
MOST_PATTERNS = 50
"""Patterns in one LIST."""
MOST_WILDCARDS = 60
"""Runs of ``*`` and ``%`` in all patterns of one LIST: each costs a look at a name."""
_SELECTIONS = frozenset({"SUBSCRIBED", "REMOTE", "RECURSIVEMATCH", "SPECIAL-USE"})
_RETURNS = frozenset({"SUBSCRIBED", "CHILDREN", "SPECIAL-USE", "STATUS"})


@dataclass(frozen=True, slots=True)
class Wish:
    """What a LIST asks for."""

    patterns: tuple[str, ...]
    selection: frozenset[str] = frozenset()
    returns: frozenset[str] = frozenset()
    status: tuple[str, ...] = ()


async def list_(session: Session, command: Command) -> Done:
    """LIST (RFC 9051 §6.3.9)."""
    cursor = command.cursor()
    wish = _take_wish(session, cursor)
    _check_wildcards("".join(wish.patterns))
    if wish.patterns == ("",):
        await session.untagged(rb'LIST (\Noselect) "/" ""')
        return Done("that is all")
    everything = await session.store.index.read(mailboxes.everything, session.owner.id)
    # Many patterns, many mailboxes: long enough to hold up the other sessions.
    for mailbox, told in await asyncio.to_thread(_listing, session, everything, wish):
        await session.untagged(b"LIST " + told)
        if wish.status:
            with suppress(NotFoundError):  # removed meanwhile (RFC 5819 §2)
                await session.untagged(await status_of(session, mailbox, wish.status))
    return Done("that is all")


def _listing(
    session: Session, everything: Sequence[Mailbox], wish: Wish
) -> list[tuple[Mailbox, bytes]]:
    """Return the mailboxes that are wanted with what LIST says of each."""
    below: dict[str, list[Mailbox]] = {}
    for mailbox in everything:
        for parent in _parents(mailbox.name):
            below.setdefault(parent, []).append(mailbox)
    found: list[tuple[Mailbox, bytes]] = []
    for mailbox in everything:
        if any(matches(pattern, mailbox.name) for pattern in wish.patterns):
            told = _listed(session, mailbox, below.get(mailbox.name, []), wish)
            if told is not None:
                found.append((mailbox, told))
    return found


def _check_wildcards(patterns: str) -> None:
    if len(re.findall(r"[*%]+", patterns)) > MOST_WILDCARDS:
        raise NoError("there are too many wildcards", "LIMIT")


def _take_wish(session: Session, cursor: Cursor) -> Wish:
    selection: frozenset[str] = frozenset()
    if cursor.peek() == b"(":
        selection = _take_options(cursor, _SELECTIONS)[0]
        cursor.space()
    reference = decode_mailbox(cursor.astring(), utf8=session.rev2)
    cursor.space()
    patterns = _take_patterns(session, cursor, reference)
    returns: frozenset[str] = frozenset()
    status: tuple[str, ...] = ()
    if not cursor.at_end:
        cursor.expect(b" RETURN ")
        returns, status = _take_options(cursor, _RETURNS)
    cursor.end()
    if selection == {"RECURSIVEMATCH"}:
        raise BadError("RECURSIVEMATCH alone means nothing")
    return Wish(patterns, selection, returns, status)


def _take_patterns(session: Session, cursor: Cursor, reference: str) -> tuple[str, ...]:
    found: list[str] = []
    if cursor.peek() != b"(":
        found.append(_pattern(session, cursor, reference))
        return tuple(found)
    cursor.open_list()
    while cursor.in_list(first=not found):
        found.append(_pattern(session, cursor, reference))
        if len(found) > MOST_PATTERNS:
            raise BadError("too many patterns")
    return tuple(found)


def _pattern(session: Session, cursor: Cursor, reference: str) -> str:
    octets = cursor.pattern()
    if len(octets) > LONGEST_PATTERN:
        raise BadError("the pattern is too long")
    text = decode_mailbox(octets, utf8=session.rev2)
    return reference + text if text else ""


def _take_options(
    cursor: Cursor, known: frozenset[str]
) -> tuple[frozenset[str], tuple[str, ...]]:
    found: set[str] = set()
    status: tuple[str, ...] = ()
    cursor.open_list()
    while cursor.in_list(first=not found):
        option = cursor.keyword()
        if option not in known:
            raise BadError("that option is not known here")
        if option == "STATUS":
            cursor.space()
            status = take_status_items(cursor)
        found.add(option)
    return frozenset(found), status


def _listed(
    session: Session, mailbox: Mailbox, below: list[Mailbox], wish: Wish
) -> bytes | None:
    """Return what LIST says of a mailbox, or None when it is not wanted."""
    wanted = _selected(mailbox, wish)
    recursive = "RECURSIVEMATCH" in wish.selection and any(
        _selected(child, wish) for child in below
    )
    if not (wanted or recursive):
        return None
    attributes = ["\\HasChildren" if below else "\\HasNoChildren"]
    if mailbox.subscribed and "SUBSCRIBED" in wish.selection | wish.returns:
        attributes.append("\\Subscribed")
    if mailbox.special_use:
        attributes.append(mailbox.special_use)
    name = encode_mailbox(mailbox.name, utf8=session.rev2)
    told = flag_list(attributes) + b' "/" ' + name
    return told + b' ("CHILDINFO" ("SUBSCRIBED"))' if recursive else told


def _selected(mailbox: Mailbox, wish: Wish) -> bool:
    if "SUBSCRIBED" in wish.selection and not mailbox.subscribed:
        return False
    return "SPECIAL-USE" not in wish.selection or bool(mailbox.special_use)


async def lsub(session: Session, command: Command) -> Done:
    r"""LSUB (RFC 3501 §6.3.9): subscribed names; \Noselect parents for ``%``."""
    cursor = command.cursor()
    reference = decode_mailbox(cursor.astring(), utf8=session.rev2)
    cursor.space()
    pattern = _pattern(session, cursor, reference)
    cursor.end()
    _check_wildcards(pattern)
    everything = await session.store.index.read(mailboxes.everything, session.owner.id)
    subscribed = [mailbox.name for mailbox in everything if mailbox.subscribed]
    told = await asyncio.to_thread(_subscribed, subscribed, pattern)
    for name, attributes in told.items():
        shown = encode_mailbox(name, utf8=session.rev2)
        await session.untagged(b"LSUB " + attributes + b' "/" ' + shown)
    return Done("that is all")


def _subscribed(names: Iterable[str], pattern: str) -> dict[str, bytes]:
    """Return what LSUB tells: names and their attributes."""
    told: dict[str, bytes] = {}
    for name in names:
        if matches(pattern, name):
            told[name] = b"()"
        elif pattern.endswith("%"):
            for parent in _parents(name):
                if matches(pattern, parent):
                    told.setdefault(parent, rb"(\Noselect)")
    return told


def _parents(name: str) -> list[str]:
    levels = name.split("/")
    return ["/".join(levels[:depth]) for depth in range(1, len(levels))]


_PIECES = re.compile(r"[*%]+|[^*%]+")
"""A pattern is runs of wildcards and runs of other characters, in turn."""


def matches(pattern: str, name: str) -> bool:
    """Say whether a pattern matches: ``*`` anything, ``%`` anything but ``/``.

    Works through all possibilities at once, so that no pattern takes long.
    """
    if pattern.upper() == "INBOX":
        pattern = "INBOX"
    places = {0}
    for piece in _PIECES.findall(pattern):
        if piece[0] in "*%":
            places = _spread(places, name, beyond="*" in piece)
        else:
            places = {p + len(piece) for p in places if name.startswith(piece, p)}
        if not places:
            return False
    return len(name) in places


def _spread(places: set[int], name: str, *, beyond: bool) -> set[int]:
    """Return every place that a wildcard can reach; ``beyond`` a ``/``, too."""
    reached: set[int] = set()
    spreading = False
    for place in range(len(name) + 1):
        if spreading and not beyond and name[place - 1] == "/":
            spreading = False
        spreading = spreading or place in places
        if spreading:
            reached.add(place)
    return reached


VERBS: dict[str, Verb] = {"LIST": list_, "LSUB": lsub}
