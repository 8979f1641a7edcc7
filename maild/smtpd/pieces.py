# SPDX-License-Identifier: Apache-2.0
"""How large the pieces are in which chunks are moved: the fewer chunks, the larger.

A piece costs about a quarter of a millisecond whatever its size (threads are woken), so
one chunk alone is moved in large ones; many at once share the memory.
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
