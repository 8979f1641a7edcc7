# SPDX-License-Identifier: Apache-2.0
"""A real receiving station in a process of its own, for the benches to send to."""

from __future__ import annotations

import asyncio
import logging
import multiprocessing
import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

from bench.floor import contexts
from maild import footprint, ids
from maild.identity import Identity
from maild.login import Gate
from maild.mail import compose
from maild.mail.address import parse_address
from maild.mail.offer import Offer, proof
from maild.mail.transfer import Lifetimes
from maild.smtpd.server import SmtpStation
from maild.smtpd.settings import SmtpSettings, SubmissionSettings
from maild.store import accounts, consent, mailboxes, messages
from maild.store.accounts import ScramKeys
from maild.store.consent import Randomness
from maild.store.house import Store
from maild.store.index import Tx

SENDER = parse_address("alice@a.example")
RECIPIENT = parse_address("bob@b.example")
_TICKET = "0123456789abcdef" * 2
_SETTINGS = SmtpSettings(
    listen=("127.0.0.1:0",), plain_networks=("127.0.0.0/8",), connections_per_client=200
)


@dataclass(frozen=True, slots=True)
class House:
    """A running station, and the proof of the offer its account has accepted."""

    port: int
    pid: int
    proof: str

    def cpu(self) -> float:
        """Return the CPU seconds the process has used so far."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def peak(self) -> int:
        """Return the most octets of memory it has held (VmHWM)."""
        for line in Path(f"/proc/{self.pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
        return 0


@contextmanager
def house(folder: Path, *, size: int = 0) -> Iterator[House]:
    """Run a station over a fresh store in ``folder``.

    ``size``: octets of the content its account has agreed to receive from `SENDER`.
    """
    spawn = multiprocessing.get_context("spawn")
    ours, theirs = spawn.Pipe()
    process = spawn.Process(target=_run, args=(folder, size, theirs))
    process.start()
    theirs.close()
    try:
        port, shown = ours.recv()
        assert process.pid is not None
        yield House(port, process.pid, shown)
    finally:
        process.terminate()
        process.join()


def _run(folder: Path, size: int, parent: Connection) -> None:
    logging.basicConfig(level=logging.WARNING)
    footprint.stay_small()
    store = Store(folder)
    store.open()
    try:
        asyncio.run(_serve(store, size, parent))
    finally:
        store.close()


async def _serve(store: Store, size: int, parent: Connection) -> None:
    account = await store.index.write(_account, store.clock())
    shown = await store.index.write(_accepted_offer, account, size, store.clock())
    identity = Identity(
        hostname="b.example",
        domains=frozenset({RECIPIENT.domain}),
        tls=contexts()[0],
        certificate=b"",
    )
    station = SmtpStation(
        _SETTINGS,
        SubmissionSettings(listen=(), listen_starttls=()),
        Lifetimes(86_400.0, 86_400.0),
        identity,
        store,
        Gate(store, identity),
    )
    running = asyncio.current_task()
    assert running is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, running.cancel)

    def started() -> None:
        parent.send((station.addresses[0][1], shown))

    with suppress(asyncio.CancelledError):
        await station.run(started)


def _account(tx: Tx, now: float) -> int:
    keys = ScramKeys(b"salt", 4096, b"stored", b"server")
    return accounts.create(tx, RECIPIENT, keys, now)


def _accepted_offer(tx: Tx, account: int, size: int, now: float) -> str:
    """Let the account agree to content of ``size`` octets; return the proof."""
    offer = Offer(
        id="benchoffer",
        nonce=ids.nonce(),
        sender=SENDER,
        recipient=RECIPIENT,
        name="file.bin",
        type="application/octet-stream",
        size=size,
        sha256=None,
        created=int(now),
        expires=int(now) + 86_400,
        home=SENDER.domain,
        trace=ids.trace_id(),
    )
    facts = compose.Facts(f"{ids.queue_id()}@a.example", now, offer.trace)
    made = compose.offer_message(offer, facts, None)
    content = messages.add_small(tx, made.octets, made.structure, offer.trace)
    inbox = mailboxes.must_find(tx, account, "INBOX")
    messages.append(tx, inbox.id, content, (), now)
    consent.received(tx, account, offer, content, now)
    fresh = Randomness(_TICKET, ids.queue_id())
    assert consent.decide(tx, account, content, fresh, now, accepted=True)
    return proof(_TICKET, offer.id, SENDER, RECIPIENT)


def push_around(size: int, sha256: str) -> tuple[bytes, bytes]:
    """Return what stands before and behind the octets of a push."""
    item = compose.ItemFacts(
        "benchitem", "file.bin", "application/octet-stream", size, sha256, SENDER
    )
    facts = compose.Facts(f"{ids.queue_id()}@a.example", time.time(), ids.trace_id())
    return compose.push_frame(item, ids.boundary(), facts)
