# SPDX-License-Identifier: Apache-2.0
"""How far the client of one connection has read items of Library (seed 221).

A download is a run of slices (RFC 3516) one behind the other.  What jumps about, as a
look into an archive does, is none.  The account's other connections are told.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass

from maild.store import readings
from maild.store.index import Index
from maild.store.messages import Line
from maild.wire.imap_fetch import Binary, FetchItems

PERIOD = 1.0
"""Seconds between two records of one connection, the last one of an item apart."""
SMALL = 256 * 1024
"""Octets in a row up to which reading is a look, and not recorded."""
MOST = 16
"""Items of which one connection's place is remembered."""


@dataclass(slots=True)
class _Place:
    """A run of slices of one item; in octets."""

    size: int
    begin: int = 0
    end: int = 0


class Readings:
    """The places of one connection, by UID."""

    def __init__(self) -> None:
        self._places: OrderedDict[int, _Place] = OrderedDict()
        self._noted = -math.inf

    async def given(
        self,
        index: Index,
        account_id: int,
        uid: int,
        start: int,
        count: int,
        now: float,
    ) -> int | None:
        """Take a slice; return up to where was read, if that is to be recorded.

        ``now``: seconds by any steady clock.
        """
        place = self._places.get(uid)
        if place is None:
            size = await index.read(readings.size_of, account_id, uid)
            place = self._places[uid] = _Place(size, start, start)
        self._places.move_to_end(uid)
        if len(self._places) > MOST:
            self._places.popitem(last=False)
        if start != place.end:  # a jump; perhaps a download begins here
            place.begin = place.end = start
        place.end = max(start, min(start + count, place.size))
        is_over = place.end == place.size
        if place.end - place.begin <= SMALL:
            return None
        if now - self._noted < PERIOD and not is_over:
            return None
        self._noted = now
        return place.end


def slice_of(
    lines: Sequence[tuple[int, Line]], items: FetchItems
) -> tuple[int, int, int] | None:
    """Return UID, offset and count when a FETCH asks for one slice of one message."""
    binaries = [item for item in items.items if isinstance(item, Binary)]
    if len(lines) != 1 or len(binaries) != 1:
        return None
    partial = binaries[0].partial
    return (lines[0][1].uid, partial.start, partial.count) if partial else None
