# SPDX-License-Identifier: Apache-2.0
"""Where the content of one leaf part goes: constants when small, else a blob.

Whatever is decided depends on the octets alone, never on how they were cut.
"""

from __future__ import annotations

import binascii
from base64 import b64encode

import pybase64

from maild.mail.encoding import CODED_LINE, RAW_LINE
from maild.wire.mime_steps import Page

Octets = bytes | memoryview
_LINE_TEXT = CODED_LINE - 2


class Kept:
    """Content kept as it came, or raw content that is rendered as base64.

    At most ``limit`` octets stay constants; with more it becomes a blob.  A negative
    limit makes it a blob from the start, be it empty.
    """

    def __init__(
        self,
        page: Page,
        limit: int,
        *,
        as_base64: bool = False,
        expected: int | None = None,
    ) -> None:
        self._page = page
        self._limit = limit
        self._as_base64 = as_base64
        self._expected = expected
        self._held = bytearray()
        self.size = 0
        """Octets taken."""
        self.blob: int | None = None
        """The piece of the rope, once this is a blob."""
        self._small: bytes | None = None
        if limit < 0:
            self.blob = page.blob_start(expected)

    @property
    def is_raw_blob(self) -> bool:
        """Whether a blob is growing whose octets are those on the wire."""
        return self.blob is not None and self._as_base64

    @property
    def kept(self) -> int:
        """Octets that became constants, once finished."""
        return 0 if self._small is None else len(self._small)

    def decoded(self, encoding: str) -> bytes | None:
        """Return the content less its encoding, if it stayed a constant."""
        if self._small is None:
            return None
        try:
            if encoding == "base64":
                return pybase64.b64decode(self._small)
            if encoding == "quoted-printable":
                return binascii.a2b_qp(self._small)
        except ValueError:
            return None
        return self._small

    def decoded_size(self, encoding: str) -> int | None:
        """Return the octets of the content less its encoding, when known."""
        if encoding in ("7bit", "8bit", "binary"):
            return self.size
        content = self.decoded(encoding) if encoding == "base64" else None
        return None if content is None else len(content)

    def take(self, octets: Octets) -> None:
        """Add content."""
        self.size += len(octets)
        if self.blob is None and self.size <= self._limit:
            self._held += octets
            return
        if self.blob is None:
            self.blob = self._page.blob_start(self._expected)
            self._pass(bytes(self._held))
            self._held.clear()
        self._pass(octets)

    def skip(self, octets: int) -> None:
        """Count raw octets of a blob that were taken before a restart."""
        if not self.is_raw_blob:
            raise ValueError("no raw blob is growing")
        self.size += octets
        self._page.blob_skip(octets)

    def _pass(self, octets: Octets) -> None:
        lines = 0 if self._as_base64 else bytes(octets).count(b"\n")
        self._page.blob_octets(octets, lines)

    def finish(self, *, open_end: bool) -> None:
        """End the content; ``open_end``: the CRLF that follows is a boundary's."""
        if self.blob is not None:
            self._page.blob_end(
                as_base64=self._as_base64, open_end=self._as_base64 and open_end
            )
            return
        self._small = bytes(self._held)
        if not self._as_base64:
            self._page.constant(self._small)
            return
        coded = b64encode(self._small)
        lines = [coded[i : i + _LINE_TEXT] for i in range(0, len(coded), _LINE_TEXT)]
        end = b"\r\n" if coded and not open_end else b""
        self._page.constant(b"\r\n".join(lines) + end)


