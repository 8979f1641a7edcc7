# SPDX-License-Identifier: Apache-2.0
"""A ring holds buffers only while its chunk is under way."""

from __future__ import annotations

import asyncio
import gc
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from bench.floor import contexts
from maild.smtpd.patience import Patience
from maild.smtpd.pieces import new_pieces
from maild.smtpd.tls_ring import TlsRing, _Row

SIZE = 100_000


class Sink:
    def __init__(self) -> None:
        self.octets = bytearray()

    def take(self, octets: memoryview) -> None:
        self.octets += octets


class Chunked(asyncio.StreamReaderProtocol):
    """Takes one chunk as soon as TLS is there."""

    def __init__(self, count: int) -> None:
        super().__init__(asyncio.StreamReader())
        self.count = count
        self.sink = Sink()
        self.taken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.lost = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        assert isinstance(transport, asyncio.Transport)
        self.task = asyncio.create_task(self._take(transport))

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self.lost.set()

    async def _take(self, transport: asyncio.Transport) -> None:
        pieces, patience = new_pieces(), Patience(30.0)
        try:
            with ThreadPoolExecutor(1) as thread:
                ring = TlsRing(
                    transport,
                    self,
                    self.count,
                    self.sink,
                    patience,
                    pieces,
                    thread,
                    bytearray(),
                )
                running = asyncio.create_task(ring.run())
                await asyncio.sleep(0)
                transport.write(b"go\n")  # what comes now comes to the ring
                await running
        except ConnectionError:
            pass
        self.taken.set_result(None)


def held() -> int:
    """Octets of all buffers that a ring has."""
    rings = [o for o in gc.get_objects() if isinstance(o, TlsRing)]
    assert rings, "asyncio has let go of the ring: it need not do so itself"
    lists = [ring._buffers._all for ring in rings]
    last = [ring._buffer for ring in rings if ring._buffer is not None]
    return sum(len(b) for some in lists for b in some) + sum(map(len, last))


@pytest.mark.parametrize("sent", [SIZE, SIZE // 2])
async def test_a_ring_that_is_over_holds_nothing(sent: int) -> None:
    trusted, trusting = contexts()
    made: list[Chunked] = []

    def chunked() -> Chunked:
        made.append(Chunked(SIZE))
        return made[-1]

    loop = asyncio.get_running_loop()
    server = await loop.create_server(chunked, "127.0.0.1", 0, ssl=trusted)
    port = server.sockets[0].getsockname()[1]
    reader, writer = await asyncio.open_connection(
        "127.0.0.1", port, ssl=trusting, server_hostname="localhost"
    )
    assert await reader.readline() == b"go\n"
    writer.write(bytes(sent))
    await writer.drain()
    if sent < SIZE:
        writer.close()
    await made[0].taken
    assert made[0].sink.octets == bytes(sent)
    assert held() == 0
    writer.close()
    await made[0].lost.wait()
    await writer.wait_closed()
    server.close()
    await server.wait_closed()


async def test_a_row_that_never_empties_leaves_threads_to_others() -> None:
    """However fast one chunk comes, what others have to do has its turn."""
    most, order, waits = 1000, list[str](), threading.Event()

    class Fast:
        def take(self, octets: memoryview) -> None:
            waits.wait()
            order.append("one")
            if len(order) < most:
                row._full.append(octets)  # more has come meanwhile

    with ThreadPoolExecutor(1) as threads:
        row = _Row(Fast(), threads, lambda: None)
        row.give(memoryview(b"octets"))
        threads.submit(order.append, "another")
        waits.set()
        await row.emptied()
    assert order.index("another") < most / 10
    assert order.count("one") >= most - 1


async def test_a_row_keeps_the_order() -> None:
    sink, given = Sink(), list[int]()
    with ThreadPoolExecutor(8) as threads:
        row = _Row(sink, threads, lambda: given.append(1))
        for number in range(500):
            row.give(memoryview(b"%d " % number))
            if not number % 7:
                await asyncio.sleep(0)
        await row.emptied()
    assert sink.octets.split() == [b"%d" % number for number in range(500)]
    await asyncio.sleep(0)
    assert len(given) == 500
