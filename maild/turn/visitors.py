# SPDX-License-Identifier: Apache-2.0
"""Connections that we have opened for others to bring something by.

Stations never meet: who opens one (`maild.delivery`) leaves it here, who receives
(`maild.smtpd`) takes it, as if it had come to a listener.
"""

from __future__ import annotations

import socket
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager

Receive = Callable[[socket.socket], Awaitable[None]]
"""Serves a connection to its end."""


class Visitors:
    """Made once per process; without a receiver in it nobody can be brought in."""

    def __init__(self) -> None:
        self._receive: Receive | None = None

    @property
    def are_received(self) -> bool:
        """Whether somebody takes them."""
        return self._receive is not None

    @contextmanager
    def received_by(self, receive: Receive) -> Iterator[None]:
        """Let ``receive`` take every connection, until the end of the context."""
        self._receive = receive
        try:
            yield
        finally:
            self._receive = None

    async def bring(self, connection: socket.socket) -> None:
        """Hand a connection over, to be closed by whoever takes it; wait for its end.

        `ConnectionError` when nobody takes it.
        """
        if self._receive is None:
            connection.close()
            raise ConnectionError("nobody receives here")
        await self._receive(connection)
