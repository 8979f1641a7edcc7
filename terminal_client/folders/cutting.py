# SPDX-License-Identifier: GPL-3.0-only
"""An upload that is cut when the network becomes metered, or the file changes."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

from terminal_client.attempts import Progress
from terminal_client.folders.gate import Gate
from terminal_client.library import Item


class Landed:
    """Passes progress on, and remembers what the server has acknowledged."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self.octets = 0

    def __call__(self, done: int, total: int) -> None:
        """Take octets acknowledged and in all."""
        self.octets = done
        self._progress(done, total)

    def tell(self, what: str) -> None:
        """Pass on why nothing moves."""
        tell = getattr(self._progress, "tell", None)
        if tell is not None:
            tell(what)


async def until_cut(
    upload: Coroutine[Any, Any, Item], gate: Gate, changed: asyncio.Event
) -> Item | None:
    """Upload; None when it was cut: the connection is gone, what landed is not."""
    uploading = asyncio.ensure_future(upload)
    closing = asyncio.ensure_future(gate.until(is_open=False))
    changing = asyncio.ensure_future(changed.wait())
    every: set[asyncio.Future[Any]] = {uploading, closing, changing}
    try:
        await asyncio.wait(every, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for each in every:
            each.cancel()
        await asyncio.wait(every)
        for each in every:
            if not each.cancelled():
                each.exception()  # nobody may ask any more
    return None if uploading.cancelled() else uploading.result()
