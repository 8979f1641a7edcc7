# SPDX-License-Identifier: Apache-2.0
"""Reads IMAP answers back, strictly by the grammar (RFC 9051 §9); for tests alone."""

from __future__ import annotations

import re
from typing import Any

Value = Any
"""None (NIL), int, bytes (a string), str (an atom) or a tuple of values."""

_ATOM = re.compile(rb"[A-Za-z0-9.$\\/_*-]+(?:\[[^\]]*\](?:<[0-9]+>)?)?")
_QUOTED = re.compile(rb'"((?:[^"\\\r\n\x00\x80-\xff]|\\["\\])*)"')
_LITERAL = re.compile(rb"(~?)\{([0-9]+)\}\r\n")


class Reader:
    """A place in octets that the server has sent."""

    def __init__(self, octets: bytes) -> None:
        self.octets = octets
        self.at = 0

    def value(self) -> Value:
        """Take one value."""
        first = self.octets[self.at : self.at + 1]
        if first == b"(":
            return self._list()
        if first == b'"':
            found = self._take(_QUOTED)
            return re.sub(rb"\\(.)", rb"\1", found[1])
        if first in {b"{", b"~"}:
            head = self._take(_LITERAL)
            start, size = self.at, int(head[2])
            self.at += size
            text = self.octets[start : self.at]
            assert len(text) == size
            assert head[1] or b"\0" not in text, "NUL in a literal"
            return text
        atom = self._take(_ATOM)[0].decode()
        if atom == "NIL":
            return None
        return int(atom) if atom.isdigit() else atom

    def _list(self) -> tuple[Value, ...]:
        self.expect(b"(")
        found: list[Value] = []
        while not self.accept(b")"):
            # bodies of a multipart and addresses stand without a space between them
            glued = found and isinstance(found[-1], tuple) and self.peek() == b"("
            if found and not glued:
                self.expect(b" ")
            found.append(self.value())
        return tuple(found)

    def peek(self) -> bytes:
        """Return the next octet."""
        return self.octets[self.at : self.at + 1]

    def accept(self, octets: bytes) -> bool:
        """Take ``octets`` if they come next."""
        if self.octets.startswith(octets, self.at):
            self.at += len(octets)
            return True
        return False

    def expect(self, octets: bytes) -> None:
        """Take ``octets``."""
        rest = self.octets[self.at : self.at + 60]
        assert self.accept(octets), (octets, rest)

    def _take(self, pattern: re.Pattern[bytes]) -> re.Match[bytes]:
        found = pattern.match(self.octets, self.at)
        assert found, self.octets[self.at : self.at + 60]
        self.at = found.end()
        return found


def read_value(octets: bytes) -> Value:
    """Read exactly one value."""
    reader = Reader(octets)
    found = reader.value()
    assert reader.at == len(octets), octets[reader.at :]
    return found


def read_fetches(octets: bytes) -> list[tuple[int, dict[str, Value]]]:
    """Read ``* n FETCH (...)`` answers; other untagged lines are passed over."""
    reader = Reader(octets)
    found: list[tuple[int, dict[str, Value]]] = []
    while reader.at < len(octets):
        reader.expect(b"* ")
        number = reader.value()
        if not isinstance(number, int):
            reader.at = octets.index(b"\r\n", reader.at) + 2
            continue
        reader.expect(b" FETCH ")
        words = reader.value()
        reader.expect(b"\r\n")
        assert len(words) % 2 == 0, words
        found.append((number, dict(zip(words[::2], words[1::2], strict=True))))
    return found
