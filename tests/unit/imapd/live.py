# SPDX-License-Identifier: Apache-2.0
"""A live IMAP station on loopback with two accounts, and a client; for tests alone."""

from __future__ import annotations

import asyncio
import datetime
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from maild.backoff import Delays
from maild.certificates import Authority
from maild.identity import Identity
from maild.imapd.server import ImapStation
from maild.imapd.settings import ImapSettings
from maild.login import Gate, make_keys
from maild.mail.address import parse_address
from maild.mail.transfer import Lifetimes
from maild.promises import Promises
from maild.store import accounts, mailboxes, messages
from maild.store.house import Store
from maild.store.index import Tx

NOW = 1_800_000_000.0
PASSWORD = "correct horse"
NUMBERS = (
    parse_address("+14155550101@rcs.example"),
    parse_address("+14155550102@rcs.example"),
)
LIFETIMES = Lifetimes(offer=7 * 86400.0, queue=5 * 86400.0)


@dataclass
class Live:
    """The station, as a test sees it."""

    store: Store
    root: Path
    tls: ssl.SSLContext
    """For clients: trusts the station's authority."""
    port: int
    """Implicit TLS."""
    clear_port: int
    """STARTTLS."""
    alice: int
    """Account id of alice@a.example."""
    promises: Promises
    clients: list[Client] = field(default_factory=list)
    """Who has connected; hung up at the end."""

    async def client(self) -> Client:
        """Connect with TLS and read the greeting."""
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", self.port, ssl=self.tls, server_hostname="a.example"
        )
        client = Client(reader, writer)
        self.clients.append(client)
        client.greeting = await client.line()
        return client

    async def clear_client(self) -> Client:
        """Connect without TLS and read the greeting."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.clear_port)
        client = Client(reader, writer)
        self.clients.append(client)
        client.greeting = await client.line()
        return client

    async def alice_in(self, mailbox: str | None = None) -> Client:
        """Log in as alice, and select a mailbox."""
        client = await self.client()
        await client.ok(f'LOGIN alice@a.example "{PASSWORD}"')
        if mailbox is not None:
            await client.ok(f"SELECT {mailbox}")
        return client

    async def mailbox(self, name: str) -> mailboxes.Mailbox:
        """Return one of alice's mailboxes."""
        found = await self.store.index.read(mailboxes.find, self.alice, name)
        assert found is not None
        return found

    async def lines(self, name: str) -> list[messages.Line]:
        """Return what one of alice's mailboxes holds."""
        mailbox = await self.mailbox(name)
        return (await self.store.index.read(messages.lines, mailbox.id))[0]


class Client:
    """Speaks IMAP by hand."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self.reader = reader
        self.writer = writer
        self.greeting = b""
        self._count = 0

    async def line(self) -> bytes:
        """Read one line, without its end; b"" when the connection is over."""
        return (await self.reader.readline()).removesuffix(b"\r\n")

    def send(self, octets: bytes) -> None:
        """Send octets as they are."""
        self.writer.write(octets)

    async def until(self, start: bytes) -> list[bytes]:
        """Read lines up to one that begins with ``start``, that one included."""
        lines: list[bytes] = []
        while not lines or not lines[-1].startswith(start):
            lines.append(await self.line())
            assert lines[-1] or not self.reader.at_eof(), lines
        return lines

    async def command(self, text: str | bytes) -> list[bytes]:
        """Send a command and return its answers, the tagged one last."""
        self._count += 1
        tag = b"t%d " % self._count
        self.send(tag + (text.encode() if isinstance(text, str) else text) + b"\r\n")
        lines = await self.until(tag)
        return [*lines[:-1], lines[-1].removeprefix(tag)]

    async def ok(self, text: str | bytes) -> list[bytes]:
        """Send a command that has to succeed."""
        lines = await self.command(text)
        assert lines[-1].startswith(b"OK"), lines
        return lines

    async def append(self, mailbox: str, message: bytes, options: str = "") -> bytes:
        """Append a message and return the tagged answer."""
        self._count += 1
        tag = b"t%d " % self._count
        head = f"APPEND {mailbox} {options}{{{len(message)}}}\r\n"
        self.send(tag + head.encode())
        line = await self.line()
        if not line.startswith(b"+"):
            return line.removeprefix(tag)
        self.send(message + b"\r\n")
        return (await self.until(tag))[-1].removeprefix(tag)

    async def close(self) -> None:
        """Hang up."""
        self.writer.close()
        try:
            await self.writer.wait_closed()
        except OSError:
            return


@asynccontextmanager
async def live(root: Path, **settings: int) -> AsyncIterator[Live]:
    """Run a station whose store is below ``root``."""
    store = Store(root / "store", clock=lambda: NOW)
    promises = Promises(store)
    await asyncio.to_thread(store.open)
    identity, tls = make_identity(root)

    def job(tx: Tx) -> int:
        keys = make_keys(PASSWORD, b"0123456789abcdef", 4096)
        accounts.create(tx, parse_address("bob@a.example"), keys, NOW)
        for number in NUMBERS:
            accounts.create(tx, number, keys, NOW, is_number=True)
        return accounts.create(tx, parse_address("alice@a.example"), keys, NOW)

    station = ImapStation(
        ImapSettings(
            listen=("127.0.0.1:0",), listen_starttls=("127.0.0.1:0",), **settings
        ),
        LIFETIMES,
        identity,
        store,
        Gate(store, identity, Delays(first=0.0)),
        promises=promises,
    )
    ready = asyncio.Event()
    running = asyncio.create_task(station.run(ready.set))
    clients: list[Client] = []
    try:
        alice = await store.index.write(job)
        await ready.wait()
        (_, port), (_, clear_port) = station.addresses
        yield Live(store, root, tls, port, clear_port, alice, promises, clients)
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        for client in clients:
            await client.close()
        await asyncio.to_thread(store.close)


def make_identity(root: Path) -> tuple[Identity, ssl.SSLContext]:
    """Return an identity for a.example, and a context that trusts it."""
    authority = Authority("test", datetime.datetime.now(datetime.UTC))
    pair = authority.issue(["a.example", "127.0.0.1"])
    (root / "cert.pem").write_bytes(pair.certificate)
    (root / "key.pem").write_bytes(pair.key)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(root / "cert.pem", root / "key.pem")
    client = ssl.create_default_context(cadata=authority.certificate.decode())
    der = ssl.PEM_cert_to_DER_cert(pair.certificate.decode())
    domains = frozenset({"a.example", "rcs.example"})
    rendezvous = frozenset({"rcs.example"})
    return Identity("a.example", domains, server, der, rendezvous), client
