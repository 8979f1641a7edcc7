# SPDX-License-Identifier: Apache-2.0
"""How IMAP answers are written: strings, mailbox names, flags, codes (RFC 9051 §9)."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterable

from maild.wire.imap_numbers import compact

__all__ = [
    "NoError",
    "astring",
    "compact",
    "decode_mailbox",
    "encode_mailbox",
    "flag_list",
    "literal_head",
    "nstring",
    "number_list",
    "quoted",
    "status_line",
    "string",
]

_ASTRING = re.compile(rb"[^\x00-\x20(){%*\"\\\x7f-\xff]+")
_QUOTABLE = re.compile(rb"[\x01-\x09\x0b\x0c\x0e-\x7f]*")
_QUOTABLE_UTF8 = re.compile(rb"[^\x00\r\n]*")
_SHIFTED = re.compile(r"[^\x20-\x7e]+")
_SHIFT = re.compile(r"&([A-Za-z0-9+,]*)-")
LONGEST_QUOTED = 1000
"""Octets above which a string becomes a literal: clients cap their lines."""


class NoError(Exception):
    """The command is sound but cannot be done; answered ``NO [code] text``.

    The text is for strangers: nothing of ours in it.
    """

    def __init__(self, text: str, code: str = "") -> None:
        super().__init__(text)
        self.text = text
        self.code = code


def quoted(octets: bytes) -> bytes:
    """Return a quoted string; the caller knows that there is no CR, LF or NUL."""
    return b'"' + octets.replace(b"\\", b"\\\\").replace(b'"', b'\\"') + b'"'


def literal_head(size: int, *, binary: bool = False) -> bytes:
    """Return what announces a literal of ``size`` octets; ``binary``: ``~{n}``."""
    return b"%s{%d}\r\n" % (b"~" if binary else b"", size)


def string(octets: bytes, *, utf8: bool = False) -> bytes:
    """Return a quoted string where possible, else a literal.

    ``utf8``: the client has enabled IMAP4rev2, so quoted strings may hold UTF-8.
    """
    fits = (_QUOTABLE_UTF8 if utf8 else _QUOTABLE).fullmatch(octets)
    if fits and len(octets) <= LONGEST_QUOTED:
        return quoted(octets)
    return literal_head(len(octets)) + octets


def nstring(octets: bytes | None, *, utf8: bool = False) -> bytes:
    """Return NIL or a string."""
    return b"NIL" if octets is None else string(octets, utf8=utf8)


def astring(octets: bytes, *, utf8: bool = False) -> bytes:
    """Return an atom where possible, else a string."""
    if _ASTRING.fullmatch(octets) and octets.upper() != b"NIL":
        return octets
    return string(octets, utf8=utf8)


def flag_list(flags: Iterable[str]) -> bytes:
    """Return a parenthesised list of flags."""
    return b"(" + " ".join(flags).encode("ascii", "replace") + b")"


def number_list(numbers: Iterable[int]) -> bytes:
    """Return numbers with spaces between them."""
    return b" ".join(b"%d" % number for number in numbers)


def status_line(tag: str, word: str, text: str, code: str = "") -> bytes:
    """Return ``tag OK [code] text`` and its line end; no text can add a line."""
    bracket = f"[{code}] " if code else ""
    shown = (bracket + text).replace("\r", " ").replace("\n", " ")
    return f"{tag} {word} {shown}\r\n".encode()


def encode_mailbox(name: str, *, utf8: bool = False) -> bytes:
    """Return a mailbox name as an astring: UTF-8, or modified UTF-7."""
    octets = name.encode() if utf8 else utf7(name)
    return quoted(octets) if not octets else astring(octets, utf8=utf8)


def decode_mailbox(octets: bytes, *, utf8: bool = False) -> str:
    """Read a mailbox name; raise `NoError` when it cannot be one."""
    try:
        text = octets.decode()
        name = text if utf8 or not text.isascii() else from_utf7(text)
    except (UnicodeError, ValueError) as error:
        raise NoError("that is no mailbox name", "CANNOT") from error
    if any(ord(c) < 32 or 0x7F <= ord(c) < 0xA0 for c in name):
        raise NoError("that is no mailbox name", "CANNOT")
    return "INBOX" + name[5:] if _is_inbox(name) else name


def utf7(name: str) -> bytes:
    """Return a name in modified UTF-7 (RFC 3501 §5.1.3)."""

    def shift(found: re.Match[str]) -> str:
        coded = base64.b64encode(found[0].encode("utf-16-be")).decode()
        return "&" + coded.rstrip("=").replace("/", ",") + "-"

    return _SHIFTED.sub(shift, name.replace("&", "&-")).encode("ascii")


def from_utf7(text: str) -> str:
    """Read modified UTF-7; raise ValueError when it is none."""

    def unshift(found: re.Match[str]) -> str:
        coded = found[1].replace(",", "/")
        if not coded:
            return "&"
        padded = coded + "=" * (-len(coded) % 4)
        try:
            return base64.b64decode(padded, validate=True).decode("utf-16-be")
        except binascii.Error as error:
            raise ValueError("no modified UTF-7") from error

    if "&" in _SHIFT.sub("", text):
        raise ValueError("no modified UTF-7")
    return _SHIFT.sub(unshift, text)


def _is_inbox(name: str) -> bool:
    return name[:5].upper() == "INBOX" and name[5:6] in {"", "/"}
