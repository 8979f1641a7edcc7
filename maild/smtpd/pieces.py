# SPDX-License-Identifier: Apache-2.0
"""The pieces in which chunks are moved, and the buffers that hold them.

A piece costs about a quarter of a millisecond whatever its size (threads are woken), so
one chunk alone is moved in large ones; many at once share the memory.  Octets are
received, searched, hashed and written from the same buffer.
"""

from __future__ import annotations

from maild.store.sharing import Shared

LARGEST = 1024 * 1024
"""Octets; in larger ones the quarter of a millisecond no longer counts."""
LEAST = 16 * 1024
"""Octets, however many chunks there are."""
ROOM = 2 * 1024 * 1024
"""Octets of one piece of each chunk, together; three or four are held."""


def new_pieces() -> Shared:
    """Return what counts the chunks under way, and says how they are moved."""
    return Shared(ROOM, LEAST, LARGEST)


class Buffers:
    """The buffers of one chunk; each is used again once nobody sees it any more.

    Whoever still needs what is in a buffer keeps a view of it, and lets go of the view
    when done.  How many there are is bounded by how many views a sink may keep.
    """

    def __init__(self) -> None:
        self._all: list[bytearray] = []

    def take(self, size: int) -> bytearray:
        """Return a buffer of ``size`` octets that no view shows."""
        self._all = [buffer for buffer in self._all if len(buffer) == size]
        for buffer in self._all:
            if _is_unseen(buffer):
                return buffer
        self._all.append(bytearray(size))
        return self._all[-1]


def _is_unseen(buffer: bytearray) -> bool:
    """Whether no view of ``buffer`` is left: Python resizes no other."""
    try:
        buffer.append(buffer.pop())
    except BufferError:
        return False
    return True
