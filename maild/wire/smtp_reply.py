# SPDX-License-Identifier: Apache-2.0
"""SMTP replies as they are written (RFC 5321 §4.2), for both roles; sans-I/O."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from maild.mail.reply import Reply

MAX_LINE = 4096
"""Octets of one reply line; RFC 5321 §4.5.3.1.5 asks for 512."""
MAX_LINES = 200
"""Lines of one reply; no EHLO seen has more than 30."""
MAX_OFFSET = 2**63 - 1
"""Largest transaction offset that is understood (octets)."""

_LINE = re.compile(r"([2-5][0-9]{2})(?:([ -])(.*))?")
_STATUS = re.compile(r"([245])\.([0-9]{1,3}\.[0-9]{1,3})(?: |$)")
_OFFSET = re.compile(r"([0-9]{1,19})(?: |$)")


class ReplyFormatError(Exception):
    """The peer does not speak SMTP; the connection cannot be kept in step."""


def format_reply(reply: Reply) -> bytes:
    """Return the line or (text with line feeds) lines of ``reply``.

    The enhanced code stands on every line (RFC 2034 §4).
    """
    *before, last = reply.text.split("\n")
    status = f"{reply.status} " if reply.status else ""
    lines = [f"{reply.code}-{status}{text}\r\n" for text in before]
    lines.append(f"{reply.code} {status}{last}".rstrip() + "\r\n")
    return "".join(lines).encode()


def ehlo_reply(hostname: str, keywords: Iterable[str]) -> bytes:
    """Return the answer to EHLO (RFC 5321 §4.1.1.1): no enhanced codes in it."""
    return format_reply(Reply(250, "", "\n".join((hostname, *keywords))))


class ReplyReader:
    """Turns octets into replies; holds at most one unfinished reply.

    The enhanced status code is split from the text; a reply of several lines has a
    text with line feeds.
    """

    def __init__(self) -> None:
        self._rest = b""
        self._lines: list[str] = []
        self._code = ""
        self._detail = ""

    @property
    def is_idle(self) -> bool:
        """Whether nothing of a further reply has been fed (asked before STARTTLS)."""
        return not self._rest and not self._lines

    def feed(self, octets: bytes) -> list[Reply]:
        """Take any number of octets and return the replies that they complete."""
        *lines, self._rest = (self._rest + octets).split(b"\n")
        if len(self._rest) > MAX_LINE:
            raise ReplyFormatError("a reply line without an end")
        return [reply for line in lines if (reply := self._take(line))]

    def discard(self) -> None:
        """Forget what was fed in clear: it says nothing once TLS has begun."""
        self._rest = b""
        self._lines.clear()

    def _take(self, line: bytes) -> Reply | None:
        found = _LINE.fullmatch(line.removesuffix(b"\r").decode(errors="replace"))
        if found is None or len(line) > MAX_LINE:
            raise ReplyFormatError("a line that is no reply")
        code, separator, text = found[1], found[2] or " ", found[3] or ""
        if self._lines and code != self._code:
            raise ReplyFormatError("a reply with two codes")
        status = _STATUS.match(text)
        if status and status[1] == code[0]:
            self._detail = status[2]
            text = text[status.end() :]
        elif not self._lines:
            self._detail = ""
        self._code = code
        self._lines.append(text)
        if separator == "-":
            if len(self._lines) >= MAX_LINES:
                raise ReplyFormatError("a reply without an end")
            return None
        reply = Reply(int(code), self._detail, "\n".join(self._lines))
        self._lines.clear()
        return reply


@dataclass(frozen=True, slots=True)
class Ehlo:
    """What a server offers: its name, and keywords (upper case) with parameters."""

    domain: str
    keywords: Mapping[str, str]

    def __contains__(self, keyword: str) -> bool:
        """Whether the extension is offered."""
        return keyword in self.keywords

    @property
    def size(self) -> int | None:
        """Most octets of a message; None when no limit is told (RFC 1870 §3)."""
        text = self.keywords.get("SIZE", "")
        return int(text) or None if re.fullmatch(r"[0-9]{1,20}", text) else None

    @property
    def mechanisms(self) -> tuple[str, ...]:
        """SASL mechanisms (RFC 4954 §3)."""
        return tuple(self.keywords.get("AUTH", "").upper().split())


def parse_ehlo(reply: Reply) -> Ehlo:
    """Read a positive answer to EHLO."""
    first, *lines = reply.text.split("\n")
    keywords: dict[str, str] = {}
    for line in lines:
        keyword, _, parameters = line.strip().partition(" ")
        keywords[keyword.upper()] = parameters.strip()
    return Ehlo(first.partition(" ")[0], keywords)


def restart_at(offset: int) -> Reply:
    """Return the 355 to a MAIL with a known TRANSID (RFC 1845 §3); octets."""
    return Reply(355, "", f"{offset} is the transaction offset")


def transaction_offset(reply: Reply) -> int:
    """Read a 355: the octets of the message that the server has already."""
    found = _OFFSET.match(reply.text)
    if reply.code != 355 or found is None or int(found[1]) > MAX_OFFSET:
        raise ReplyFormatError("a restart without an offset")
    return int(found[1])
