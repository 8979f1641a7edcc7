# SPDX-License-Identifier: Apache-2.0
"""The arguments of one IMAP command, taken one by one (RFC 9051 §9).

Every method takes what its name says from the current place and moves on, or raises
`BadError`.  Spaces are never skipped: `Cursor.space` takes exactly one.
"""

from __future__ import annotations

import re
from datetime import date, datetime, timedelta, timezone

from maild.wire.imap_numbers import SequenceSet, parse_sequence_set

DEEPEST = 50
"""Nested parentheses in one command (CVE-2026-27857)."""

_ATOM = re.compile(rb"[^\x00-\x20(){%*\"\\\]\x7f-\xff]+")
_ASTRING = re.compile(rb"[^\x00-\x20(){%*\"\\\x7f-\xff]+")
_PATTERN = re.compile(rb"[^\x00-\x20(){\"\\\x7f-\xff]+")
_KEYWORD = re.compile(rb"[A-Za-z0-9.\-=/]+")
_FLAG = re.compile(rb"\\?[^\x00-\x20(){%*\"\\\]\x7f-\xff]+")
_NUMBER = re.compile(rb"[0-9]{1,19}")
_QUOTED = re.compile(rb'"((?:[^"\\\r\n\x00]|\\["\\])*)"')
_ESCAPE = re.compile(rb"\\(.)")
_LITERAL = re.compile(rb"(~?)\{([0-9]+)\+?\}\r\n")
_SET = re.compile(rb"[0-9:*,$]+")
_DATE = re.compile(rb"\"?([0-9]{1,2})-([A-Za-z]{3})-([0-9]{4})\"?")
_DATE_TIME = re.compile(
    rb'"([ 0-9][0-9])-([A-Za-z]{3})-([0-9]{4}) '
    rb"([0-9]{2}):([0-9]{2}):([0-9]{2}) ([+-])([0-9]{2})([0-9]{2})\""
)
MONTHS = (
    "Jan",
    "Feb",
    "Mar",
    "Apr",
    "May",
    "Jun",
    "Jul",
    "Aug",
    "Sep",
    "Oct",
    "Nov",
    "Dec",
)


class BadError(Exception):
    """The command breaks the grammar; its text follows ``BAD`` in the answer."""


