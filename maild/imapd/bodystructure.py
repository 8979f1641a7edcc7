# SPDX-License-Identifier: Apache-2.0
"""ENVELOPE, BODY and BODYSTRUCTURE as they are written (RFC 9051 §7.5.2).

Everything comes from the stored `Structure`: no octet of the message is looked at.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any
from urllib.parse import quote

from maild.imapd.sections import is_message
from maild.mail.structure import Part
from maild.wire.imap_write import string

MAX_NUMBER = 2**32 - 1
"""The largest number an IMAP4rev1 program can read (RFC 3501 §9)."""
_NO_PART = b'("TEXT" "PLAIN" ("CHARSET" "US-ASCII") NIL NIL "7BIT" 0 0)'
"""Stands for the part that a multipart must have and an empty one has not."""


def envelope(fields: Sequence[Any]) -> bytes:
    """Return ENVELOPE; sender and reply-to are From when absent, as the RFC says."""
    date, subject, author, sender, reply_to, to, cc, bcc, in_reply_to, message_id = (
        fields
    )
    lists = (author, sender or author, reply_to or author, to, cc, bcc)
    return _list(
        nstring(date),
        nstring(subject),
        *(_addresses(addresses) for addresses in lists),
        nstring(in_reply_to),
        nstring(message_id),
    )


def _addresses(addresses: Sequence[Sequence[str | None]] | None) -> bytes:
    if not addresses:
        return b"NIL"
    return b"(%b)" % b"".join(_list(*map(nstring, address)) for address in addresses)


def body(part: Part, *, extended: bool, rev2: bool) -> bytes:
    """Return BODY, or BODYSTRUCTURE when ``extended``.

    Sizes above 2^32-1 are only written when ``rev2`` (RFC 9051 §7.5.2, appendix E).
    """
    if part.type == "multipart":
        children = b"".join(
            body(child, extended=extended, rev2=rev2) for child in part.children
        )
        words = [(children or _NO_PART) + b" " + nstring(part.subtype.upper())]
        if extended:
            words += [_parameters(part.params), *_extension(part)]
    else:
        words = _single(part, extended=extended, rev2=rev2)
        if extended:
            words += [nstring(part.md5), *_extension(part)]
    return _list(*words)


def _single(part: Part, *, extended: bool, rev2: bool) -> list[bytes]:
    main, sub = part.type.upper(), part.subtype.upper()
    if main == "MESSAGE" and sub in _MESSAGES and not is_message(part):
        # the grammar promises an inner envelope for these, and there is none to give
        main, sub = "APPLICATION", "OCTET-STREAM"
    words = [
        nstring(main),
        nstring(sub),
        _parameters(part.params),
        nstring(part.content_id),
        nstring(part.description),
        nstring((part.encoding or "7bit").upper()),
        _number(part.size, rev2=rev2),
    ]
    if main == "MESSAGE" and is_message(part):
        words += [
            envelope(part.envelope or (None,) * 10),
            body(part.children[0], extended=extended, rev2=rev2),
            _number(part.lines, rev2=rev2),
        ]
    elif main == "TEXT":
        words.append(_number(part.lines, rev2=rev2))
    return words


_MESSAGES = ("RFC822", "GLOBAL")


def _extension(part: Part) -> list[bytes]:
    disposition = b"NIL"
    if part.disposition is not None:
        disposition = _list(
            nstring(part.disposition), _parameters(part.disposition_params)
        )
    language = b"NIL"
    if len(part.language) == 1:
        language = nstring(part.language[0])
    elif part.language:
        language = _list(*map(nstring, part.language))
    return [disposition, language, nstring(part.location)]


def _parameters(params: Iterable[tuple[str, str]]) -> bytes:
    """Return body-fld-param; what is not ASCII goes as RFC 2231 §4 writes it."""
    words: list[bytes] = []
    for name, value in params:
        if value.isascii() and value.isprintable():
            words += [nstring(name.upper()), nstring(value)]
        else:
            coded = "utf-8''" + quote(value, safe="", errors="replace")
            words += [nstring(name.upper() + "*"), nstring(coded)]
    return _list(*words) if words else b"NIL"


def _number(value: int, *, rev2: bool) -> bytes:
    return b"%d" % (value if rev2 else min(value, MAX_NUMBER))


def _list(*words: bytes) -> bytes:
    return b"(" + b" ".join(words) + b")"


def nstring(text: str | None) -> bytes:
    """Return NIL or a string; 8-bit text becomes a literal, NUL is left out."""
    if text is None:
        return b"NIL"
    return string(text.encode("utf-8", "replace").replace(b"\0", b""))
