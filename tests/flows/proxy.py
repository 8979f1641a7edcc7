# SPDX-License-Identifier: Apache-2.0
"""A TCP proxy on loopback that counts the octets of a leg."""

from __future__ import annotations

import socket
import threading
import time
from contextlib import suppress
from types import TracebackType
from typing import Self

PIECE = 64 * 1024
"""Octets copied at once."""


class CountingProxy:
    """Passes connections to ``127.0.0.1:target`` and counts what crosses.

    ``up`` are the octets from the clients, ``down`` those to them; ``accepted`` the
    connections.  With ``hold_after``, what goes ``holding`` ("up" or "down") stalls
    after that many octets of one connection, until `release` is called; ``held`` is set
    when that happens.  Other connections pass.  With ``mute_after`` nothing is told to
    clients any more, once so many octets have come from them, until `release`.
    With ``rate`` it passes about so many octets a second, and ``moving`` counts the
    seconds in which some passed: what is promised for each second is measured by these.
    """

    def __init__(
        self,
        target: int,
        *,
        hold_after: int | None = None,
        holding: str = "up",
        mute_after: int | None = None,
        rate: int | None = None,
        port: int = 0,
    ) -> None:
        self._target = target
        self._rate = rate
        self._seconds: set[int] = set()
        self._hold_after = hold_after
        self._holding = holding
        self._mute_after = mute_after
        self._released = threading.Event()
        self.held = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", port))
        self._lock = threading.Lock()
        self._sockets: list[socket.socket] = []
        self._half_open: set[frozenset[socket.socket]] = set()
        self.port: int = self._listener.getsockname()[1]
        self.up = self.down = self.accepted = 0

    @property
    def total(self) -> int:
        """Octets in both directions."""
        with self._lock:
            return self.up + self.down

    @property
    def moving(self) -> int:
        """Seconds in which octets passed."""
        return len(self._seconds)

    def __enter__(self) -> Self:
        threading.Thread(target=self._serve, daemon=True).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._listener.close()
        self.cut()

    def cut(self) -> None:
        """Break every connection that is open now."""
        with self._lock:
            sockets, self._sockets = self._sockets, []
        for one in sockets:
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    def release(self) -> None:
        """Let stalled clients go on."""
        self._released.set()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                self._join(client)

    def _join(self, client: socket.socket) -> None:
        try:
            server = socket.create_connection(("127.0.0.1", self._target))
        except OSError:
            client.close()
            return
        for each in (client, server):  # a proxy must not add delays of its own
            each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with self._lock:
            self.accepted += 1
            self._sockets += [client, server]
        for source, sink, which in ((client, server, "up"), (server, client, "down")):
            threading.Thread(
                target=self._copy, args=(source, sink, which), daemon=True
            ).start()

    def _copy(self, source: socket.socket, sink: socket.socket, which: str) -> None:
        with suppress(OSError):
            passed = 0
            while octets := source.recv(PIECE):
                passed += len(octets)
                self.hear(source, octets)
                with self._lock:
                    setattr(self, which, getattr(self, which) + len(octets))
                if which == self._holding:
                    self._hold(passed)
                    self._delay(len(octets))
                if which == "down":
                    self._mute()
                sink.sendall(octets)
        with suppress(OSError):
            sink.shutdown(socket.SHUT_WR)
        self._ended(source, sink)

    def hear(self, source: socket.socket, octets: bytes) -> None:
        """Do nothing; a test that wants to know what crosses listens in here."""

    def _ended(self, source: socket.socket, sink: socket.socket) -> None:
        """Close both sockets once both directions are over."""
        with self._lock:
            pair = frozenset((source, sink))
            if pair not in self._half_open:
                self._half_open.add(pair)
                return
            self._half_open.discard(pair)
            self._sockets = [one for one in self._sockets if one not in pair]
        source.close()
        sink.close()

    def _hold(self, passed: int) -> None:
        if self._hold_after is not None and passed >= self._hold_after:
            self.held.set()
            self._released.wait(60)

    def _mute(self) -> None:
        if self._mute_after is not None and self.up >= self._mute_after:
            self.held.set()
            self._released.wait(60)

    def _delay(self, count: int) -> None:
        if self._rate is not None:
            self._seconds.add(int(time.monotonic()))
            threading.Event().wait(count / self._rate)
