# SPDX-License-Identifier: Apache-2.0
"""The station that receives: listeners for other servers and for our own terminals."""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import socket
import ssl
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace

from maild.identity import Identity
from maild.listeners import listening
from maild.login import Gate
from maild.mail.monitor import Policy
from maild.mail.transfer import Lifetimes
from maild.options import host_port
from maild.promises import Promises
from maild.smtpd.connection import Connection
from maild.smtpd.door import Door
from maild.smtpd.known import Residents, Room
from maild.smtpd.listener import Guests, Listener, Turns
from maild.smtpd.monitoring import Monitor
from maild.smtpd.pieces import new_pieces
from maild.smtpd.restart import Checkpoints
from maild.smtpd.session import Session
from maild.smtpd.settings import SmtpSettings, SubmissionSettings
from maild.store.address_verdict import USUAL, Bounds
from maild.store.forwarding import NOTHING, Keeping
from maild.store.house import Store
from maild.turn.visitors import Visitors

_log = logging.getLogger(__name__)

BACKLOG = 512
"""Connections that the kernel keeps for us while we are busy."""
WORKERS = 16
"""Threads that hash and write; more would only take turns."""


class SmtpStation:
    """Receives by SMTP until it is cancelled."""

    def __init__(
        self,
        smtp: SmtpSettings,
        submission: SubmissionSettings,
        lifetimes: Lifetimes,
        identity: Identity,
        store: Store,
        gate: Gate,
        asking: Bounds = USUAL,
        keeping: Keeping = NOTHING,
        *,
        promises: Promises | None = None,
        turns: Turns | None = None,
        visitors: Visitors | None = None,
    ) -> None:
        self._turns = turns
        self._visitors = visitors
        self._smtp = smtp
        self._submission = submission
        self._lifetimes = lifetimes
        self._identity = identity
        self._store = store
        self._gate = gate
        self._asking = asking
        self._keeping = keeping
        self._doors: set[Door] = set()
        self._sessions: set[Connection] = set()
        self._kept: list[Checkpoints] = []
        self._residents = Residents(store)
        if promises is None:  # nobody else promises anything in this process
            promises = Promises(store, keeping.octets)
        self.promises = promises
        self._pieces = new_pieces()
        self._servers: list[asyncio.Server] = []

    @property
    def addresses(self) -> list[tuple[str, int]]:
        """Where the station listens, in the order of its settings (for port 0)."""
        return [
            each.getsockname()[:2]
            for server in self._servers
            for each in server.sockets[:1]
        ]

    async def run(self, started: Callable[[], None]) -> None:
        """Bind, say so, serve until cancelled, part from every client."""
        most = self._smtp.connections + self._submission.connections
        with (
            ThreadPoolExecutor(WORKERS, "smtpd") as threads,
            ThreadPoolExecutor(most, "smtpd-socket") as socket_threads,
        ):
            receiving = self._receiving(threads, socket_threads)
            submitting = self._submitting(threads, socket_threads)
            try:
                await self._listen(receiving, submitting)
                started()
                with self._receiving_visitors(receiving):
                    await asyncio.Future()
            finally:
                await self._close()

    def _receiving_visitors(self, listener: Listener) -> AbstractContextManager[None]:
        """Take connections that we have opened ourselves, as from any stranger.

        Their address is that of who has turned them: it vouches for nothing.
        """
        if self._visitors is None:
            return nullcontext()
        strangers = replace(listener, plain_networks=(), turns=None)

        async def receive(connection: socket.socket) -> None:
            loop = asyncio.get_running_loop()
            _, session = await loop.connect_accepted_socket(
                lambda: Session(strangers, self._sessions), connection
            )
            if session.own_task is not None:
                await asyncio.wait([session.own_task])

        return self._visitors.received_by(receive)

    async def _listen(self, smtp: Listener, submission: Listener) -> None:
        # The library tells of every connection; our own log says it better.
        logging.getLogger("mail.log").setLevel(logging.WARNING)
        tls = self._identity.tls
        await self._bind(self._smtp.listen, smtp, None)
        if tls is not None:
            await self._bind(self._submission.listen, submission, tls)
            await self._bind(self._submission.listen_starttls, submission, None)

    async def _bind(
        self,
        addresses: Sequence[str],
        listener: Listener,
        tls: ssl.SSLContext | None,
    ) -> None:
        loop = asyncio.get_running_loop()

        def session() -> Session:
            return Session(listener, self._sessions)

        def door() -> asyncio.Protocol:
            if tls is None:
                return session()
            return Door(listener.guests, tls, session, self._doors)

        for address in addresses:
            host, port = host_port(address)
            with listening(address):
                server = await loop.create_server(door, host, port, backlog=BACKLOG)
            self._servers.append(server)

    def _receiving(
        self, threads: ThreadPoolExecutor, socket_threads: ThreadPoolExecutor
    ) -> Listener:
        settings = self._smtp
        return Listener(
            station="smtpd",
            is_submission=False,
            size_limit=settings.size_limit,
            ordinary_limit=settings.ordinary_mail_limit,
            idle_timeout=settings.idle_timeout,
            guests=Guests(settings.connections, settings.connections_per_client),
            plain_networks=tuple(map(ipaddress.ip_network, settings.plain_networks)),
            identity=self._identity,
            store=self._store,
            gate=self._gate,
            lifetimes=self._lifetimes,
            checkpoints=self._checkpoints(threads),
            residents=self._residents,
            room=Room(self.promises.free_space, threads),
            promises=self.promises,
            monitor=self._monitor(threads),
            threads=threads,
            socket_threads=socket_threads,
            pieces=self._pieces,
            keeping=self._keeping,
            turns=self._turns,
        )

    def _submitting(
        self, threads: ThreadPoolExecutor, socket_threads: ThreadPoolExecutor
    ) -> Listener:
        settings = self._submission
        return Listener(
            station="submission",
            is_submission=True,
            size_limit=settings.size_limit,
            ordinary_limit=settings.size_limit,
            idle_timeout=settings.idle_timeout,
            guests=Guests(settings.connections, settings.connections_per_client),
            plain_networks=(),
            identity=self._identity,
            store=self._store,
            gate=self._gate,
            lifetimes=self._lifetimes,
            checkpoints=self._checkpoints(threads),
            residents=self._residents,
            room=Room(self.promises.free_space, threads),
            promises=self.promises,
            monitor=self._monitor(threads),
            threads=threads,
            socket_threads=socket_threads,
            pieces=self._pieces,
            asking=self._asking,
        )

    def _monitor(self, threads: ThreadPoolExecutor) -> Monitor:
        settings = self._smtp
        largest = min(settings.offer_size_limit, settings.size_limit)
        policy = Policy(largest, settings.offer_types_refused)
        return Monitor(policy, settings.offers_per_minute, self._store, threads)

    def _checkpoints(self, threads: ThreadPoolExecutor) -> Checkpoints:
        kept = Checkpoints(
            threads, self._store, self._lifetimes.queue, self._identity.hostname
        )
        self._kept.append(kept)
        return kept

    async def _close(self) -> None:
        """Take nobody in, tell everybody, and keep what was promised."""
        for server in self._servers:
            server.close()
        for tasks in (
            [door.task for door in self._doors if door.task is not None],
            [s.own_task for s in self._sessions if s.own_task is not None],
        ):
            for task in tasks:
                task.cancel()
            if tasks:
                await asyncio.wait(tasks)
        for kept in self._kept:
            kept.lanes.close()
        self._residents.close()
