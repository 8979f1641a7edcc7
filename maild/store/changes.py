# SPDX-License-Identifier: Apache-2.0
"""Who wants to know when something in the store has changed, and waking them.

A *topic* is a short text: ``queue``, ``mailbox:7``, ``blob:12``, ``account:3``.  A
wake-up says only "look again": the truth is always in the index, so a lost or a double
wake-up does no harm.  Changes committed by another process wake everybody.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterable
from contextlib import suppress
from types import TracebackType

EVERYTHING = "*"
"""The topic that wakes every watcher: another process has committed."""


class Watch:
    """One watcher's interest; use it as a context manager so that it ends."""

    def __init__(self, changes: Changes, topics: frozenset[str]) -> None:
        self.topics = topics
        self._changes = changes
        self._loop = asyncio.get_running_loop()
        self._woken = asyncio.Event()

    def __enter__(self) -> Watch:
        self._changes.add(self)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._changes.discard(self)

    async def wait(self, seconds: float | None = None) -> bool:
        """Wait for a change since the last call; False when ``seconds`` passed first.

        Look at the index *after* entering the watch and before waiting: nothing that
        is committed in between can then be missed.
        """
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._woken.wait()
        return self.woken()

    def woken(self) -> bool:
        """Whether there was a change since the last look or wait; without waiting."""
        woken = self._woken.is_set()
        self._woken.clear()
        return woken

    def wake(self) -> None:
        """Wake the watcher; callable from any thread."""
        with suppress(RuntimeError):  # its loop is closed: nobody is waiting any more
            self._loop.call_soon_threadsafe(self._woken.set)


class Changes:
    """All watches of this process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._watches: dict[str, set[Watch]] = {}

    def watch(self, *topics: str) -> Watch:
        """Return a watch on ``topics``; call it on the event loop that will wait."""
        return Watch(self, frozenset(topics))

    def add(self, watch: Watch) -> None:
        """Begin to wake ``watch``."""
        with self._lock:
            for topic in watch.topics:
                self._watches.setdefault(topic, set()).add(watch)

    def discard(self, watch: Watch) -> None:
        """Stop waking ``watch``."""
        with self._lock:
            for topic in watch.topics:
                watches = self._watches.get(topic, set())
                watches.discard(watch)
                if not watches:
                    self._watches.pop(topic, None)

    def fire(self, topics: Iterable[str]) -> None:
        """Wake whoever watches one of ``topics``; callable from any thread."""
        with self._lock:
            woken: set[Watch] = set()
            for topic in topics:
                if topic == EVERYTHING:
                    woken.update(*self._watches.values())
                else:
                    woken.update(self._watches.get(topic, ()))
        for watch in woken:
            watch.wake()
