# SPDX-License-Identifier: GPL-3.0-only
"""Content elsewhere as a local file that can be read anywhere, within an allowance."""

from __future__ import annotations

import io
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, NoReturn

from maild.mail.plain import amount
from terminal_client.errors import UnavailableError

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

BLOCK = 2 << 10
"""Octets that a cache keeps together; a jump fetches no more than this."""
LONGEST = 256 << 10
"""Octets of one slice at most; a reader that goes straight on gets longer ones."""
KEPT = 512
"""Blocks in the cache: 1 MiB."""
MOST_READS = 1_000_000
"""Reads of one file, fetched or not: what leads a reader in a circle ends here."""

Fetch = Callable[[int, int], bytes]
"""Gives so many octets from an offset; it waits for the network."""


class AllowanceError(UnavailableError):
    """More would have to be fetched than was allowed."""


class NotThereYetError(UnavailableError):
    """What is wanted has not arrived at the server yet."""


@dataclass(slots=True)
class Allowance:
    """What may still be fetched: octets, and slices (each costs a round trip)."""

    octets: int
    slices: int

    def take(self, octets: int) -> None:
        """Take for one slice; raise `AllowanceError` when there is not enough."""
        if octets > self.octets or not self.slices:
            self.refuse()
        self.octets -= octets
        self.slices -= 1

    def refuse(self) -> NoReturn:
        """Say that it is not enough."""
        raise AllowanceError("more of it would have to be fetched than is allowed")


class RangeFile(io.RawIOBase):
    """A file of ``size`` octets of which the first ``there`` have arrived.

    What was read lately is read again without being fetched.  The file is not safe
    between threads.
    """

    def __init__(
        self, fetch: Fetch, size: int, allowance: Allowance, *, there: int | None = None
    ) -> None:
        super().__init__()
        self._fetch = fetch
        self.size = size
        """Octets in all, as announced."""
        self.there = size if there is None else min(there, size)
        """Octets that can be read; behind them reading raises `NotThereYetError`."""
        self.allowance = allowance
        self._at = 0
        self._blocks: OrderedDict[int, bytes] = OrderedDict()
        self._next = -1
        self._ahead = 1
        self._reads = 0

    def readable(self) -> bool:
        """Say that it can be read."""
        return True

    def seekable(self) -> bool:
        """Say that it can be read anywhere."""
        return True

    def tell(self) -> int:
        """Return the offset of the next read."""
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        """Go to an offset; costs nothing."""
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self.size}[whence]
        if base + offset < 0:
            raise ValueError("there is nothing before the beginning")
        self._at = base + offset
        return self._at

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        """Read as many octets as fit, fewer at the end only."""
        view = memoryview(buffer).cast("B")
        octets = self.octets(self._at, len(view))
        view[: len(octets)] = octets
        self._at += len(octets)
        return len(octets)

    def octets(self, start: int, count: int) -> bytes:
        """Return octets from an offset; fewer at the end only."""
        end = min(start + count, self.size)
        if start >= end:
            return b""
        if end > self.there:
            raise NotThereYetError(
                f"only the first {amount(self.there)} of {amount(self.size)} "
                "are there yet"
            )
        self._reads += 1
        hopeless = end - start > self.allowance.octets + KEPT * BLOCK
        if hopeless or self._reads > MOST_READS:
            self.allowance.refuse()
        first, last = start // BLOCK, (end - 1) // BLOCK
        found = b"".join(self._block(number, last) for number in range(first, last + 1))
        return found[start - first * BLOCK : end - first * BLOCK]

    def _block(self, number: int, last: int) -> bytes:
        """Return one block; ``last``: up to which others are wanted, too."""
        if number in self._blocks:
            self._blocks.move_to_end(number)
            return self._blocks[number]
        # Who goes straight on will want what follows; who jumps will jump again.
        self._ahead = self._ahead * 2 if number == self._next else 1
        longest = LONGEST // BLOCK
        self._ahead = min(self._ahead, longest)
        count = min(max(self._ahead, last - number + 1), longest)
        start = number * BLOCK
        size = min(count * BLOCK, self.there - start)
        self.allowance.take(size)
        octets = self._fetch(start, size)
        if len(octets) != size:
            raise UnavailableError("the server gives less of this item than it has")
        for at in range(0, size, BLOCK):
            self._keep(number + at // BLOCK, octets[at : at + BLOCK])
        self._next = number + (size + BLOCK - 1) // BLOCK
        return octets[:BLOCK]

    def _keep(self, number: int, octets: bytes) -> None:
        self._blocks[number] = octets
        self._blocks.move_to_end(number)
        while len(self._blocks) > KEPT:
            self._blocks.popitem(last=False)
