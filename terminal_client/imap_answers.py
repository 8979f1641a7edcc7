# SPDX-License-Identifier: GPL-3.0-only
"""IMAP responses as a client reads them (RFC 9051 §7): octets to values, sans-I/O.

A response is cut into *fragments*: text, literal, text, ...; large literals go where
the caller wants them and never through here.  `values` turns fragments into nested
lists: atoms are `str`, strings and literals `bytes`, NIL is None.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from terminal_client.errors import ProtocolError

MAX_LINE = 1 << 20
"""Octets of one line of a response; a reply to SEARCH may be long."""
MAX_LITERAL = 4 << 20
"""Octets of a literal that is kept; larger ones need a place of their own."""
MAX_DEPTH = 50
"""Nesting of lists; a BODYSTRUCTURE of any real message has a few."""

Values = list[Any]
"""Nested lists of str (atoms), bytes (strings) and None (NIL)."""

_LITERAL = re.compile(rb"~?\{([0-9]{1,19})\+?\}\Z")
_STATUS = re.compile(rb"\S+ (?:OK|NO|BAD|BYE|PREAUTH)(?: |\Z)", re.IGNORECASE)
_ATOM = re.compile(rb'[^\s()"\[\]]*(?:\[[^\]]*\][^\s()"\[\]]*)*')
_QUOTED = re.compile(rb'"((?:[^"\\]|\\.)*)"')


class AnswerError(ProtocolError):
    """The server does not speak IMAP; the connection cannot be kept in step."""

    def __init__(self, what: str) -> None:
        super().__init__(f"the IMAP server sent {what}")


@dataclass(frozen=True, slots=True)
class Response:
    """One response: text at even places, the literal that ended it at odd ones."""

    fragments: tuple[bytes, ...]

    @property
    def line(self) -> bytes:
        """The first text; all there is of a response without literals."""
        return self.fragments[0]


Placement = Callable[[tuple[bytes, ...], int], "memoryview | None"]
"""Where to put a literal, given the fragments before it and its size in octets."""


class ResponseReader:
    """Turns octets into responses."""

    def __init__(self, place: Placement) -> None:
        self._place = place
        self._line = bytearray()
        self._fragments: list[bytes] = []
        self._literal: memoryview | None = None
        self._filled = 0
        self._kept: bytearray | None = None

    def feed(self, octets: bytes) -> Iterator[Response]:
        """Take any number of octets; yield the responses that they complete."""
        view = memoryview(octets)
        at = 0
        while at < len(octets):
            if self._literal is not None:
                at += self._fill(view[at:])
                continue
            found = octets.find(b"\n", at)
            self._line += view[at : found if found >= 0 else None]
            if len(self._line) > MAX_LINE:
                raise AnswerError("a line without an end")
            if found < 0:
                return
            at = found + 1
            response = self._end_of_line()
            if response is not None:
                yield response

    @property
    def room(self) -> memoryview | None:
        """What a literal under way still lacks; None between literals.

        Whoever has its next octets may put them here, and say so to `filled`.
        """
        return None if self._literal is None else self._literal[self._filled :]

    def filled(self, count: int) -> None:
        """Take it that the first ``count`` octets of `room` have come."""
        assert self._literal is not None
        self._filled += count
        if self._filled == len(self._literal):
            self._fragments.append(bytes(self._kept or b""))
            self._literal = self._kept = None

    def _fill(self, view: memoryview) -> int:
        room = self.room
        assert room is not None
        count = min(len(view), len(room))
        room[:count] = view[:count]
        self.filled(count)
        return count

    def _end_of_line(self) -> Response | None:
        line = bytes(self._line).removesuffix(b"\r")
        self._line.clear()
        found = _LITERAL.search(line)
        if found and not (not self._fragments and _STATUS.match(line)):
            self._fragments.append(line[: found.start()])
            self._begin_literal(int(found[1]))
            return None
        response = Response((*self._fragments, line))
        self._fragments.clear()
        return response

    def _begin_literal(self, size: int) -> None:
        self._literal = self._place(tuple(self._fragments), size)
        self._filled = 0
        if self._literal is None:
            if size > MAX_LITERAL:
                raise AnswerError("a literal that nobody asked for")
            self._kept = bytearray(size)
            self._literal = memoryview(self._kept)
        if len(self._literal) != size:
            raise AnswerError("a literal of another size than was asked for")
        if size == 0:
            self._fill(memoryview(b""))


def values(response: Response) -> Values:
    """Return everything in a response as nested values."""
    return _Walker(response.fragments).everything()


class _Walker:
    """Reads values from fragments, one after another."""

    def __init__(self, fragments: tuple[bytes, ...]) -> None:
        self._fragments = fragments
        self._index = 0
        self._at = 0

    def everything(self) -> Values:
        stack: list[Values] = [[]]
        while True:
            text = self._fragments[self._index]
            if self._at >= len(text):
                if self._index + 1 >= len(self._fragments):
                    break
                stack[-1].append(self._fragments[self._index + 1])
                self._index, self._at = self._index + 2, 0
                continue
            self._step(text, stack)
        if len(stack) != 1:
            raise AnswerError("a list without an end")
        return stack[0]

    def _step(self, text: bytes, stack: list[Values]) -> None:
        match text[self._at : self._at + 1]:
            case b" ":
                self._at += 1
            case b"(":
                if len(stack) > MAX_DEPTH:
                    raise AnswerError("lists nested too deeply")
                inner: Values = []
                stack[-1].append(inner)
                stack.append(inner)
                self._at += 1
            case b")":
                stack.pop()
                if not stack:
                    raise AnswerError("a parenthesis too many")
                self._at += 1
            case b'"':
                stack[-1].append(self._quoted(text))
            case _:
                stack[-1].append(self._atom(text))

    def _quoted(self, text: bytes) -> bytes:
        found = _QUOTED.match(text, self._at)
        if found is None:
            raise AnswerError("a quoted string without an end")
        self._at = found.end()
        return re.sub(rb"\\(.)", rb"\1", found[1])

    def _atom(self, text: bytes) -> str | None:
        found = _ATOM.match(text, self._at)
        if found is None or not found[0]:
            raise AnswerError("a character that belongs to nothing")
        self._at = found.end()
        atom = found[0].decode(errors="replace")
        return None if atom.upper() == "NIL" else atom


def fetched(response: Response) -> dict[str, Any] | None:
    """Return the items of a ``* n FETCH (...)``, names in upper case; else None."""
    found = values(response)
    if len(found) < 4 or not isinstance(found[3], list):
        return None
    if not isinstance(found[2], str) or found[2].upper() != "FETCH":
        return None
    pairs = found[3]
    return {str(pairs[i]).upper(): pairs[i + 1] for i in range(0, len(pairs) - 1, 2)}


def changed_annotations(response: Response) -> list[str]:
    """Return the names in a ``* METADATA mailbox name ...``, in lower case; else none.

    An answer to GETMETADATA has a list there, and tells of no change (RFC 5464 §4.4.2).
    """
    if not response.line[:11].upper().startswith(b"* METADATA "):
        return []
    names = values(response)[3:]
    return [
        (
            name.decode(errors="replace") if isinstance(name, bytes) else str(name)
        ).lower()
        for name in names
        if not isinstance(name, list)
    ]
