# SPDX-License-Identifier: Apache-2.0
"""Servers that have called us for what we cannot bring them otherwise.

Stations never meet: who takes a call (`maild.smtpd`) leaves the connection here, who
has something to bring (`maild.delivery`) takes it, as if it had connected itself.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final

from maild.mail.reply import Reply, ReplyError
from maild.turn.splice import Half
from maild.wire.smtp_reply import format_reply

MOST: Final = 100
"""Calls that wait at once; each is a connection."""
TURNED: Final = format_reply(Reply(250, "0.0", "now reversing the connection"))
TOO_MANY: Final = Reply(451, "3.2", "too many connections wait here")
DISPLACED: Final = Reply(421, "4.2", "you have come again by another connection")


@dataclass(slots=True)
class _Call:
    half: Half
    taken: asyncio.Future[None]


class Callers:
    """Made once per process.

    Calls wait under what they are for: a transfer's id, or ``@domain`` for all mail.
    """

    def __init__(self) -> None:
        self._calls: dict[str, _Call] = {}

    def is_waiting(self, *names: str) -> bool:
        """Whether somebody has called for one of these."""
        return any(name in self._calls for name in names)

    async def wait(
        self,
        name: str,
        half: Half,
        patience: float,
        tell: Callable[[], Awaitable[object]],
    ) -> bool:
        """Wait to be taken; False when that does not happen for ``patience`` seconds.

        ``tell`` says to who might take it that there is a call.  Raises `ReplyError`,
        or `ConnectionError` when who waits has gone.
        """
        older = self._calls.pop(name, None)
        if older is not None:
            older.taken.set_exception(ReplyError(DISPLACED, hang_up=True))
        if len(self._calls) >= MOST:
            raise ReplyError(TOO_MANY)
        call = _Call(half, asyncio.get_running_loop().create_future())
        self._calls[name] = call
        either: list[asyncio.Future[Any]] = [call.taken, half.gone]
        try:
            await tell()
            await asyncio.wait(
                either, timeout=patience, return_when=asyncio.FIRST_COMPLETED
            )
        finally:
            if self._calls.get(name) is call:
                del self._calls[name]
        if call.taken.done():
            call.taken.result()
            return True
        if half.gone.done():
            raise ConnectionResetError
        return False

    def take(self, *names: str) -> socket.socket | None:
        """Turn the first connection that waits; the caller closes it."""
        for name in names:
            call = self._calls.pop(name, None)
            taken = None if call is None else _turned(call)
            if taken is not None:
                return taken
        return None


def _turned(call: _Call) -> socket.socket | None:
    if call.half.gone.done():
        return None
    transport = call.half.transport
    transport.pause_reading()  # what comes next is for who takes it
    transport.write(TURNED)
    ours = transport.get_extra_info("socket")
    if transport.is_closing() or transport.get_write_buffer_size() or ours is None:
        transport.abort()  # it does not even take one line
        return None
    call.half.is_taken = True
    taken = socket.socket(fileno=os.dup(ours.fileno()))
    taken.setblocking(False)
    call.taken.set_result(None)
    return taken
