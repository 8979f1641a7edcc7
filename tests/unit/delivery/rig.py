# SPDX-License-Identifier: Apache-2.0
"""What the tests of delivery share: a store, an identity, a client, a route."""

from __future__ import annotations

import hashlib
import ipaddress
import ssl
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from maild.delivery.client import Client
from maild.delivery.route import Route, Stop
from maild.delivery.settings import DeliverySettings, PeerSettings
from maild.delivery.trust import Trust
from maild.identity import Identity
from maild.mail.address import Address, parse_address
from maild.store.blobs import Sealed
from maild.store.house import Store

ALICE: Address = parse_address("alice@a.example")
BOB: Address = parse_address("bob@b.example")


def identity(tls: ssl.SSLContext | None = None) -> Identity:
    return Identity("mx.a.example", frozenset({"a.example"}), tls, b"")


def client(ca_file: str = "", *, idle: float = 5.0) -> Client:
    trust = Trust(ca_file)
    trust.load()
    settings = DeliverySettings(idle_timeout=idle, connect_timeout=5.0)
    return Client(settings, identity(), trust)


def route(port: int, *, host: str = "127.0.0.1", **peer: str | bool) -> Route:
    stop = Stop(host, ipaddress.ip_address("127.0.0.1"), port)
    known = PeerSettings(address=f"127.0.0.1:{port}", **peer)  # type: ignore[arg-type]
    return Route("b.example", (stop,), known)


@contextmanager
def open_store(root: Path, clock: Callable[[], float] = time.time) -> Iterator[Store]:
    store = Store(root, clock)
    store.open()
    try:
        yield store
    finally:
        store.close()


@contextmanager
def threads() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(2) as readers:
        yield readers


def put(store: Store, octets: bytes) -> Sealed:
    writer = store.blobs.create(len(octets))
    writer.append(octets)
    return writer.seal()


def noise(size: int) -> bytes:
    """Octets that repeat nowhere, the same in every run."""
    return hashlib.shake_128(b"noise").digest(size)
