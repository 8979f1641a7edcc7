# SPDX-License-Identifier: Apache-2.0
"""How large a piece each of several streams may take: they share one room."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager


class Shared:
    """Counts the streams under way; may be used in any thread.

    ``room``: octets of one piece of each, all together; but no piece is larger than
    ``most`` or, however many there are, smaller than ``least``.  Powers of two.
    """

    def __init__(self, room: int, least: int, most: int) -> None:
        self._room = room
        self._least = least
        self._most = most
        self._streams = 0
        self._lock = threading.Lock()

    @contextmanager
    def one_more(self) -> Iterator[None]:
        """Count one stream in while it is under way."""
        with self._lock:
            self._streams += 1
        try:
            yield
        finally:
            with self._lock:
                self._streams -= 1

    @property
    def is_crowded(self) -> bool:
        """Whether pieces are smaller than they would be for one stream."""
        return self.size < self._most

    @property
    def size(self) -> int:
        """Octets of a piece just now, a power of two."""
        each = self._room // max(1, self._streams)
        return 1 << (min(max(each, self._least), self._most).bit_length() - 1)
