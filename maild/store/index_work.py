# SPDX-License-Identifier: Apache-2.0
"""One job that waits for its commit, and how whoever waits for it is told."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True, eq=False)
class Work:
    """A job with its arguments; ``done`` is told once the job is on the device."""

    job: Callable[..., Any]
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    done: Future[Any] | asyncio.Future[Any]
    result: Any = None
    error: BaseException | None = None
    topics: set[str] = field(default_factory=set)

    def tell(self) -> None:
        """Hand over what has become of the job; on its loop, if it waits on one."""
        if self.done.done():
            return  # nobody waits any more
        if self.error is not None:
            self.done.set_exception(self.error)
        else:
            self.done.set_result(self.result)


def tell(batch: Iterable[Work]) -> None:
    """Tell whoever waits for ``batch``, in order; each event loop is woken once."""
    on_loops: dict[asyncio.AbstractEventLoop, list[Work]] = {}
    for work in batch:
        if isinstance(work.done, asyncio.Future):
            on_loops.setdefault(work.done.get_loop(), []).append(work)
        else:
            work.tell()
    for loop, works in on_loops.items():
        with suppress(RuntimeError):  # the loop is closed: nobody is waiting any more
            loop.call_soon_threadsafe(_tell_all, works)


def _tell_all(works: list[Work]) -> None:
    for work in works:
        work.tell()
