# SPDX-License-Identifier: Apache-2.0
"""How header fields are written: folded, encoded, safe against foreign text (CWE-93).

Whatever the text, a field is one field of printable ASCII lines of at most 78 octets
where it can be broken and never more than 998 (RFC 5322 §2.1.1).  Reading is
`maild.mail.fields`.
"""

from __future__ import annotations

import re
import unicodedata
from base64 import b64encode
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from email.utils import format_datetime

from maild.mail.address import Address

LINE = 76
"""Octets of a line that holds an encoded word (RFC 2047 §2)."""
LONGEST = 1024
"""Characters of one foreign text in a header; names in offers have the same limit."""

_PLAIN = re.compile(r"[!-~]{1,64}(?: [!-~]{1,64})*")
_TOKEN = re.compile(r"[A-Za-z0-9!#$&+.^_`{|}~-]{1,60}")
_QUOTABLE = re.compile(r"[ !#-\[\]-~]{1,60}")
_ATTRIBUTE_CHAR = frozenset(
    b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789!#$&+-.^_`{|}~"
)
_REPLACED = frozenset("\u061c\u200e\u200f\u2028\u2029") | {
    chr(c) for c in (*range(0x202A, 0x202F), *range(0x2066, 0x206A))
}
"""Line separators, and the directional marks that make a name read backwards."""
_NO_PATH = str.maketrans("/\\", "\u2215\u2216")


def printable(text: str, most: int = LONGEST) -> str:
    """Return ``text`` in at most ``most`` characters, each fit to be shown.

    Control characters, line separators, directional overrides and lone surrogates
    become U+FFFD; blanks at the ends are dropped.
    """
    text = text[:most]
    if not text.isprintable():
        text = "".join(map(_shown, text))
    return text.strip()


def _shown(char: str) -> str:
    if char in _REPLACED or unicodedata.category(char) in ("Cc", "Cs"):
        return "\ufffd"
    return char


def file_name(text: str) -> str:
    """Return a name as a ``filename`` parameter may hold it (RFC 2183 §2.3).

    Never empty, never a path: a slash becomes U+2215 and a backslash U+2216, which
    look the same.
    """
    return printable(text).translate(_NO_PATH) or "unnamed"


def field(name: str, text: str) -> bytes:
    """Return an unstructured field; RFC 2047 encoded unless it is plain ASCII."""
    text = printable(text)
    if not text:
        return f"{name}:\r\n".encode()
    if _PLAIN.fullmatch(text) and "=?" not in text:
        words: Iterable[str] = text.split(" ")
    else:
        words = encoded_words(text, first=LINE - len(name) - 2)
    return _folded(f"{name}:", words)


def _folded(start: str, words: Iterable[str]) -> bytes:
    lines = [start]
    for word in words:
        if len(lines[-1]) + 1 + len(word) > LINE and lines[-1] != start:
            lines.append("")
        lines[-1] += f" {word}"
    return "\r\n".join([*lines, ""]).encode("ascii")


def encoded_words(text: str, first: int = LINE - 1) -> Iterator[str]:
    """Yield RFC 2047 words for ``text``, whole characters each, base64 of UTF-8.

    The first word takes at most ``first`` characters, so that it fits behind a name.
    """
    room = max((min(first, LINE - 1) - 12) // 4 * 3, 6)
    pending = b""
    for char in text:
        octets = char.encode()
        if len(pending) + len(octets) > room:
            yield _word(pending)
            pending, room = b"", (LINE - 1 - 12) // 4 * 3
        pending += octets
    if pending:
        yield _word(pending)


def _word(octets: bytes) -> str:
    return f"=?UTF-8?B?{b64encode(octets).decode()}?="


def address_field(name: str, address: Address, shown: str = "") -> bytes:
    """Return a field with one mailbox, ``shown`` being the name before it."""
    if not address.is_ascii:
        # An addr-spec cannot be encoded; RFC 6857 §3.1.8 keeps it as a group's name.
        words = [*encoded_words(str(address), first=LINE - len(name) - 2), ":;"]
        return _folded(f"{name}:", words)
    if not shown:
        return _folded(f"{name}:", [str(address)])
    return _folded(f"{name}:", [*_phrase(shown), f"<{address}>"])


def _phrase(text: str) -> list[str]:
    text = printable(text, 64)
    if re.fullmatch(r"[A-Za-z0-9 ]+", text):
        return [w for w in text.split(" ") if w]
    return list(encoded_words(text, first=50))


def date_field(now: float, name: str = "Date") -> bytes:
    """Return a date field for ``now`` (Unix seconds) in UTC (RFC 5322 §3.3)."""
    return f"{name}: {date(now)}\r\n".encode()


def date(now: float) -> str:
    """Return ``now`` (Unix seconds) as RFC 5322 §3.3 writes it, in UTC."""
    return format_datetime(datetime.fromtimestamp(int(now), UTC))


def message_id_field(message_id: str, name: str = "Message-ID") -> bytes:
    """Return a message id field; characters that cannot be in one are dropped."""
    return f"{name}: <{bare_id(message_id)}>\r\n".encode()


def bare_id(message_id: str) -> str:
    """Return ``message_id`` without what RFC 5322 §3.6.4 does not allow in it."""
    return re.sub(r"[^!-~]|[<>()\[\],:;\\\"]", "", message_id)[:250]


def parameter_field(name: str, value: str, params: Iterable[tuple[str, str]]) -> bytes:
    """Return a field with parameters, such as Content-Type (RFC 2045 §5.1, RFC 2231).

    ``value`` and the parameters' names are ours; the parameters' values are foreign.
    """
    written = [p for key, text in params for p in _parameter(key, printable(text))]
    return ";\r\n ".join([f"{name}: {value}", *written]).encode("ascii") + b"\r\n"


def _parameter(key: str, text: str) -> list[str]:
    if _TOKEN.fullmatch(text):
        return [f"{key}={text}"]
    if _QUOTABLE.fullmatch(text) and "=?" not in text:
        return [f'{key}="{text}"']
    segments = list(_segments(text, LINE - len(key) - 12))
    if len(segments) < 2:
        return [f"{key}*=UTF-8''{''.join(segments)}"]
    segments[0] = f"UTF-8''{segments[0]}"
    return [f"{key}*{number}*={part}" for number, part in enumerate(segments)]


def _segments(text: str, most: int) -> Iterator[str]:
    """Yield RFC 2231 §4 segments of at most ``most`` octets, whole characters each."""
    pending = ""
    for char in text:
        coded = "".join(
            chr(octet) if octet in _ATTRIBUTE_CHAR else f"%{octet:02X}"
            for octet in char.encode()
        )
        if len(pending) + len(coded) > most:
            yield pending
            pending = ""
        pending += coded
    yield pending
