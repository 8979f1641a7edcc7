# SPDX-License-Identifier: Apache-2.0
"""Two connections joined: what comes by one leaves by the other, unread and unkept.

Whoever is slow holds the other one back: at most `HIGH_WATER` and one read wait in each
direction.  It ends with either connection, when nothing passes for a while, or when
more has passed than there was to pass.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from enum import StrEnum

HIGH_WATER = 256 * 1024
"""Octets that may wait to be written before no more is read for them."""
LOOKS = 4
"""Looks at the clock in the time that a splice may be idle."""


class Why(StrEnum):
    """How a splice ended, as the log says it."""

    OVER = "closed"
    """One of the two has hung up."""
    IDLE = "idle"
    BUDGET = "too much"
    """More octets than the offer is good for."""
    DISPLACED = "displaced"
    """One of the two has come again, by a new connection."""


class Half(asyncio.Protocol):
    """One connection that waits for another, then is joined to it.

    Who waits is silent: a client that speaks before it is answered is hung up on, as
    what it says would else reach the other one in front of the greeting.
    """

    def __init__(self, transport: asyncio.Transport, client: str) -> None:
        self.transport = transport
        self.client = client
        """The peer as the log names it."""
        self.splice: Splice | None = None
        self.gone: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        """Done when the connection is of no more use."""
        self.has_ended = False
        """Whether the peer has closed its side."""
        self.is_taken = False
        """Whether the peer has been told 250: what follows is no answer of ours."""

    def take_over(self) -> None:
        """Take the connection from whoever has read from it so far."""
        self.transport.set_write_buffer_limits(high=HIGH_WATER)
        self.transport.set_protocol(self)

    def data_received(self, data: bytes) -> None:
        """Pass octets on."""
        if self.splice is None:
            self.transport.abort()
            self.leave()
        else:
            self.splice.pass_on(self, data)

    def eof_received(self) -> bool:
        """Tell the other one; return whether it may still answer."""
        self.has_ended = True
        if self.splice is not None:
            return self.splice.one_has_ended(self)
        self.leave()
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """End."""
        self.leave()

    def pause_writing(self) -> None:
        """Read no more of what this connection has no room for."""
        if self.splice is not None:
            self.splice.other(self).transport.pause_reading()

    def resume_writing(self) -> None:
        """Go on."""
        if self.splice is not None:
            self.splice.other(self).transport.resume_reading()

    def leave(self) -> None:
        """Be of no more use: what this is joined to ends, too."""
        if not self.gone.done():
            self.gone.set_result(None)
        if self.splice is not None:
            self.splice.end(Why.OVER)


class Splice:
    """``first`` and ``second`` from now on; ``budget`` in octets, ``idle`` in seconds.

    ``note`` is told, now and then and at the end, how many octets have passed since.
    """

    def __init__(
        self,
        first: Half,
        second: Half,
        *,
        budget: int,
        idle: float,
        note: Callable[[int], None],
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._halves = first, second
        self._budget = budget
        self._idle = idle
        self._note = note
        self._noted = 0
        self._began = self._moved = self._loop.time()
        self.octets = 0
        """That have passed, in both directions."""
        self.done: asyncio.Future[Why] = self._loop.create_future()
        for half in self._halves:
            half.splice = self
            half.is_taken = True
        self._timer = self._loop.call_later(idle / LOOKS, self._look)

    @property
    def seconds(self) -> float:
        """How long it has lasted."""
        return self._loop.time() - self._began

    @property
    def clients(self) -> tuple[str, str]:
        """Both peers, as the log names them."""
        return self._halves[0].client, self._halves[1].client

    def other(self, half: Half) -> Half:
        """Return the half that ``half`` is joined to."""
        first, second = self._halves
        return second if half is first else first

    def pass_on(self, half: Half, octets: bytes) -> None:
        """Give what has come by ``half`` to the other one."""
        if self.done.done():
            return
        self.octets += len(octets)
        if self.octets > self._budget:
            self.end(Why.BUDGET)
            return
        self._moved = self._loop.time()
        self.other(half).transport.write(octets)

    def one_has_ended(self, half: Half) -> bool:
        """Pass the end on; return whether ``half`` may still be written to."""
        other = self.other(half)
        if other.has_ended or not other.transport.can_write_eof():
            self.end(Why.OVER)
            return False
        if not other.transport.is_closing():
            other.transport.write_eof()
        return half.transport.can_write_eof()  # TLS keeps no half of a connection

    def end(self, why: Why) -> None:
        """End it; what was taken to be passed on is still written, if it may be."""
        if self.done.done():
            return
        self._timer.cancel()
        self._tell()
        self.done.set_result(why)
        for half in self._halves:
            if why is Why.OVER:
                half.transport.close()
            else:
                half.transport.abort()

    def _look(self) -> None:
        self._tell()
        if self._loop.time() - self._moved >= self._idle:
            self.end(Why.IDLE)
        else:
            self._timer = self._loop.call_later(self._idle / LOOKS, self._look)

    def _tell(self) -> None:
        if self.octets > self._noted:
            self._note(self.octets - self._noted)
            self._noted = self.octets
