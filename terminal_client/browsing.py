# SPDX-License-Identifier: GPL-3.0-only
"""Looking into an item on the server: a few slices of it travel, never all of it."""

from __future__ import annotations

import asyncio
import concurrent.futures
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, TypeVar

from terminal_client.library import Item
from terminal_client.looking.look import Limits, look
from terminal_client.looking.range_file import (
    Allowance,
    AllowanceError,
    NotThereYetError,
    RangeFile,
)
from terminal_client.looking.seen import Kind, Seen
from terminal_client.receiving import Receiving

T = TypeVar("T")

OCTETS = 768 << 10
"""Octets that a look may fetch: with all that is said beside, less than 1 MiB."""
SLICES = 250
"""Slices that a look may fetch: each costs a round trip."""
MANY = 16 << 20
"""Octets that a look may fetch when all members are asked for."""
PICTURE = 512 << 10
"""Octets of an image that is shown by itself."""


@dataclass(frozen=True, slots=True)
class Wish:
    """How closely somebody wants to look."""

    limits: Limits = field(default_factory=Limits)
    octets: int = OCTETS
    slices: int = SLICES
    picture: bool = False
    """Whether a small image is wanted, to be shown."""


@dataclass(frozen=True, slots=True)
class Preview:
    """What was seen of an item."""

    item: Item
    seen: Seen
    fetched: int
    """Octets of the content that travelled for it."""
    picture: bytes | None = None
    """An image file that shows it, made by strangers."""

    def to_json(self) -> dict[str, Any]:
        """Return what ``mshare preview --json`` prints."""
        item = self.item.to_json()
        return {**item, **self.seen.to_json(), "fetched": self.fetched}


async def preview(receiving: Receiving, wish: Wish) -> Preview:
    """Look at an item; what still arrives is not waited for."""
    allowance = Allowance(wish.octets, wish.slices)
    item = receiving.item

    def see(file: RangeFile) -> tuple[Seen, bytes | None]:
        seen = look(file, wish.limits)
        if not wish.picture or seen.kind is not Kind.IMAGE or item.size > PICTURE:
            return seen, None
        with suppress(AllowanceError, NotThereYetError):
            return seen, file.octets(0, item.size)
        return seen, None

    seen, picture = await reading(receiving, allowance, see)
    fetched = wish.octets - allowance.octets
    return Preview(item, seen, fetched, picture)


async def reading(
    receiving: Receiving, allowance: Allowance, read: Callable[[RangeFile], T]
) -> T:
    """Call ``read`` in a thread, with the item as a file.

    Of an item that still arrives what is there can be read.  Whoever cancels waits
    until the thread has noticed, which it does at the slice it is waiting for.
    """
    loop = asyncio.get_running_loop()
    stopped = False
    pending: concurrent.futures.Future[bytes] | None = None

    def fetch(offset: int, count: int) -> bytes:
        nonlocal pending
        slice_ = receiving.octets(offset, count)
        pending = asyncio.run_coroutine_threadsafe(slice_, loop)
        if stopped:
            pending.cancel()
        return pending.result()

    item = receiving.item
    there = (item.arrived or 0) if item.arriving else None
    file = RangeFile(fetch, item.size, allowance, there=there)
    running = asyncio.ensure_future(asyncio.to_thread(read, file))
    try:
        return await asyncio.shield(running)
    except asyncio.CancelledError:
        stopped = True
        if pending is not None:
            pending.cancel()
        await asyncio.wait([running])
        if not running.cancelled():
            running.exception()  # the cancellation is what counts
        raise
