# SPDX-License-Identifier: Apache-2.0
"""Arithmetic of base64 as mail writes it: lines of 76 characters (RFC 2045 §6.8)."""

from __future__ import annotations

RAW_LINE = 57
"""Octets of content in one line."""
CODED_LINE = 78
"""Octets such a line takes: 76 characters and CRLF."""


def base64_size(length: int, *, open_end: bool = False) -> int:
    """Return the octets of ``length`` octets in CRLF-ended base64 lines.

    With ``open_end`` the last line has no CRLF of its own.
    """
    lines, rest = divmod(length, RAW_LINE)
    size = lines * CODED_LINE
    if rest:
        size += (rest + 2) // 3 * 4 + 2
    return size - 2 if open_end and length else size