class Decoded:
    """Base64 that is decoded as long as it can be rendered again octet for octet.

    That is: lines of 76 characters, CRLF, right padding, nothing after it (RFC 2045
    §6.8).  From the first line that is otherwise, the rest is kept as it came.
    """

    def __init__(self, page: Page, limit: int, expected: int | None) -> None:
        self._page = page
        self._limit = limit
        self._expected = expected
        self._rest = b""
        self._tail: Kept | None = None
        self._blob: int | None = None
        self._size: int | None = 0

    @property
    def blob(self) -> int | None:
        """The one piece of the rope that is the whole content, if there is one."""
        if self._tail is None:
            return self._blob
        return None if self._blob is not None else self._tail.blob

    @property
    def kept(self) -> int:
        """Octets that became constants, once finished."""
        return 0 if self._tail is None else self._tail.kept

    def decoded(self, encoding: str) -> None:
        """Return None: what is decoded here is a blob, never a constant."""

    def decoded_size(self, encoding: str) -> int | None:
        """Return the octets of the content, None when its end was not decoded."""
        return self._size

    def take(self, octets: Octets) -> None:
        """Add content as it came."""
        if self._tail is not None:
            self._tail.take(octets)
            return
        block = self._rest + octets if self._rest else bytes(octets)
        whole = len(block) // CODED_LINE
        good, content = _canonical_prefix(block, whole)
        if content:
            self._give(content)
        self._rest = block[good * CODED_LINE :]
        if good < whole and not _may_be_last(self._rest):
            self._deviate()

    def _give(self, content: bytes) -> None:
        if self._blob is None:
            self._blob = self._page.blob_start(self._expected)
        self._page.blob_octets(content)
        if self._size is not None:
            self._size += len(content)

    def _deviate(self) -> None:
        if self._blob is not None:
            self._page.blob_end(as_base64=True, open_end=False)
        self._size = None
        self._tail = Kept(self._page, self._limit)
        self._tail.take(self._rest)
        self._rest = b""

    def finish(self, *, open_end: bool) -> None:
        """End the content; whether its end is open can be seen in it."""
        if self._tail is None:
            open_end = not (self._rest == b"" or self._rest.endswith(b"\r\n"))
            content = _last_line(self._rest)
            if content is None:
                self._deviate()
            else:
                self._give(content)
                self._page.blob_end(as_base64=True, open_end=open_end)
                return
        if self._tail is not None:
            self._tail.finish(open_end=open_end)


def _canonical_prefix(block: bytes, lines: int) -> tuple[int, bytes]:
    """Return (how many of the first ``lines`` lines are canonical, their content)."""
    content = _full_lines(block, lines)
    if content is not None:
        return lines, content
    good, bad, found = 0, lines, b""
    while bad - good > 1:
        middle = (good + bad) // 2
        content = _full_lines(block, middle)
        if content is None:
            bad = middle
        else:
            good, found = middle, content
    return good, found


def _full_lines(block: bytes, lines: int) -> bytes | None:
    """Return the content of ``lines`` full lines, or None if any is otherwise.

    Without a Python loop: line ends are looked at by slices, and when exactly they
    are taken out, nothing but the alphabet may be left.
    """
    if not lines:
        return b""
    end = lines * CODED_LINE
    if (
        block[_LINE_TEXT:end:CODED_LINE] != b"\r" * lines
        or block[_LINE_TEXT + 1 : end : CODED_LINE] != b"\n" * lines
    ):
        return None
    text = block[:end].translate(None, b"\r\n")
    if len(text) != lines * _LINE_TEXT or b"=" in text:
        return None
    try:
        content: bytes = pybase64.b64decode(text, validate=True)
    except ValueError:
        return None
    return content if len(content) == lines * RAW_LINE else None


def _may_be_last(rest: bytes) -> bool:
    """Whether a line that is not full, or is padded, could end the content here."""
    return len(rest) <= CODED_LINE and _last_line(rest) is not None


def _last_line(rest: bytes) -> bytes | None:
    """Return the content of the last line, b"" for none, None if not canonical."""
    if not rest:
        return b""
    text = rest.removesuffix(b"\r\n")
    if not text or len(text) > _LINE_TEXT:
        return None
    try:
        content: bytes = pybase64.b64decode(text, validate=True)
    except ValueError:
        return None
    return content if b64encode(content) == text else None
