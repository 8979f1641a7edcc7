# SPDX-License-Identifier: Apache-2.0
"""Where mail for a domain goes: a known peer, else its MX hosts, else its addresses.

A `Stop` is one address that may be connected to, already judged by `delivery.guard`;
a domain that leads nowhere, or only where mail must not go, is a `ReplyError`.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from secrets import SystemRandom
from typing import Protocol

from maild.delivery import guard
from maild.delivery.guard import IPAddress, Network
from maild.delivery.names import LookupFailedError, Mx, NoSuchNameError
from maild.delivery.settings import PeerSettings
from maild.mail.reply import Reply, ReplyError

MAX_STOPS = 8
"""Addresses tried in one attempt; a domain with more is tried again later."""
MAX_HOSTS = 10
"""MX hosts whose addresses are asked for: each may take the DNS its whole time."""
_KNOWN = PeerSettings()
_shuffle = SystemRandom().shuffle

NO_MAIL = Reply(556, "1.10", "the domain says that it takes no mail (null MX)")
NO_DOMAIN = Reply(550, "1.2", "the recipient's domain does not exist")
NO_ADDRESS = Reply(550, "4.4", "no server was found for the recipient's domain")
FORBIDDEN = Reply(
    550,
    "7.1",
    "the recipient's domain leads to an address that is not a public mail server",
)
DNS_SILENT = Reply(
    451, "4.3", "the name servers of the recipient's domain do not answer"
)
BEST_IS_US = Reply(
    554, "4.6", "mail for the recipient's domain loops back to this server"
)


class Names(Protocol):
    """Who answers for the DNS: `delivery.names.Resolver`, or a table in tests."""

    async def mx(self, domain: str) -> list[Mx]:
        """Return the MX records by preference."""
        ...

    async def addresses(self, host: str) -> list[IPAddress]:
        """Return a host's addresses."""
        ...


@dataclass(frozen=True, slots=True)
class Stop:
    """One address to connect to; ``host`` is the name that led to it."""

    host: str
    ip: IPAddress
    port: int

    @property
    def is_literal(self) -> bool:
        """Whether there is no name that led to it."""
        try:
            ipaddress.ip_address(self.host)
        except ValueError:
            return False
        return True

    def __str__(self) -> str:
        return f"{self.host}[{self.ip}]:{self.port}"


@dataclass(frozen=True, slots=True)
class Route:
    """The way to one domain: addresses in the order to try, and what to insist on."""

    domain: str
    stops: tuple[Stop, ...]
    peer: PeerSettings = field(default_factory=PeerSettings)

    def certificate_names(self, stop: Stop) -> frozenset[str]:
        """Return the names of which the server's certificate must have one."""
        return frozenset({self.domain, stop.host.lower(), str(stop.ip)})


class Router:
    """Finds routes; made once with what the operator knows beforehand."""

    def __init__(
        self,
        peers: Mapping[str, PeerSettings],
        names: Names,
        *,
        hostname: str,
        port: int,
        private_networks: Sequence[Network],
    ) -> None:
        self._peers = {domain.lower(): peer for domain, peer in peers.items()}
        self._names = names
        self._hostname = hostname.lower()
        self._port = port
        self._private = tuple(private_networks)

    def peer(self, domain: str) -> PeerSettings:
        """Return what is known of a domain's server beforehand."""
        return self._peers.get(domain, _KNOWN)

    async def find(self, domain: str) -> Route:
        """Return the route for a domain; raise `ReplyError`."""
        peer = self.peer(domain)
        if peer.address:
            return Route(domain, await _operators_stops(peer.address), peer)
        if domain.startswith("["):
            return Route(domain, (self._literal(domain),), peer)
        try:
            return Route(domain, await self._looked_up(domain), peer)
        except LookupFailedError as error:
            raise ReplyError(DNS_SILENT) from error

    def _literal(self, domain: str) -> Stop:
        """Take a client's own choice of address only inside allowed networks."""
        ip = guard.parse_literal(domain)
        if ip is None or not any(ip in network for network in self._private):
            raise ReplyError(FORBIDDEN)
        return Stop(str(ip), ip, self._port)

    async def _looked_up(self, domain: str) -> tuple[Stop, ...]:
        hosts = await self._hosts(domain)
        stops: list[Stop] = []
        seen = 0
        silent: LookupFailedError | None = None
        for host in hosts[:MAX_HOSTS]:
            try:
                addresses = await self._names.addresses(host)
            except NoSuchNameError:
                continue
            except LookupFailedError as error:
                silent = error
                continue
            seen += len(addresses)
            stops += [
                Stop(host, ip, self._port)
                for ip in addresses
                if guard.is_allowed(ip, self._private)
            ]
            if len(stops) >= MAX_STOPS:
                break
        if stops:
            return tuple(stops[:MAX_STOPS])
        if len(hosts) > MAX_HOSTS and not seen:
            silent = LookupFailedError(domain)  # the others may be asked another time
        if silent is not None:
            raise silent
        raise ReplyError(FORBIDDEN if seen else NO_ADDRESS)

    async def _hosts(self, domain: str) -> list[str]:
        """RFC 5321 §5.1: MX hosts by preference, else the domain itself."""
        try:
            records = await self._names.mx(domain)
        except NoSuchNameError as error:
            raise ReplyError(NO_DOMAIN) from error
        if not records:
            return [domain]  # the implicit MX
        if all(not mx.host for mx in records):
            raise ReplyError(NO_MAIL)  # RFC 7505 §3
        hosts: list[str] = []
        for _, equals in groupby(records, key=lambda mx: mx.preference):
            same = [mx.host for mx in equals if mx.host]
            if self._hostname in same:
                break  # we are the backup of whoever comes before us (§5.1)
            _shuffle(same)
            hosts += same
        if not hosts:
            raise ReplyError(BEST_IS_US)
        return hosts


async def _operators_stops(address: str) -> tuple[Stop, ...]:
    """Resolve ``host:port`` as the operator wrote it; not guarded: it is no input."""
    host, _, port = address.rpartition(":")
    host = host.strip("[]")
    try:
        return (Stop(host, ipaddress.ip_address(host), int(port)),)
    except ValueError:
        pass
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(host, int(port), type=socket.SOCK_STREAM)
    except OSError as error:
        raise ReplyError(DNS_SILENT) from error
    ips = dict.fromkeys(ipaddress.ip_address(entry[4][0]) for entry in found)
    return tuple(Stop(host, ip, int(port)) for ip in ips)[:MAX_STOPS]
