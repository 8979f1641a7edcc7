# SPDX-License-Identifier: GPL-3.0-only
"""What is in a tar: from header to header, nothing between them is read."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import BinaryIO, cast

from terminal_client.looking.octets import OddError, Readable
from terminal_client.looking.seen import Entry

HEADER = 512
"""Octets of a header (POSIX.1-2017, pax, "ustar Interchange Format")."""
MAGIC = slice(257, 262)
LONGEST_HEADER = 64 << 10
"""Octets of an extended header at most: names, not content."""


@dataclass(frozen=True, slots=True)
class Member:
    """One member, and where its octets are."""

    entry: Entry
    offset: int
    is_plain: bool
    """Whether it is a file whose octets stand there as they are."""


class _Bounded(io.RawIOBase):
    """A file of which nobody can be made to read much at once."""

    def __init__(self, file: Readable) -> None:
        super().__init__()
        self._file = file

    def read(self, size: int = -1, /) -> bytes:
        if not 0 <= size <= LONGEST_HEADER:
            raise OddError("a header of it is too long")
        if size == 1:  # tarfile looks at the octet before a header: both in one slice
            at = self._file.tell()
            octets = self._file.read(1 + HEADER) or b""
            self._file.seek(at + 1)
            return octets[:1]
        return self._file.read(size) or b""

    def seek(self, offset: int, whence: int = 0, /) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()


def is_tar(head: bytes) -> bool:
    """Say whether a beginning is that of a tar."""
    return head[MAGIC] == b"ustar" and len(head) >= HEADER


def members(file: Readable) -> Iterator[Member]:
    """Yield the members in order; reads as far as is asked for."""
    file.seek(0)
    try:
        archive = tarfile.TarFile(fileobj=cast(BinaryIO, _Bounded(file)), mode="r")
        at = -1
        while (found := archive.next()) is not None:
            archive.members = []  # type: ignore[attr-defined] # it would keep them all
            if found.offset <= at:
                raise OddError("it leads in a circle")
            at = found.offset
            yield _member(found)
        # What follows must be the end, of which zeros are the mark; tarfile takes
        # whatever it cannot read for the end.
        file.seek(archive.offset)
        if (file.read(HEADER) or b"").strip(b"\0"):
            raise OddError("a header of it is damaged")
    except tarfile.TarError as error:
        raise OddError("a header of it is damaged") from error
    except (UnicodeError, OverflowError, RecursionError) as error:
        raise OddError("a header of it is damaged") from error


def _member(found: tarfile.TarInfo) -> Member:
    changed = None
    with suppress(ValueError, OverflowError, OSError):
        changed = datetime.fromtimestamp(found.mtime, UTC)
    name = found.name + ("/" if found.isdir() else "")
    name = name.encode(errors="surrogateescape").decode(errors="replace")
    size = max(found.size, 0)
    entry = Entry(name, size, size, changed, found.isdir())
    is_plain = found.isreg() and not found.issparse()
    return Member(entry, found.offset_data, is_plain)
