# SPDX-License-Identifier: Apache-2.0
"""Removes a Content-Transfer-Encoding piece by piece (RFC 2045 §6), for any size.

Used where a part was kept as it came: what is a blob of its own needs no decoding.
Lenient, as the RFC asks: octets outside of the alphabet are skipped, never an error.
"""

from __future__ import annotations

import binascii
import quopri
from typing import Protocol

IDENTITY = frozenset({"", "7bit", "8bit", "binary"})
"""Encodings that change no octet."""
_ALPHABET = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/="
_NOT_BASE64 = bytes(octet for octet in range(256) if octet not in _ALPHABET)


class Decoder(Protocol):
    """Takes the encoded octets in any cuts; the results joined are the content."""

    def feed(self, octets: bytes) -> bytes:
        """Return what can be decoded now."""
        ...

    def finish(self) -> bytes:
        """Return the rest."""
        ...


class Identity:
    """7bit, 8bit, binary: nothing to remove."""

    def feed(self, octets: bytes) -> bytes:
        """Return the octets as they are."""
        return octets

    def finish(self) -> bytes:
        """Return nothing: nothing was held back."""
        return b""


class Base64:
    """base64 (RFC 2045 §6.8); the first padding ends it."""

    def __init__(self) -> None:
        self._kept = b""
        self._ended = False

    def feed(self, octets: bytes) -> bytes:
        """Decode the whole groups of four so far."""
        if self._ended:
            return b""
        coded, padding, _ = (
            self._kept + octets.translate(None, _NOT_BASE64)
        ).partition(b"=")
        if padding:
            self._ended = True
            self._kept = coded
            return self._rest()
        whole = len(coded) // 4 * 4
        self._kept = coded[whole:]
        return binascii.a2b_base64(coded[:whole])

    def finish(self) -> bytes:
        """Decode an unpadded last group."""
        return b"" if self._ended else self._rest()

    def _rest(self) -> bytes:
        coded, self._kept = self._kept, b""
        if len(coded) % 4 == 1:
            coded = coded[:-1]
        return binascii.a2b_base64(coded + b"=" * (-len(coded) % 4))


class QuotedPrintable:
    """quoted-printable (RFC 2045 §6.7), decoded in whole lines where lines are sane."""

    LONGEST = 16 * 1024
    """Octets of a line after which it is decoded in parts; the RFC's limit is 76."""

    def __init__(self) -> None:
        self._kept = b""

    def feed(self, octets: bytes) -> bytes:
        """Decode the whole lines so far."""
        coded = self._kept + octets
        whole = coded.rfind(b"\n") + 1
        if len(coded) - whole > self.LONGEST:
            mark = coded.rfind(b"=", len(coded) - 3)  # "=XX" is not cut in two
            whole = len(coded) if mark < 0 else mark
        self._kept = coded[whole:]
        return quopri.decodestring(coded[:whole])

    def finish(self) -> bytes:
        """Decode a last line without an end."""
        return quopri.decodestring(self._kept)


_DECODERS: dict[str, type[Base64] | type[QuotedPrintable]] = {
    "base64": Base64,
    "quoted-printable": QuotedPrintable,
}


def decoder(encoding: str) -> Decoder | None:
    """Return a fresh decoder of ``encoding``; None when it is unknown."""
    if encoding.lower() in IDENTITY:
        return Identity()
    make = _DECODERS.get(encoding.lower())
    return make() if make else None
