# SPDX-License-Identifier: Apache-2.0
"""A leg of a given rate: a proxy that lets octets pass evenly, in bursts of 10 ms."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from tests.flows.proxy import CountingProxy

BURST = 0.01
"""Seconds of its rate that a leg may make up for after a pause."""
PIECE = 32 * 1024
"""Octets that pass at once, at most; a fifth of a burst if that is less."""
WINDOW = 128 * 1024
"""Octets that the kernel may hold in front of a leg: more would hide its rate."""


class Bucket:
    """Who takes octets from it waits as long as they take at its rate."""

    def __init__(self, rate: int) -> None:
        self._rate = rate
        self._free = time.monotonic()
        self._lock = threading.Lock()

    def take(self, octets: int) -> None:
        """Wait until ``octets`` may pass; those of all connections share the rate."""
        with self._lock:
            now = time.monotonic()
            self._free = max(self._free, now - BURST) + octets / self._rate
            wait = self._free - now
        if wait > 0:
            time.sleep(wait)


class NarrowLeg(CountingProxy):
    """A proxy of ``rate`` octets a second in each direction."""

    def __init__(self, target: int, rate: int) -> None:
        super().__init__(target)
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, WINDOW)
        self._buckets = {"up": Bucket(rate), "down": Bucket(rate)}
        self._piece = max(1024, min(PIECE, int(rate * BURST / 5)))

    def _copy(self, source: socket.socket, sink: socket.socket, which: str) -> None:
        source.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, WINDOW)
        bucket = self._buckets[which]
        with suppress(OSError):
            while octets := source.recv(self._piece):
                bucket.take(len(octets))
                with self._lock:
                    setattr(self, which, getattr(self, which) + len(octets))
                sink.sendall(octets)
        with suppress(OSError):
            sink.shutdown(socket.SHUT_WR)
        self._ended(source, sink)


@dataclass(frozen=True, slots=True)
class Sink:
    """A listener that reads and forgets; ``port`` on loopback."""

    port: int


@contextmanager
def sink() -> Iterator[Sink]:
    """Run a `Sink` that answers the end of a connection by ending its own side."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            with suppress(OSError):
                while True:
                    connection, _ = listener.accept()
                    with connection:
                        while connection.recv(1 << 16):
                            pass

        threading.Thread(target=serve, daemon=True).start()
        yield Sink(listener.getsockname()[1])
        with suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)


def one_leg(rate: int, size: int) -> float:
    """Return the seconds that ``size`` octets take on a bare leg of ``rate``."""
    block = bytes(1 << 16)
    with sink() as target, NarrowLeg(target.port, rate) as leg:
        with socket.create_connection(("127.0.0.1", leg.port)) as client:
            began = time.monotonic()
            for start in range(0, size, len(block)):
                client.sendall(block[: size - start])
            client.shutdown(socket.SHUT_WR)
            client.recv(1)
        return time.monotonic() - began
