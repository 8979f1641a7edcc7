# SPDX-License-Identifier: Apache-2.0
"""Work off the event loop that is carried to its end, whoever stops waiting for it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


async def in_thread(
    threads: ThreadPoolExecutor,
    call: Callable[P, T],
    *args: P.args,
    **kwargs: P.kwargs,
) -> T:
    """Run ``call`` in a worker; when cancelled, wait for its end before giving up."""
    loop = asyncio.get_running_loop()
    done = loop.run_in_executor(threads, partial(call, *args, **kwargs))
    try:
        return await asyncio.shield(done)
    except asyncio.CancelledError:
        await asyncio.wait([done])
        raise
