# SPDX-License-Identifier: GPL-3.0-only
"""A pipe that content is written to: it ends when nobody reads it any more."""

from __future__ import annotations

import asyncio
import os
import stat
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import BinaryIO

from terminal_client.errors import UnreadError


@asynccontextmanager
async def read_by_somebody(sink: BinaryIO) -> AsyncIterator[None]:
    """End what happens within, by `UnreadError`, as soon as a pipe has no reader.

    Writing would tell so too; but what is to be written may take hours to come.
    """
    descriptor = sink.fileno()
    if not stat.S_ISFIFO(os.fstat(descriptor).st_mode):
        yield
        return
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    assert task is not None
    is_left = False

    def leave() -> None:
        nonlocal is_left
        is_left = True
        loop.remove_reader(descriptor)
        task.cancel()

    # The writing end of a pipe is "readable" only by its error: no reader is left.
    loop.add_reader(descriptor, leave)
    try:
        yield
    except asyncio.CancelledError:
        if is_left and task.uncancel() == 0:
            raise UnreadError from None
        raise
    finally:
        loop.remove_reader(descriptor)
