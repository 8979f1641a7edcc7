# SPDX-License-Identifier: GPL-3.0-only
"""One member of a zip on its way out: unpacked as it comes, its CRC compared."""

from __future__ import annotations

import bz2
import io
import zlib
from typing import TYPE_CHECKING, BinaryIO

from terminal_client.errors import ContentError, UnavailableError
from terminal_client.looking.octets import (
    OddError,
    Readable,
    exactly_at,
    little,
    size_of,
)
from terminal_client.looking.zip_directory import Member
from terminal_client.naming import shown

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

PIECE = 256 << 10
"""Octets unpacked at a time, however well they were packed."""
LOCAL = 30
"""Octets of a local header before its name (§4.3.7)."""
STORED, DEFLATED, BZIP2 = 0, 8, 12
"""Methods (§4.4.5)."""


def content_at(file: Readable, member: Member) -> int:
    """Return the offset of a member's packed octets; raise when it cannot be got."""
    name = shown(member.entry.name)
    if member.is_encrypted:
        raise UnavailableError(f"{name} is encrypted; get the whole archive")
    if member.method not in (STORED, DEFLATED, BZIP2):
        raise UnavailableError(
            f"{name} is packed by method {member.method}, which is not known here; "
            "get the whole archive"
        )
    head = exactly_at(file, member.offset, LOCAL)
    if head[:4] != b"PK\3\4":
        raise OddError("its directory leads to nothing")
    at = member.offset + LOCAL + little(head[26:28]) + little(head[28:30])
    if at + member.entry.packed > size_of(file):
        raise OddError("it ends before a member of it does")
    return at


class Unpacking(io.RawIOBase):
    """Takes the packed octets of a member in order, writes the member to ``sink``."""

    def __init__(self, member: Member, sink: BinaryIO) -> None:
        super().__init__()
        self._member = member
        self._sink = sink
        self._crc = 0
        self._octets = 0
        self._unpacker: zlib._Decompress | bz2.BZ2Decompressor | None = None
        if member.method == DEFLATED:
            self._unpacker = zlib.decompressobj(-zlib.MAX_WBITS)
        elif member.method == BZIP2:
            self._unpacker = bz2.BZ2Decompressor()

    def writable(self) -> bool:
        """Say that it can be written."""
        return True

    def write(self, packed: ReadableBuffer, /) -> int:
        """Take packed octets; never holds more than a piece of what they become."""
        octets = bytes(packed)
        try:
            match self._unpacker:
                case None:
                    self._pass(octets)
                case bz2.BZ2Decompressor() as unpacker:
                    self._unpack_bz2(unpacker, octets)
                case unpacker:
                    self._unpack(unpacker, octets)
        except (zlib.error, OSError, EOFError) as error:
            if isinstance(error, OSError) and error.errno is not None:
                raise  # the sink's
            raise self._wrong() from error
        return len(octets)

    def flush(self) -> None:
        """Let others see what has been unpacked."""
        self._sink.flush()

    def _unpack(self, unpacker: zlib._Decompress, octets: bytes) -> None:
        # A full piece says nothing about what is held back, even when all input is
        # taken: only a call that gives nothing does.
        while not unpacker.eof:
            piece = unpacker.decompress(octets, PIECE)
            self._pass(piece)
            octets = unpacker.unconsumed_tail
            if not (piece or octets):
                return

    def _unpack_bz2(self, unpacker: bz2.BZ2Decompressor, octets: bytes) -> None:
        while not unpacker.eof:
            piece = unpacker.decompress(octets, PIECE)
            self._pass(piece)
            octets = b""
            if not piece and unpacker.needs_input:
                return

    def _pass(self, octets: bytes) -> None:
        self._octets += len(octets)
        if self._octets > self._member.entry.size:
            raise self._wrong()
        self._crc = zlib.crc32(octets, self._crc)
        left = memoryview(octets)
        while left:
            left = left[self._sink.write(left) :]

    def must_be_whole(self) -> None:
        """Raise unless what came is what was packed; call it after the last octet."""
        is_whole = self._octets == self._member.entry.size
        if not is_whole or self._crc != self._member.crc:
            raise self._wrong()

    def _wrong(self) -> ContentError:
        name = shown(self._member.entry.name)
        return ContentError(f"{name} is damaged in its archive; nothing of it is kept")
