# SPDX-License-Identifier: Apache-2.0
"""How SEARCH says what it looks for (RFC 9051 §6.4.4, RFC 3501 §6.4.4, RFC 5182).

`parse_search` turns the arguments into a `Query`: a tree of keys, bounded in depth and
in number, with its texts decoded and case-folded.
"""

from __future__ import annotations

import codecs
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date

from maild.wire.imap_cursor import BadError, Cursor
from maild.wire.imap_numbers import SequenceSet
from maild.wire.imap_write import NoError

MAX_DEPTH = 50
"""Keys inside of keys: NOT NOT NOT ... and nested lists (CVE-2026-27857)."""
MAX_KEYS = 1000
"""Keys in one search; each is looked at for each message."""


@dataclass(frozen=True, slots=True)
class All:
    """Every message."""


@dataclass(frozen=True, slots=True)
class HasFlag:
    """A system flag or keyword is set; compared in any case."""

    flag: str


@dataclass(frozen=True, slots=True)
class Numbers:
    """Message sequence numbers, or UIDs when ``uid``."""

    numbers: SequenceSet
    uid: bool


@dataclass(frozen=True, slots=True)
class Uids:
    """`Numbers`, once it is known which messages they mean."""

    uids: frozenset[int]


@dataclass(frozen=True, slots=True)
class Day:
    """The internal date, or the Date field when ``sent``: before, on or since a day.

    Time of day and zone are disregarded (RFC 9051 §6.4.4).
    """

    day: date
    relation: str
    """BEFORE, ON or SINCE."""
    sent: bool


@dataclass(frozen=True, slots=True)
class Size:
    """The rendering has more (``larger``) or fewer octets."""

    octets: int
    larger: bool


@dataclass(frozen=True, slots=True)
class ChangedAt:
    """The mod-sequence is at least this (RFC 7162 §3.1.5)."""

    mod_seq: int


@dataclass(frozen=True, slots=True)
class ContentId:
    """EMAILID (RFC 8474 §4.3)."""

    name: str


@dataclass(frozen=True, slots=True)
class InHeader:
    """A header field holds a text; an empty text asks whether the field is there."""

    name: bytes
    """In lower case."""
    text: str


@dataclass(frozen=True, slots=True)
class InText:
    """The text parts hold a text; ``header``: or the header does (TEXT)."""

    text: str
    header: bool


@dataclass(frozen=True, slots=True)
class Not:
    """The key does not match."""

    key: Key


@dataclass(frozen=True, slots=True)
class Both:
    """All of the keys match."""

    keys: tuple[Key, ...]


@dataclass(frozen=True, slots=True)
class Either:
    """One of the keys matches."""

    keys: tuple[Key, ...]


Key = (
    All
    | HasFlag
    | Numbers
    | Uids
    | Day
    | Size
    | ChangedAt
    | ContentId
    | InHeader
    | InText
    | Not
    | Both
    | Either
)


@dataclass(frozen=True, slots=True)
class Query:
    """What is looked for, and how the answer is wanted."""

    key: Key
    returns: frozenset[str] | None
    """MIN MAX ALL COUNT SAVE (RFC 9051 §6.4.4); None: no RETURN was given."""
    mod_seq: bool
    """A MODSEQ key was used: the answer names the highest one (RFC 7162 §3.1.5)."""


_RETURNS = frozenset({"MIN", "MAX", "ALL", "COUNT", "SAVE"})
_CHARSETS = ("US-ASCII", "UTF-8")


def parse_search(cursor: Cursor) -> Query:
    """Take the arguments of SEARCH to the end; raise `NoError` on a foreign charset."""
    returns = _returns(cursor) if cursor.accept(b"RETURN ") else None
    reader = _KeyReader(cursor, _charset(cursor))
    keys = [reader.key(0)]
    while not cursor.at_end:
        cursor.space()
        keys.append(reader.key(0))
    return Query(_both(keys), returns, reader.mod_seq)


def _returns(cursor: Cursor) -> frozenset[str]:
    cursor.open_list()
    found: list[str] = []
    while cursor.in_list(first=not found):
        found.append(cursor.keyword())
        if found[-1] not in _RETURNS:
            raise BadError(f"{found[-1]} is no result of SEARCH")
    cursor.space()
    return frozenset(found or ["ALL"])


def _charset(cursor: Cursor) -> str:
    """Take ``CHARSET name``; UTF-8 includes US-ASCII (RFC 9051 §6.4.4)."""
    if not cursor.accept(b"CHARSET "):
        return "utf-8"
    name = cursor.astring()
    cursor.space()
    try:
        known = codecs.lookup(name.decode("ascii")).name
        if known in {"ascii", "utf-8", "iso8859-1"}:
            return known
    except (LookupError, ValueError):
        pass
    raise NoError("that charset is not known", f"BADCHARSET ({' '.join(_CHARSETS)})")


