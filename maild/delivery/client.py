# SPDX-License-Identifier: Apache-2.0
"""Opening a connection to the first stop of a route that answers: greeting, TLS, EHLO.

aiosmtplib speaks until EHLO is answered for good (it drops what a man in the middle
put behind the reply to STARTTLS); then a `Channel` takes the transport over.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from dataclasses import dataclass
from enum import Enum
from typing import cast

import aiosmtplib
from aiosmtplib import errors

from maild.delivery import trust
from maild.delivery.channel import Channel
from maild.delivery.route import Route, Stop
from maild.delivery.settings import DeliverySettings
from maild.delivery.sockets import UnreachableError, open_socket
from maild.delivery.trust import Trust
from maild.identity import Identity
from maild.mail.reply import Reply, ReplyError
from maild.wire.smtp_reply import Ehlo, format_reply, parse_ehlo
from maild.wire.smtp_reply import ReplyReader as _ReplyReader

JOINED = 30.0
"""Seconds for each reply up to EHLO in TLS by a detour: whoever waited there may be
gone without having said so."""


class Tls(Enum):
    """How much TLS an attempt insists on."""

    MAY = "may"
    """Used when offered, whoever it is; else clear text (RFC 7435)."""
    TRUSTED = "trusted"
    """The peer proves who it is, or nothing is sent."""
    NEVER = "never"
    """Tried and failed, and clear text is allowed."""


class _TlsFailedError(Exception):
    """The handshake failed where clear text is allowed: connect again without it."""


@dataclass(frozen=True, slots=True)
class Session:
    """A server that is ready for MAIL."""

    stop: Stop
    channel: Channel
    ehlo: Ehlo
    tls: str
    """The protocol version, or "none"."""
    via: str = ""
    """The rendezvous by way of which it is reached; "" if directly."""
    keeps: bool = False
    """Whether it is a rendezvous, which keeps what is for another server."""

    @property
    def takes_pushes(self) -> bool:
        """Whether the server is one of ours: content can be offered and pushed."""
        return all(k in self.ehlo for k in ("CHECKPOINT", "CHUNKING", "BINARYMIME"))


@dataclass(frozen=True, slots=True)
class _Peer:
    """Who is being talked to, as far as the conversation needs to know."""

    stop: Stop
    name: str
    """For SNI."""
    names: frozenset[str]
    """Of which the certificate must have one."""
    via: str = ""


class Client:
    """Connects; made once per station."""

    def __init__(
        self, settings: DeliverySettings, identity: Identity, trusted: Trust
    ) -> None:
        self._settings = settings
        self._identity = identity
        self._trust = trusted

    async def connect(self, route: Route, level: Tls) -> Session:
        """Return a session with the first stop that answers.

        Raises the last stop's `ReplyError`: refused, silent, untrusted or unwilling.
        It is final only if every stop says so (RFC 5321 §5.1): a backup that takes no
        mail must not fail what its primary would take later.
        """
        last: ReplyError = UnreachableError(
            Reply(451, "4.4", "no server to connect to")
        )
        for number, stop in enumerate(route.stops):
            try:
                return await self._connect(route, stop, level)
            except ReplyError as error:
                if number == 0 or last.reply.is_permanent or error.reply.is_temporary:
                    last = error
        raise last

    async def _connect(self, route: Route, stop: Stop, level: Tls) -> Session:
        try:
            return await self._open(route, stop, level)
        except _TlsFailedError:
            return await self._open(route, stop, Tls.NEVER)

    async def _open(self, route: Route, stop: Stop, level: Tls) -> Session:
        connection = await open_socket(stop, self._settings.connect_timeout)
        peer = _Peer(stop, _server_name(route, stop), route.certificate_names(stop))
        return await self._talk(connection, route, peer, level)

    async def connect_by(
        self, connection: socket.socket, route: Route, stop: Stop, via: str
    ) -> Session:
        """Return a session with the server that ``connection`` has been joined to.

        ``stop`` is where it was joined: its names say nothing about the server, which
        has to prove that it is the one of ``route``, and hears no content else.
        """
        names = [each.host.lower() for each in route.stops if not each.is_literal]
        name = names[0] if names else route.domain
        peer = _Peer(stop, name, frozenset({route.domain, *names}), via)
        return await self._talk(connection, route, peer, Tls.TRUSTED)

    async def _talk(
        self, connection: socket.socket, route: Route, peer: _Peer, level: Tls
    ) -> Session:
        """Greet and secure; the connection is closed when that fails."""
        stop = peer.stop
        smtp = aiosmtplib.SMTP(
            hostname=stop.host,
            sock=connection,
            start_tls=False,
            local_hostname=self._identity.hostname,
            timeout=min(self._settings.idle_timeout, JOINED)
            if peer.via
            else self._settings.idle_timeout,
        )
        try:
            await smtp.connect()
            ehlo = await _greet(smtp)
            if level is not Tls.NEVER:
                ehlo = await self._secure(smtp, ehlo, route, peer, level)
            return self._session(smtp, ehlo, peer)
        except errors.SMTPResponseException as error:
            smtp.close()
            raise ReplyError(_reply(error.code, error.message)) from error
        except (TimeoutError, errors.SMTPException, OSError) as error:
            smtp.close()
            raise UnreachableError(_broken(stop, error)) from error
        except BaseException:
            smtp.close()
            raise

    async def _secure(
        self, smtp: aiosmtplib.SMTP, ehlo: Ehlo, route: Route, peer: _Peer, level: Tls
    ) -> Ehlo:
        """STARTTLS when offered; then the peer's extensions anew (RFC 3207 §4.2)."""
        stop = peer.stop
        pinned = route.peer.fingerprint
        if "STARTTLS" not in ehlo:
            if level is Tls.TRUSTED or pinned:
                raise trust.no_tls(str(stop))
            return ehlo
        by_ca = level is Tls.TRUSTED and not pinned
        context = self._trust.checking if by_ca else self._trust.blind
        try:
            await smtp.starttls(server_hostname=peer.name, tls_context=context)
        except ssl.SSLCertVerificationError as error:
            raise trust.untrusted(str(stop), error.verify_message) from error
        except (ssl.SSLError, errors.SMTPResponseException, OSError) as error:
            if level is Tls.TRUSTED or pinned:
                raise trust.untrusted(str(stop), "the handshake failed") from error
            raise _TlsFailedError from error
        self._check_certificate(smtp, route, peer, by_ca=by_ca)
        return await _greet(smtp)

    def _check_certificate(
        self, smtp: aiosmtplib.SMTP, route: Route, peer: _Peer, *, by_ca: bool
    ) -> None:
        layer = smtp.get_transport_info("ssl_object")
        if route.peer.fingerprint:
            der = layer.getpeercert(binary_form=True)
            trust.check_fingerprint(der, route.peer.fingerprint, str(peer.stop))
        elif by_ca:
            names = set(peer.names)
            if route.domain in self._identity.domains:
                names.add(self._identity.hostname)
            trust.check_names(layer.getpeercert(), names, str(peer.stop))

    def _session(self, smtp: aiosmtplib.SMTP, ehlo: Ehlo, peer: _Peer) -> Session:
        stop = peer.stop
        if smtp.transport is None:
            raise ReplyError(Reply(451, "4.2", f"lost connection with {stop}"))
        transport = cast(asyncio.Transport, smtp.transport)
        layer = transport.get_extra_info("ssl_object")
        version = layer.version() if layer is not None else None
        channel = Channel(transport, str(stop), self._settings.idle_timeout)
        return Session(stop, channel, ehlo, version or "none", peer.via)


async def _greet(smtp: aiosmtplib.SMTP) -> Ehlo:
    """EHLO, or HELO for a server of another age (RFC 5321 §3.2)."""
    try:
        response = await smtp.ehlo()
    except errors.SMTPHeloError as error:
        if error.code // 100 != 5:
            raise
        await smtp.helo()
        return Ehlo("", {})
    return parse_ehlo(Reply(response.code, "", response.message))


def _server_name(route: Route, stop: Stop) -> str:
    """Return the name for SNI: the host name if there is one, else the mail domain."""
    return route.domain if stop.host == str(stop.ip) else stop.host


def _reply(code: int, message: str) -> Reply:
    """Read a peer's reply as aiosmtplib hands it over (its code may be -1)."""
    if not 200 <= code <= 599:
        return Reply(451, "5.0", "the server does not keep to SMTP")
    (reply,) = _ReplyReader().feed(format_reply(Reply(code, "", message)))
    return reply


def _broken(stop: Stop, error: Exception) -> Reply:
    if isinstance(error, TimeoutError):
        return Reply(451, "4.2", f"conversation with {stop} timed out before MAIL")
    return Reply(451, "4.2", f"lost connection with {stop} before MAIL")