class Cursor:
    """A place in the arguments of a command, given as they stood on the wire."""

    def __init__(self, octets: bytes) -> None:
        self._octets = octets
        self._at = 0
        self._depth = 0

    @property
    def rest(self) -> bytes:
        """What has not been taken yet."""
        return self._octets[self._at :]

    @property
    def at_end(self) -> bool:
        """Whether everything has been taken."""
        return self._at >= len(self._octets)

    def peek(self, count: int = 1) -> bytes:
        """Return the next ``count`` octets without taking them."""
        return self._octets[self._at : self._at + count]

    def accept(self, octets: bytes) -> bool:
        """Take ``octets`` (any case) if they come next, and say whether they did."""
        found = self.peek(len(octets)).upper() == octets.upper()
        if found:
            self._at += len(octets)
        return found

    def expect(self, octets: bytes) -> None:
        """Take ``octets`` (any case)."""
        if not self.accept(octets):
            raise BadError(f"{octets.decode()!r} is missing")

    def space(self) -> None:
        """Take one space."""
        if not self.accept(b" "):
            raise BadError("an argument is missing")

    def end(self) -> None:
        """Check that nothing is left."""
        if not self.at_end:
            raise BadError("there is more than was expected")

    def open_list(self) -> None:
        """Take ``(``; too many at once are refused."""
        self.expect(b"(")
        self._depth += 1
        if self._depth > DEEPEST:
            raise BadError("too many parentheses")

    def close_list(self) -> None:
        """Take the ``)`` of an `open_list`."""
        self.expect(b")")
        self._depth -= 1

    def in_list(self, *, first: bool) -> bool:
        """Step to the next element of an opened list; False when it is closed.

        ``while cursor.in_list(first=not found): found.append(...)``
        """
        if self.peek() == b")":
            self.close_list()
            return False
        if not first:
            self.space()
        return True

    def atom(self) -> str:
        """Take an atom."""
        return self._match(_ATOM, "an atom")[0].decode()

    def keyword(self) -> str:
        """Take letters, digits, ``.-=/`` and return them in upper case."""
        return self._match(_KEYWORD, "a word")[0].decode().upper()

    def number(self) -> int:
        """Take a number (RFC 9051: up to 63 bits)."""
        value = int(self._match(_NUMBER, "a number")[0])
        if value > 2**63 - 1:
            raise BadError("the number is too large")
        return value

    def quoted(self) -> bytes:
        """Take a quoted string."""
        return _ESCAPE.sub(rb"\1", self._match(_QUOTED, "a quoted string")[1])

    def string(self, *, binary: bool = False) -> bytes:
        """Take a quoted string or a literal; ``binary`` allows ``~{n}``."""
        if self.peek() == b'"':
            return self.quoted()
        head = self._match(_LITERAL, "a string")
        if head[1] and not binary:
            raise BadError("a binary literal has no place here")
        size = int(head[2])
        octets = self.peek(size)
        if len(octets) < size or (not head[1] and b"\0" in octets):
            raise BadError("the literal is malformed")
        self._at += size
        return octets

    def astring(self) -> bytes:
        """Take an atom (``]`` allowed) or a string."""
        if self.peek() in {b'"', b"{", b"~"} and (
            self.peek() != b"~" or self.peek(2) == b"~{"
        ):
            return self.string()
        return self._match(_ASTRING, "a text")[0]

    def nstring(self, *, binary: bool = False) -> bytes | None:
        """Take NIL or a string."""
        if self.peek() not in {b'"', b"{", b"~"} and self.accept(b"NIL"):
            return None
        return self.string(binary=binary)

    def pattern(self) -> bytes:
        """Take a mailbox pattern of LIST: as `astring`, with ``*`` and ``%``."""
        if self.peek() in {b'"', b"{"}:
            return self.string()
        return self._match(_PATTERN, "a mailbox pattern")[0]

    def sequence_set(self) -> SequenceSet:
        """Take a sequence set (``1:3,7,*`` or ``$``)."""
        text = self._match(_SET, "a sequence set")[0].decode()
        found = parse_sequence_set(text)
        if found is None:
            raise BadError("the sequence set is malformed")
        return found

    def flag(self) -> str:
        """Take a flag or keyword; system flags get their usual spelling."""
        text = self._match(_FLAG, "a flag")[0].decode()
        if not text.startswith("\\"):
            return text
        known = text[:1] + text[1:].capitalize()
        if known not in SYSTEM_FLAGS:
            raise BadError(f"{text} is no flag that can be set")
        return known

    def flag_list(self) -> tuple[str, ...]:
        """Take a parenthesised list of flags."""
        self.open_list()
        found: list[str] = []
        while self.in_list(first=not found):
            found.append(self.flag())
        return tuple(found)

    def date(self) -> date:
        """Take a date, ``1-Feb-1994``, quoted or not."""
        day, month, year = self._match(_DATE, "a date").groups()
        try:
            return date(int(year), _month(month), int(day))
        except ValueError as error:
            raise BadError("there is no such date") from error

    def date_time(self) -> float:
        """Take a date-time and return it in Unix seconds."""
        day, month, year, hour, minute, second, sign, east_h, east_m = self._match(
            _DATE_TIME, "a date and time"
        ).groups()
        east = timedelta(hours=int(east_h), minutes=int(east_m))
        try:
            moment = datetime(
                int(year),
                _month(month),
                int(day),
                int(hour),
                int(minute),
                min(int(second), 59),
                tzinfo=timezone(-east if sign == b"-" else east),
            )
        except ValueError as error:
            raise BadError("there is no such moment") from error
        return moment.timestamp()

    def _match(self, pattern: re.Pattern[bytes], wanted: str) -> re.Match[bytes]:
        found = pattern.match(self._octets, self._at)
        if found is None:
            raise BadError(f"{wanted} is missing")
        self._at = found.end()
        return found


SYSTEM_FLAGS = frozenset({"\\Seen", "\\Answered", "\\Flagged", "\\Deleted", "\\Draft"})
"""Flags a client may set (RFC 9051 §2.3.2)."""


def _month(name: bytes) -> int:
    return MONTHS.index(name.decode().capitalize()) + 1
