# SPDX-License-Identifier: GPL-3.0-only
"""The beginning of what gzip, bzip2, xz or zstd has packed, as a file of its own."""

from __future__ import annotations

import bz2
import io
import lzma
import sys
import zlib
from collections.abc import Callable
from typing import Any

from terminal_client.looking.octets import OddError, Readable

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

PACKED = 256 << 10
"""Octets of the packed content that are looked at."""
UNPACKED = 4 << 20
"""Octets that they become, at most: whatever they claim (CWE-409)."""
MEMORY = 64 << 20
"""Octets that an unpacker may take for its window; nobody makes more for others."""
WINDOW_LOG = 26
"""The same for zstd, as a power of two."""


class CutError(OddError):
    """The looked-at beginning ends here; the content does not."""


class Beginning(io.BytesIO):
    """The unpacked beginning; ``is_whole`` when there is no more."""

    def __init__(self, octets: bytes, *, is_whole: bool) -> None:
        super().__init__(octets)
        self.is_whole = is_whole

    def read(self, size: int | None = -1, /) -> bytes:
        """Return up to ``size`` octets; `CutError` where the beginning is cut."""
        octets = super().read(size)
        short = size is not None and 0 <= len(octets) < size
        if short and not self.is_whole:
            raise CutError("only the beginning of what is packed was looked at")
        return octets


def _gzip() -> Any:
    return zlib.decompressobj(16 + zlib.MAX_WBITS)


def _xz() -> Any:
    return lzma.LZMADecompressor(memlimit=MEMORY)


def _zstd() -> Any:
    limit = {int(zstd.DecompressionParameter.window_log_max): WINDOW_LOG}
    return zstd.ZstdDecompressor(options=limit)


_METHODS: tuple[tuple[bytes, str, Callable[[], Any]], ...] = (
    (b"\x1f\x8b\x08", "gzip", _gzip),
    (b"BZh", "bzip2", bz2.BZ2Decompressor),
    (b"\xfd7zXZ\0", "xz", _xz),
    (b"\x28\xb5\x2f\xfd", "zstd", _zstd),
)


def method(head: bytes) -> tuple[str, Callable[[], Any]] | None:
    """Return what a beginning was packed by, and what unpacks it."""
    for magic, name, make in _METHODS:
        if head.startswith(magic):
            return name, make
    return None


def beginning(file: Readable, make: Callable[[], Any], size: int) -> Beginning:
    """Unpack the first octets of ``file``, of whose ``size`` octets they may be all."""
    file.seek(0)
    packed = file.read(min(PACKED, size, getattr(file, "there", size))) or b""
    unpacker = make()
    try:
        octets = unpacker.decompress(packed, UNPACKED)
    except (zlib.error, OSError, EOFError, lzma.LZMAError, zstd.ZstdError) as error:
        raise OddError("what is packed cannot be unpacked") from error
    is_whole = unpacker.eof and len(packed) == size and not unpacker.unused_data
    return Beginning(octets, is_whole=is_whole)
