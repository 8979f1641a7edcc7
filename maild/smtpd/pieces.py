# SPDX-License-Identifier: Apache-2.0
"""The pieces in which chunks are moved, and the buffers that hold them.

A piece costs about a quarter of a millisecond whatever its size (threads are woken), so
one chunk alone is moved in large ones; many at once share the memory.  Octets are
received, searched, hashed and written from the same buffer.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

LARGEST = 1024 * 1024
"""Octets; in larger ones the quarter of a millisecond no longer counts."""
LEAST = 64 * 1024
"""Octets, however many chunks there are."""
ROOM = 8 * 1024 * 1024
"""Octets of one piece of each chunk, all together, down to `LEAST`."""


class Pieces:
    """Counts the chunks under way of one listener; used on its loop."""

    def __init__(self) -> None:
        self._chunks = 0

    @contextmanager
    def shared(self) -> Iterator[None]:
        """Count one chunk in while it is under way."""
        self._chunks += 1
        try:
            yield
        finally:
            self._chunks -= 1

    @property
    def size(self) -> int:
        """Octets to move at once, a power of two; may be asked in any thread."""
        each = ROOM // max(1, self._chunks)
        return 1 << (min(max(each, LEAST), LARGEST).bit_length() - 1)


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
