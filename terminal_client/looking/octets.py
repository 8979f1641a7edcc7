# SPDX-License-Identifier: GPL-3.0-only
"""Reading numbers and fixed pieces of formats, where nothing read can be trusted."""

from __future__ import annotations

from typing import Protocol


class Readable(Protocol):
    """What all readers here read: a file, or one that stands for content elsewhere."""

    def read(self, size: int = -1, /) -> bytes | None:
        """Return up to ``size`` octets; fewer at the end only."""

    def seek(self, offset: int, whence: int = 0, /) -> int:
        """Go to an offset."""

    def tell(self) -> int:
        """Return the offset of the next read."""


class OddError(ValueError):
    """Content is not what its beginning promised; ``str()`` says how."""


def exactly(file: Readable, count: int) -> bytes:
    """Read so many octets; `OddError` when the file ends before."""
    octets = file.read(count) or b""
    if len(octets) != count:
        raise OddError("it ends too early")
    return octets


def exactly_at(file: Readable, offset: int, count: int) -> bytes:
    """Read so many octets from an offset."""
    file.seek(offset)
    return exactly(file, count)


def size_of(file: Readable) -> int:
    """Return the octets in all."""
    return file.seek(0, 2)


def big(octets: bytes) -> int:
    """Return an unsigned number, most significant octet first."""
    return int.from_bytes(octets, "big")


def little(octets: bytes) -> int:
    """Return an unsigned number, least significant octet first."""
    return int.from_bytes(octets, "little")


def word(octets: bytes) -> str:
    """Return a short name in ASCII as a format holds it; what is odd in it goes."""
    return "".join(chr(o) if 0x20 < o < 0x7F else "" for o in octets)
