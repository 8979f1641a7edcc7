# SPDX-License-Identifier: Apache-2.0
"""The octets of one connection; what has arrived already costs no timer, no thread."""

from __future__ import annotations

from maild.smtpd.patience import Patience
from maild.smtpd.stream import Stream

ORDINARY_LINE = 1024
"""Octets up to which a line is looked for (RFC 5321 §4.5.3.1.4: 512)."""


class AtHand(Stream):
    """A stream that hands out at once what it holds."""

    async def line(self) -> bytes:
        """Return the next line with its end; `ReplyError` when it is too long."""
        if self._buffer.find(b"\n", 0, ORDINARY_LINE) >= 0:
            return await self._reader.readuntil(b"\n")
        return await super().line()

    async def piece(self, most: int, patience: Patience) -> bytes:
        """Return up to ``most`` octets as soon as there are any."""
        if not self.held:
            return await super().piece(most, patience)
        octets = await self._reader.read(most)
        patience.moved(len(octets))
        return octets

    async def whole(self, count: int) -> bytes:
        """Return exactly ``count`` octets; `ConnectionError` if they are cut short."""
        if self.held >= count:
            return await self._reader.readexactly(count)
        self.moving = True
        patience = self.patience()
        gathered = bytearray()
        while len(gathered) < count:
            gathered += await self.piece(count - len(gathered), patience)
        self.moving = False
        return bytes(gathered)
