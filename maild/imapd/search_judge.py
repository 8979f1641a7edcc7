# SPDX-License-Identifier: Apache-2.0
"""Whether a message matches a search key, with what is known of it so far.

The verdict is True, False, or None: "not without its content".  Negation and lists
follow (Kleene's logic), so a cheap fact settles a search wherever it can.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from email.utils import parsedate_to_datetime
from functools import cached_property

from maild.imapd.search_text import Octets, in_field, in_part, text_parts
from maild.imapd.sections import HeaderField, fields_of
from maild.mail.structure import Part
from maild.store.errors import InUseError, NotFoundError
from maild.store.messages import Content, Line
from maild.wire.imap_search import (
    Both,
    ChangedAt,
    ContentId,
    Day,
    Either,
    HasFlag,
    InHeader,
    InText,
    Key,
    Not,
    Numbers,
    Size,
    Uids,
)

SHARES = (b"share-number", b"share-code")
"""Fields of own uploads that the index knows, too: they are what terminals ask for."""


class Known:
    """What a message says, taken apart at most once."""

    def __init__(self, content: Content, octets: Octets) -> None:
        self._content = content
        self._octets = octets

    @cached_property
    def fields(self) -> list[HeaderField]:
        """The header fields of the message itself."""
        root = self._content.structure.root
        return fields_of(
            b"".join(
                self._octets(root.header_start, root.body_start - root.header_start)
            )
        )

    @property
    def sent(self) -> date | None:
        """The day in the Date field, its zone disregarded (RFC 9051 §6.4.4)."""
        for field in self.fields:
            if field.name == b"date":
                try:
                    return parsedate_to_datetime(field.value.decode("latin-1")).date()
                except (ValueError, TypeError, IndexError):
                    return None
        return None

    def holds(self, needle: str) -> bool:
        """Whether a text part that has arrived holds ``needle``."""
        root = self._content.structure.root
        return any(self._part_holds(part, needle) for part in text_parts(root))

    def _part_holds(self, part: Part, needle: str) -> bool:
        if part.blob is not None and not self._content.complete:
            return False
        try:
            return in_part(part, needle, self._octets)
        except (NotFoundError, InUseError):
            return False  # removed since, or not here yet


@dataclass(frozen=True, slots=True)
class Message:
    """A message to be judged; ``known`` None: only its place in the mailbox.

    ``shares``: what the index knows of these header fields, for an own upload.
    """

    number: int
    line: Line
    known: Known | None = None
    shares: Mapping[bytes, str] | None = None


def prepared(
    key: Key, lines: Sequence[tuple[int, Line]], saved: Collection[int]
) -> Key:
    """Return the key with its sets of numbers settled, the cheap parts first.

    A number is settled as a UID, because that is what stays.
    """
    uids = [line.uid for _, line in lines]
    numbers = range(1, len(lines) + 1)

    def settle(key: Key) -> Key:
        match key:
            case Numbers(wanted, uid):
                if wanted.saved:
                    return Uids(frozenset(saved))
                places = wanted.positions(uids if uid else numbers)
                return Uids(frozenset(uids[place] for place in places))
            case Not(inner):
                return Not(settle(inner))
            case Both(keys):
                return Both(tuple(sorted(map(settle, keys), key=_cost)))
            case Either(keys):
                return Either(tuple(sorted(map(settle, keys), key=_cost)))
            case _:
                return key

    return settle(key)


def _cost(key: Key) -> int:
    """Return how much has to be read: 0 nothing, 1 the header, 2 texts."""
    match key:
        case InText():
            return 2
        case InHeader() | Day(sent=True):
            return 1
        case Not(inner):
            return _cost(inner)
        case Both(keys) | Either(keys):
            return max(map(_cost, keys))
        case _:
            return 0


def asks_for_shares(key: Key) -> bool:
    """Whether a key names a field that the index knows of own uploads."""
    match key:
        case InHeader(name, _):
            return name in SHARES
        case Not(inner):
            return asks_for_shares(inner)
        case Both(keys) | Either(keys):
            return any(map(asks_for_shares, keys))
        case _:
            return False


def judge(key: Key, message: Message) -> bool | None:
    """Return whether ``message`` matches; None: only its content can tell."""
    match key:
        case Not(inner):
            verdict = judge(inner, message)
            return None if verdict is None else not verdict
        case Both(keys):
            return _all(keys, message)
        case Either(keys):
            verdict = _all(tuple(Not(inner) for inner in keys), message)
            return None if verdict is None else not verdict
        case InHeader(name, text) if message.shares and name in message.shares:
            return text in message.shares[name].casefold()
        case InHeader() | InText() | Day(sent=True):
            return _by_content(key, message.known) if message.known else None
        case _:
            return _by_line(key, message.line)


def _all(keys: tuple[Key, ...], message: Message) -> bool | None:
    verdict: bool | None = True
    for key in keys:
        found = judge(key, message)
        if found is False:
            return False
        if found is None:
            verdict = None
    return verdict


def _by_line(key: Key, line: Line) -> bool:
    match key:
        case Uids(uids):
            return line.uid in uids
        case HasFlag(flag):
            return flag.lower() in map(str.lower, line.flags)
        case Day(day, relation):
            arrived = datetime.fromtimestamp(line.internal_date, UTC).date()
            return _on(arrived, day, relation)
        case Size(octets, larger):
            return line.size > octets if larger else line.size < octets
        case ChangedAt(mod_seq):
            return line.mod_seq >= mod_seq
        case ContentId(name):
            return name == f"M{line.content_id}"
        case _:
            return True  # All


def _by_content(key: InHeader | InText | Day, known: Known) -> bool:
    match key:
        case Day(day, relation):
            sent = known.sent
            return sent is not None and _on(sent, day, relation)
        case InHeader(name, text):
            return any(
                field.name == name and in_field(field, text) for field in known.fields
            )
        case InText(text, header):
            in_header = header and any(
                in_field(field, text, named=True) for field in known.fields
            )
            return in_header or known.holds(text)


def _on(found: date, day: date, relation: str) -> bool:
    match relation:
        case "BEFORE":
            return found < day
        case "ON":
            return found == day
        case _:
            return found >= day
