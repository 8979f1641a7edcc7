# SPDX-License-Identifier: Apache-2.0
"""Two whole servers on loopback: what one delivers, the other really receives."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from maild.delivery.settings import DeliverySettings, PeerSettings
from maild.delivery.station import DeliveryStation
from maild.identity import Identity
from maild.ids import nonce, queue_id
from maild.login import Gate
from maild.mail.address import Address
from maild.mail.transfer import FINAL, Lifetimes, State
from maild.smtpd.server import SmtpStation
from maild.smtpd.settings import SmtpSettings, SubmissionSettings
from maild.store import accounts, consent, items, mailboxes, messages, transfers
from maild.store.consent import Randomness
from maild.store.house import Store
from maild.store.index import Tx
from maild.store.items import Item
from maild.store.transfers import Transfer
from tests.unit.delivery.peer import Certificate, make_certificate
from tests.unit.delivery.post import KEYS, LIFETIMES, Post
from tests.unit.delivery.rig import ALICE, BOB, noise, open_store, put

Run = Callable[[Callable[[], None]], Coroutine[Any, Any, None]]


@dataclass
class Server:
    """One server with one account; its delivery starts once both ports are known."""

    store: Store
    identity: Identity
    port: int
    account: int
    ca_file: str


class Cutter:
    """A TCP proxy that cuts a connection after so many octets towards the server."""

    def __init__(self, port: int) -> None:
        self._target = port
        self.cut_at: list[int] = []
        """For each connection to come; then none is cut."""
        self.carried: list[int] = []

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[int]:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self._tasks: set[asyncio.Task[None]] = set()
        try:
            yield server.sockets[0].getsockname()[1]
        finally:
            server.close()
            for task in list(self._tasks):
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        limit = self.cut_at.pop(0) if self.cut_at else None
        number = len(self.carried)
        self.carried.append(0)
        there, back = await asyncio.open_connection("127.0.0.1", self._target)
        answers = asyncio.create_task(self._copy(there, writer))
        try:
            with suppress(OSError):
                while octets := await reader.read(65536):
                    self.carried[number] += len(octets)
                    back.write(octets)
                    await back.drain()
                    if limit is not None and self.carried[number] >= limit:
                        break
        finally:
            answers.cancel()
            for end in (back, writer):
                end.transport.abort()
            self._tasks.discard(task)

    async def _copy(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        with suppress(OSError):
            while octets := await reader.read(65536):
                writer.write(octets)
                await writer.drain()


@asynccontextmanager
async def running(run: Run) -> AsyncIterator[None]:
    started = asyncio.Event()
    task = asyncio.create_task(run(started.set))
    waiting = asyncio.ensure_future(started.wait())
    try:
        await asyncio.wait({task, waiting}, return_when=asyncio.FIRST_COMPLETED)
        assert not task.done(), task
        yield
    finally:
        waiting.cancel()
        task.cancel()
        await asyncio.gather(task, waiting, return_exceptions=True)


@asynccontextmanager
async def server(
    folder: Path, domain: str, who: Address, certificate: Certificate
) -> AsyncIterator[Server]:
    with open_store(folder) as store:
        own = Identity(
            f"mx.{domain}", frozenset({domain}), certificate.context, certificate.der
        )
        account = await store.index.write(accounts.create, who, KEYS, store.clock())
        station = SmtpStation(
            SmtpSettings(listen=("127.0.0.1:0",)),
            SubmissionSettings(listen=(), listen_starttls=()),
            Lifetimes(LIFETIMES.offer, LIFETIMES.queue),
            own,
            store,
            Gate(store, own),
        )
        async with running(station.run):
            port = station.addresses[0][1]
            yield Server(store, own, port, account, certificate.ca_file)


def delivery(server: Server, domain: str, port: int) -> Run:
    settings = DeliverySettings(
        ca_file=server.ca_file, idle_timeout=20.0, retry_first=0.01, retry_most=0.05
    )
    peers = {domain: PeerSettings(f"127.0.0.1:{port}")}
    return DeliveryStation(settings, peers, server.identity, server.store).run


async def until(store: Store, transfer_id: str, *states: State) -> Transfer:
    with store.changes.watch(f"transfer:{transfer_id}", "queue") as watch:
        while True:
            found = await store.index.read(transfers.get, transfer_id)
            if found.state in states:
                return found
            await watch.wait(5.0)


async def accept(bob: Server) -> None:
    """Decide the offer that has come, as moving it to Accepted does."""
    done = await bob.store.index.write(
        _accept, bob.account, Randomness(nonce(), queue_id()), bob.store.clock()
    )
    assert done


def _accept(tx: Tx, account: int, fresh: Randomness, now: float) -> bool:
    inbox = mailboxes.find(tx, account, "INBOX")
    assert inbox is not None
    (line,), _, _ = messages.lines(tx, inbox.id)
    assert "$Offer" in line.flags
    return consent.decide(tx, account, line.content_id, fresh, now, accepted=True)


def octets_of(store: Store, item: Item) -> bytes:
    with store.blobs.open(item.blob_id) as reader:
        return reader.pread(0, item.size)


@pytest.mark.parametrize(
    ("size", "cuts"),
    [(0, []), (1000, []), (5 * 2**20 + 1, []), (60 * 2**20, [20 * 2**20, 30 * 2**20])],
)
async def test_an_item_goes_from_one_server_to_the_other(
    tmp_path: Path, size: int, cuts: list[int]
) -> None:
    certificate = make_certificate(tmp_path, "a.example", "b.example")
    content = noise(size)
    async with AsyncExitStack() as stack, asyncio.timeout(60):
        enter = stack.enter_async_context
        a = await enter(server(tmp_path / "a", "a.example", ALICE, certificate))
        b = await enter(server(tmp_path / "b", "b.example", BOB, certificate))
        cutter = Cutter(b.port)
        proxy = await enter(cutter.serving())
        post = Post(a.store, a.store.clock, a.account)
        item = await post.item(put(a.store, content))
        share = await post.share(item)
        await enter(running(delivery(a, "b.example", proxy)))
        await until(a.store, share.id, State.OFFERED)
        assert cutter.carried[0] < 64 * 1024
        cutter.cut_at = list(cuts)
        await accept(b)
        await enter(running(delivery(b, "a.example", a.port)))
        after = await until(a.store, share.id, *FINAL)
        assert after.state is State.SENT, after
        assert after.octets == size
        (received,) = await b.store.index.read(items.everything, b.account)
        assert received.sha256 == item.sha256
        assert received.name == item.name
        assert octets_of(b.store, received) == content
        # what was cut off costs at most what was not yet durable over there
        assert sum(cutter.carried) < size * 1.02 + len(cuts) * 20 * 2**20 + 200_000
