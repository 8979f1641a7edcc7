# SPDX-License-Identifier: GPL-3.0-only
"""Fetching an item's content: in slices, over one connection, in flat memory.

``UID FETCH n BINARY.PEEK[section]<offset.count>`` (RFC 3516) gives raw octets.  While a
slice is written and hashed in a thread, the next ones are already on their way.  What
has arrived stays: after a lost connection the next one goes on behind it.
"""

from __future__ import annotations

import asyncio
import os
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from time import monotonic
from typing import BinaryIO

from terminal_client import errors, naming
from terminal_client.attempts import Progress
from terminal_client.hashing import GrowingHash, in_thread
from terminal_client.imap_answers import Response
from terminal_client.library import Item
from terminal_client.session_imap import IDLE_TIMEOUT, MailboxConnection

SLICE = 4 << 20
"""Octets asked for at a time."""
SLICE_LEAST = 64 << 10
"""Octets asked for first, and on a slow way, of what still arrives at the server: a
slice comes when its last octet is there."""
PACE = 0.25
"""Seconds that a slice of what still arrives should take, at most."""
WRITE = 1 << 20
"""Octets written at a time: 4 MiB cost ten times the CPU of as many octets in pieces of
1 MiB (ext4, Linux 6.18: the page cache then takes huge pages)."""
AHEAD = 3
"""Slices asked for before the first of them has come: hides the round trip."""


@dataclass(slots=True)
class _Slice:
    """One range that was asked for; ``filled`` octets of ``buffer`` have come."""

    offset: int
    room: memoryview
    buffer: memoryview
    """The beginning of ``room``, as long as what was asked for."""
    fetching: asyncio.Task[int]


@dataclass(slots=True)
class Arrival:
    """What has arrived of one item."""

    sink: BinaryIO
    """Written in a thread, in order; stands at the end of what is there."""
    octets: int = 0
    hash: GrowingHash = field(default_factory=GrowingHash)
    """May lag behind ``octets`` when some were there before."""


def _in_peace() -> None:
    """Tell nobody that the source has paused."""


async def content(
    connection: MailboxConnection,
    item: Item,
    arrival: Arrival,
    progress: Progress,
    waits: Callable[[], None] = _in_peace,
    *,
    first: int = 0,
) -> str:
    """Write what ``arrival`` lacks of an item; return the SHA-256 of all of it in hex.

    ``first``: the offset from which on ``item.size`` octets are wanted.

    The Library must be open.  After a `CutError` call it again with the same
    ``arrival``: less than `SLICE` octets come twice.  An item that still arrives is
    followed; ``waits`` is told when the server says that it waits for octets itself.
    """
    progress(arrival.octets, item.size)
    async with arrival.hash.catching_up(arrival.octets):
        ask = partial(_ask, connection, item, waits, first)
        try:
            await _slices(item, arrival, progress, ask)
        except BaseException:
            connection.abort()  # what is still on its way is wanted by nobody
            raise
        return await arrival.hash.finish(item.size)


_Ask = Callable[[int, memoryview, memoryview], _Slice]
"""Asks for what fills a buffer, from an offset; the buffer begins the room."""


class _Pace:
    """How much to ask for at a time: all at once, or as much as soon arrives."""

    def __init__(self, item: Item) -> None:
        self._follows = item.arriving
        self.octets = min(SLICE_LEAST, SLICE) if self._follows else SLICE
        self._came = monotonic()

    def came(self) -> None:
        """Choose anew when a slice has come."""
        now = monotonic()
        took, self._came = now - self._came, now
        if self._follows and took < PACE / 2:
            self.octets = min(self.octets * 2, SLICE)
        elif self._follows and took > PACE:
            self.octets = max(self.octets // 2, SLICE_LEAST)


async def _slices(item: Item, arrival: Arrival, progress: Progress, ask: _Ask) -> None:
    slices: deque[_Slice] = deque()
    spare: list[memoryview] = []
    asked = arrival.octets
    pace = _Pace(item)
    try:
        while arrival.octets < item.size:
            while asked < item.size and len(slices) < AHEAD:
                room = (
                    spare.pop()
                    if spare
                    else memoryview(bytearray(min(SLICE, item.size)))
                )
                buffer = room[: min(pace.octets, item.size - asked)]
                slices.append(ask(asked, room, buffer))
                asked += len(buffer)
            current = slices.popleft()
            _must_be_whole(item, current, await current.fetching)
            pace.came()
            await in_thread(_keep, current, arrival)
            spare.append(current.room)
            progress(arrival.octets, item.size)
    finally:
        for unwanted in slices:
            unwanted.fetching.cancel()
        await asyncio.gather(*(s.fetching for s in slices), return_exceptions=True)


def _must_be_whole(item: Item, current: _Slice, count: int) -> None:
    if count != len(current.buffer):
        raise errors.ProtocolError(
            f"the server's copy of {naming.shown(item.name)} ends at octet "
            f"{current.offset + count} of {item.size}"
        )


def _keep(filled: _Slice, arrival: Arrival) -> None:
    arrival.hash.add(filled.offset, filled.buffer)
    left = filled.buffer
    try:
        while left:  # a file may take less than it is given, before it is full
            left = left[arrival.sink.write(left[:WRITE]) :]
        arrival.sink.flush()  # somebody may be looking at it already
    except BrokenPipeError:
        raise errors.UnreadError from None
    except OSError as error:
        raise errors.LocalInputOutputError(
            f"the content cannot be written: {(error.strerror or str(error)).lower()}"
        ) from error
    arrival.octets += len(filled.buffer)
    _begin_to_sync(arrival.sink, filled.offset, len(filled.buffer))


def _begin_to_sync(sink: BinaryIO, start: int, count: int) -> None:
    """Set octets on their way to the device, so that the sync at the end is short.

    For Linux the advice means that; elsewhere, and for a pipe, it means nothing.
    """
    if hasattr(os, "posix_fadvise"):
        with suppress(OSError):
            os.posix_fadvise(sink.fileno(), start, count, os.POSIX_FADV_DONTNEED)


def _ask(
    connection: MailboxConnection,
    item: Item,
    waits: Callable[[], None],
    first: int,
    offset: int,
    room: memoryview,
    buffer: memoryview,
) -> _Slice:
    fetching = asyncio.ensure_future(
        fill(connection, item, first + offset, buffer, waits)
    )
    return _Slice(offset, room, buffer, fetching)


async def fill(
    connection: MailboxConnection,
    item: Item,
    offset: int,
    buffer: memoryview,
    waits: Callable[[], None] = _in_peace,
) -> int:
    """Fill ``buffer`` from ``offset``; return how many octets there were."""
    name = f"BINARY[{item.section}]<{offset}>".encode()
    filled = -1

    def look(response: Response) -> None:
        if b"[INPROGRESS" in response.line.upper():  # RFC 9585 §4
            waits()

    def place(before: tuple[bytes, ...], size: int) -> memoryview | None:
        nonlocal filled
        if not before[-1].upper().rstrip().endswith(name) or size > len(buffer):
            return None
        filled = size
        return buffer[:size]

    await connection.run(
        "UID",
        "FETCH",
        str(item.uid),
        f"(BINARY.PEEK[{item.section}]<{offset}.{len(buffer)}>)",
        place=place,
        timeout=IDLE_TIMEOUT,
        notice=look,
    )
    if filled < 0:
        raise errors.GoneError(
            f"{naming.shown(item.name)} is not on the server any more"
        )
    return filled
