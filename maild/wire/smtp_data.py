# SPDX-License-Identifier: Apache-2.0
"""Finds the end of DATA and undoes its dot-stuffing (RFC 5321 §4.5.2); sans-I/O."""

from __future__ import annotations

_END = b"\r\n.\r\n"


class DataReader:
    """Reads the content behind one DATA command, block by block.

    Only CRLF.CRLF ends it.  ``is_clean`` becomes False with the first bare CR, bare LF
    or NUL: what another server might take for a line end (SMTP smuggling).
    """

    def __init__(self) -> None:
        self._undecided = b"\r\n"  # the end may come at once: ".\r\n"
        self._virtual = 2
        self.is_clean = True

    def feed(self, octets: bytes) -> tuple[bytes, bytes | None]:
        """Return (content, what follows the end); None while there is no end."""
        block = self._undecided + octets
        end = block.find(_END)
        if end >= 0:
            rest: bytes | None = block[end + len(_END) :]
            block = block[: end + 2]
        else:
            rest = None
            keep = _begun(block)
            self._undecided = block[len(block) - keep :]
            block = block[: len(block) - keep]
        lines = block.count(b"\r\n")
        if block.count(b"\r") != lines or block.count(b"\n") != lines or b"\0" in block:
            self.is_clean = False
        content = block.replace(b"\r\n.", b"\r\n")
        if self._virtual and block:
            content = content[self._virtual :]
            self._virtual = 0
        return content, rest


def _begun(block: bytes) -> int:
    """Return how many octets at the end of ``block`` may begin the end of DATA."""
    for count in range(len(_END) - 1, 0, -1):
        if block.endswith(_END[:count]):
            return count
    return 0
