# SPDX-License-Identifier: Apache-2.0
"""What a message's octets ask of the way they are sent: lines, eight bits, dots."""

from __future__ import annotations

import re

MAX_TEXT_LINE = 998
"""Octets of one line of text without its CRLF (RFC 5322 §2.1.1)."""

_LONG = re.compile(rb"[^\r\n]{%d}" % (MAX_TEXT_LINE + 1))
_HIGH = re.compile(rb"[\x80-\xff]")


class LineScan:
    """Looks at a whole message, piece by piece, before its first octet is sent.

    After `finish`: ``binary`` means that only BINARYMIME carries it unchanged (a bare
    CR or LF, a NUL, a line that is too long), ``eight_bit`` that it needs 8BITMIME.
    """

    def __init__(self) -> None:
        self.binary = False
        self.eight_bit = False
        self._open = 0
        self._after_cr = False

    def feed(self, octets: bytes) -> None:
        """Take the next octets, any number of them."""
        if not octets:
            return
        self.eight_bit = self.eight_bit or _HIGH.search(octets) is not None
        if not self.binary:
            self.binary = self._breaks_lines(octets)

    def skip(self) -> None:
        """Whole lines pass that are known to be short and canonical (base64)."""
        self.finish()
        self._open = 0

    def finish(self) -> None:
        """Take the end of the message."""
        self.binary = self.binary or self._after_cr
        self._after_cr = False

    def _breaks_lines(self, octets: bytes) -> bool:
        pairs = octets.count(b"\r\n")
        cr, lf = octets.count(b"\r"), octets.count(b"\n")
        if self._after_cr:
            if not octets.startswith(b"\n"):
                return True
            lf -= 1
        self._after_cr = octets.endswith(b"\r")
        if cr - self._after_cr != pairs or lf != pairs or b"\0" in octets:
            return True
        first, last = octets.find(b"\n"), octets.rfind(b"\n")
        head = self._open + (first if first >= 0 else len(octets))
        # the CR of the head's CRLF and an open one at the end may count here: allow 1
        too_long = head > MAX_TEXT_LINE + 1 or _LONG.search(octets) is not None
        self._open = len(octets) - last - 1 if last >= 0 else head
        return too_long


class DotStuffer:
    """Makes canonical lines fit for DATA (RFC 5321 §4.5.2)."""

    def __init__(self) -> None:
        self._at_start = True

    def feed(self, octets: bytes) -> bytes:
        """Return what is to be written for the next octets."""
        if not octets:
            return b""
        stuffed = octets.replace(b"\n.", b"\n..")
        if self._at_start and octets.startswith(b"."):
            stuffed = b"." + stuffed
        self._at_start = octets.endswith(b"\n")
        return stuffed

    def finish(self) -> bytes:
        """Return the end of data; a line that is still open is ended first."""
        return b".\r\n" if self._at_start else b"\r\n.\r\n"
