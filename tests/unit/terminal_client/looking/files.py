# SPDX-License-Identifier: GPL-3.0-only
"""Content elsewhere for tests: how much of it was fetched, and in how many slices."""

from __future__ import annotations

from terminal_client.looking.look import Limits, look
from terminal_client.looking.range_file import Allowance, RangeFile
from terminal_client.looking.seen import Seen

OCTETS = 768 << 10
SLICES = 250


class Elsewhere:
    """Content, and what was fetched of it."""

    def __init__(
        self,
        content: bytes,
        *,
        there: int | None = None,
        octets: int = OCTETS,
        slices: int = SLICES,
    ) -> None:
        self.content = content
        self.fetched: list[tuple[int, int]] = []
        self.file = RangeFile(
            self._fetch, len(content), Allowance(octets, slices), there=there
        )

    def _fetch(self, offset: int, count: int) -> bytes:
        self.fetched.append((offset, count))
        return self.content[offset : offset + count]

    @property
    def octets(self) -> int:
        """Octets fetched."""
        return sum(count for _, count in self.fetched)


def looked(content: bytes, limits: Limits | None = None, **limit: int) -> Seen:
    """Look at content."""
    return look(Elsewhere(content, **limit).file, limits or Limits())
