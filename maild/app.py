# SPDX-License-Identifier: Apache-2.0
"""The composition root: configuration -> store -> identity -> stations, until stopped.

Stations meet only in the store, so each may be a process of its own (`--only`).
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import os
import resource
import signal
import ssl
from collections.abc import Awaitable, Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from maild import footprint, log_lines
from maild.config import STATIONS, ConfigError, Configuration
from maild.delivery.calls import CallStation
from maild.delivery.settings import PeerSettings
from maild.delivery.station import DeliveryStation
from maild.identity import Identity
from maild.imapd.server import ImapStation
from maild.login import Gate
from maild.mail.address import parse_address
from maild.mail.transfer import Lifetimes
from maild.options import host_port
from maild.promises import Promises
from maild.queue.station import QueueStation
from maild.smtpd.listener import Turns
from maild.smtpd.server import SmtpStation
from maild.store import appointments
from maild.store.address_verdict import Bounds
from maild.store.appointments import Appointment
from maild.store.errors import StoreBrokenError
from maild.store.forwarding import Keeping
from maild.store.house import Store
from maild.supervisor import Supervisor
from maild.turn.callers import Callers
from maild.turn.gate import OfferGate
from maild.turn.meeting import Meeting
from maild.turn.visitors import Visitors
from maild.web.station import WebStation

_log = logging.getLogger("maild")

PATIENCE: Final = 20.0
"""Seconds the stations get to say good-bye; systemd's TimeoutStopSec is longer."""

LOOK: Final = 1.0
"""Seconds between two looks whether the store is sound, without being woken."""

Run = Callable[[Callable[[], None]], Awaitable[None]]
"""A station at work: calls its argument once it is ready."""


def identity_of(config: Configuration) -> Identity:
    """Read the certificate and return who this server is; raise `ConfigError`."""
    server = config.server
    certificate, key = Path(server.certificate), Path(server.key or server.certificate)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    # RFC 9325 §3.1.1, §4.2: TLS 1.2 or later, forward secrecy and AEAD only.
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers("ECDHE+AESGCM:ECDHE+CHACHA20")
    context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION
    for name, path in (("certificate", certificate), ("key", key)):
        try:
            path.open("rb").close()
        except OSError as error:
            complaint = f"{name}: {path}: {error.strerror}"
            raise ConfigError(config.file, complaint, table="server") from error
    try:
        context.load_cert_chain(certificate, key, password=_no_password)
        own = _first_certificate(certificate.read_text(encoding="ascii"))
    except (ssl.SSLError, ValueError) as error:
        complaint = f"certificate, key: not a usable pair in PEM: {error}"
        raise ConfigError(config.file, complaint, table="server") from error
    return Identity(
        hostname=parse_address(f"x@{server.hostname}").domain,
        domains=_domains(server.domains),
        tls=context,
        certificate=own,
        rendezvous=_domains(config.rendezvous.domains),
    )


def _domains(texts: Collection[str]) -> frozenset[str]:
    return frozenset(parse_address(f"x@{domain}").domain for domain in texts)


def _no_password() -> str:
    """Refuse an encrypted key instead of asking on a terminal that is not there."""
    raise ValueError("the key is encrypted")


def _first_certificate(pem: str) -> bytes:
    end = "-----END CERTIFICATE-----"
    begin = pem.index("-----BEGIN CERTIFICATE-----")
    return ssl.PEM_cert_to_DER_cert(pem[begin : pem.index(end, begin) + len(end)])


def peers_of(config: Configuration, identity: Identity) -> Mapping[str, PeerSettings]:
    """Return the configured peers, and this server as the peer for its own domains.

    Mail between two of our own accounts takes the road of all mail: out through
    delivery, in through our own smtp listener, checked by our own certificate.
    """
    host, port = host_port(config.smtp.listen[0]) if config.smtp.listen else ("", 0)
    if not host:
        return config.peers
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - read
    address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    own = PeerSettings(address, hashlib.sha256(identity.certificate).hexdigest())
    return {**dict.fromkeys(identity.domains, own), **config.peers}


def turns_of(config: Configuration, store: Store, callers: Callers) -> Turns | None:
    """Return where servers meet that cannot reach each other, if they do so here.

    At a rendezvous the two of an offer that has passed it; elsewhere, if that is
    allowed, who has accepted something of ours calls for it; and anywhere, for all
    mail, who has a secret with us.
    """
    settings, calling = config.rendezvous, config.smtp.atrn
    secrets = {
        domain: peer.secret
        for domain, peer in config.peers.items()
        if peer.secret and not peer.call
    }
    if not (settings.domains or calling or secrets):
        return None

    async def known(offer_id: str) -> list[Appointment]:
        found: list[Appointment] = []
        if settings.domains:
            now = store.clock()
            found += await store.index.read(appointments.passing, offer_id, now)
        if calling:
            found += await store.index.read(appointments.outgoing, offer_id)
        return found

    return Turns(
        OfferGate(known, store.clock, peers=secrets),
        Meeting(store, most=settings.joined_connections, idle=settings.joined_idle),
        callers,
    )