class _KeyReader:
    """Takes search keys and counts them."""

    def __init__(self, cursor: Cursor, charset: str) -> None:
        self._cursor = cursor
        self._charset = charset
        self._count = 0
        self.mod_seq = False

    def key(self, depth: int) -> Key:
        """Take one key, with the keys inside of it."""
        self._count += 1
        if depth > MAX_DEPTH or self._count > MAX_KEYS:
            raise BadError("the search is too complicated")
        if self._cursor.peek() == b"(":
            return self._list(depth)
        if self._cursor.peek() in b"0123456789*$":
            return Numbers(self._cursor.sequence_set(), uid=False)
        word = self._cursor.keyword()
        if word in _FIXED:
            return _FIXED[word]
        if word in {"NOT", "OR"}:
            return self._nested(word, depth + 1)
        if word not in _WITH_ARGUMENT:
            raise BadError(f"{word} is no search key")
        self._cursor.space()
        return _WITH_ARGUMENT[word](self)

    def _list(self, depth: int) -> Key:
        self._cursor.open_list()
        keys: list[Key] = []
        while self._cursor.in_list(first=not keys):
            keys.append(self.key(depth + 1))
        if not keys:
            raise BadError("a search key is missing")
        return _both(keys)

    def _nested(self, word: str, depth: int) -> Key:
        self._cursor.space()
        first = self.key(depth)
        if word == "NOT":
            return Not(first)
        self._cursor.space()
        return Either((first, self.key(depth)))

    def text(self) -> str:
        """Take a text in the search's charset and fold its case."""
        try:
            return self._cursor.astring().decode(self._charset).casefold()
        except UnicodeDecodeError as error:
            raise BadError("the text is not in its charset") from error

    def field(self) -> Key:
        """Take ``HEADER name text``."""
        name = self._cursor.astring().lower()
        self._cursor.space()
        return InHeader(name, self.text())

    def flag(self) -> Key:
        """Take ``KEYWORD name``."""
        return HasFlag(self._cursor.flag())

    def uids(self) -> Key:
        """Take ``UID set``."""
        return Numbers(self._cursor.sequence_set(), uid=True)

    def changed_at(self) -> Key:
        """Take ``MODSEQ ["entry" type] n``; the entry changes nothing for us."""
        if self._cursor.peek() == b'"':
            self._cursor.quoted()
            self._cursor.space()
            self._cursor.keyword()
            self._cursor.space()
        self.mod_seq = True
        return ChangedAt(self._cursor.number())

    def size(self, *, larger: bool) -> Key:
        """Take ``LARGER n`` or ``SMALLER n``."""
        return Size(self._cursor.number(), larger)

    def day(self, relation: str, *, sent: bool) -> Key:
        """Take ``BEFORE date`` and its kin."""
        return Day(self._cursor.date(), relation, sent)

    def content_id(self) -> Key:
        """Take ``EMAILID name``."""
        return ContentId(self._cursor.atom())


def _both(keys: list[Key]) -> Key:
    return keys[0] if len(keys) == 1 else Both(tuple(keys))


_SEEN, _RECENT = HasFlag("\\Seen"), HasFlag("\\Recent")
_FLAGS = ("ANSWERED", "DELETED", "DRAFT", "FLAGGED", "SEEN")
_FIXED: dict[str, Key] = {
    "ALL": All(),
    "NEW": Both((_RECENT, Not(_SEEN))),
    "OLD": Not(_RECENT),
    "RECENT": _RECENT,
    **{name: HasFlag("\\" + name.capitalize()) for name in _FLAGS},
    **{"UN" + name: Not(HasFlag("\\" + name.capitalize())) for name in _FLAGS},
}
_WITH_ARGUMENT: dict[str, Callable[[_KeyReader], Key]] = {
    "BCC": lambda reader: InHeader(b"bcc", reader.text()),
    "BEFORE": lambda reader: reader.day("BEFORE", sent=False),
    "BODY": lambda reader: InText(reader.text(), header=False),
    "CC": lambda reader: InHeader(b"cc", reader.text()),
    "EMAILID": _KeyReader.content_id,
    "FROM": lambda reader: InHeader(b"from", reader.text()),
    "HEADER": _KeyReader.field,
    "KEYWORD": _KeyReader.flag,
    "LARGER": lambda reader: reader.size(larger=True),
    "MODSEQ": _KeyReader.changed_at,
    "ON": lambda reader: reader.day("ON", sent=False),
    "SENTBEFORE": lambda reader: reader.day("BEFORE", sent=True),
    "SENTON": lambda reader: reader.day("ON", sent=True),
    "SENTSINCE": lambda reader: reader.day("SINCE", sent=True),
    "SINCE": lambda reader: reader.day("SINCE", sent=False),
    "SMALLER": lambda reader: reader.size(larger=False),
    "SUBJECT": lambda reader: InHeader(b"subject", reader.text()),
    "TEXT": lambda reader: InText(reader.text(), header=True),
    "TO": lambda reader: InHeader(b"to", reader.text()),
    "UID": _KeyReader.uids,
    "UNKEYWORD": lambda reader: Not(reader.flag()),
}