def compose(config: Configuration, store: Store, identity: Identity) -> dict[str, Run]:
    """Return every station, by name."""
    gate = Gate(store, identity)
    lifetimes = Lifetimes(config.queue.offer_lifetime, config.queue.lifetime)
    peers = peers_of(config, identity)
    visitors, callers = Visitors(), Callers()
    promises = Promises(store, config.rendezvous.kept_octets)
    return {
        "smtpd": SmtpStation(
            config.smtp,
            config.submission,
            lifetimes,
            identity,
            store,
            gate,
            Bounds(
                config.rendezvous.request_lifetime,
                config.rendezvous.requests_per_hour,
                config.rendezvous.open_requests,
            ),
            Keeping(config.rendezvous.kept_octets, config.rendezvous.kept_for),
            promises=promises,
            turns=turns_of(config, store, callers),
            visitors=visitors,
        ).run,
        "imapd": ImapStation(
            config.imap, lifetimes, identity, store, gate, promises=promises
        ).run,
        "queue": QueueStation(config.queue, identity, store).run,
        "delivery": DeliveryStation(
            config.delivery, peers, identity, store, callers=callers
        ).run,
        "calls": CallStation(config.delivery, peers, identity, store, visitors).run,
        "web": WebStation(config.http, store).run,
    }


@dataclass(slots=True)
class _Readiness:
    """Tells the supervisor once, when the last station has started."""

    missing: int
    supervisor: Supervisor

    def one_more(self) -> None:
        self.missing -= 1
        if self.missing == 0:
            self.supervisor.tell("READY=1")
            _log.info("ready")


async def run(
    config: Configuration, only: Collection[str], supervisor: Supervisor
) -> None:
    """Run the stations named in ``only`` (none: all) until SIGTERM or SIGINT."""
    identity = identity_of(config)
    store = Store(Path(config.server.store))
    await asyncio.to_thread(store.open)
    try:
        stations = compose(config, store, identity)
        chosen = [stations[n] for n in STATIONS if n in only or not only]
        beside = [watching(store), footprint.giving_back]
        await run_until_told([*chosen, *beside], supervisor)
    finally:
        await _close(store)
    _log.info("stopped")


def watching(store: Store) -> Run:
    """Return what fails, and so ends every station, when the device refuses a sync.

    A failed sync is never retried: what the kernel still shows of it may be gone.
    """

    async def watch_store(started: Callable[[], None]) -> None:
        with store.changes.watch("store") as watch:  # breaking wakes every watch
            started()
            while not store.broken:
                await watch.wait(LOOK)
        raise StoreBrokenError("the device refused a sync")

    return watch_store


async def _close(store: Store) -> None:
    """Close the store, unless its device hangs: that must not keep us alive."""
    try:
        async with asyncio.timeout(PATIENCE):
            await asyncio.to_thread(store.close)
    except TimeoutError:
        _log.error("the store did not close in time")
        os._exit(os.EX_IOERR)


async def run_until_told(stations: list[Run], supervisor: Supervisor) -> None:
    """Run stations until a signal, or until one fails: then all end."""
    stop = asyncio.Event()
    failures: list[Exception] = []
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    ready = _Readiness(len(stations), supervisor)

    async def work(station: Run) -> None:
        failure: Exception = RuntimeError("a station ended by itself")
        try:
            await station(ready.one_more)
        except Exception as error:  # noqa: BLE001 - raised again once all have ended
            failure = error
        failures.append(failure)
        stop.set()

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(work(station)) for station in stations]
        alive = group.create_task(supervisor.stay_alive())
        await stop.wait()
        supervisor.tell("STOPPING=1")
        _log.info("stopping")
        for task in tasks:
            task.cancel()
        _, late = await asyncio.wait(tasks, timeout=PATIENCE)
        if late:  # nothing acknowledged is lost by this: the store outlives a kill
            _log.error("some stations did not stop in time", exc_info=_first(failures))
            os._exit(os.EX_TEMPFAIL)
        alive.cancel()
    if failures:
        raise ExceptionGroup("a station failed", failures)


def _first(failures: list[Exception]) -> Exception | None:
    return failures[0] if failures else None


def serve(config: Configuration, only: Collection[str]) -> None:
    """Run the daemon; returns after a clean stop, raises what ended it otherwise."""
    log_lines.write_to_stderr()
    _allow_many_files()
    footprint.stay_small()
    asyncio.run(run(config, only, Supervisor.from_environment()))


def _allow_many_files() -> None:
    """Raise the soft limit to the hard one: each connection is an open file."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(OSError, ValueError):  # the unit forbids the call, and sets the limit
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
