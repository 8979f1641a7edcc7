# SPDX-License-Identifier: Apache-2.0
"""What the DNS says about a mail domain: its MX hosts and their addresses."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import dns.asyncresolver
import dns.exception
import dns.name
import dns.nameserver
import dns.resolver

from maild.delivery.guard import IPAddress

LIFETIME = 20.0
"""Seconds for one question with all its retries."""


class NoSuchNameError(Exception):
    """The name does not exist (NXDOMAIN): final."""


class LookupFailedError(Exception):
    """Nobody could answer for now."""


@dataclass(frozen=True, slots=True)
class Mx:
    """One MX record (RFC 5321 §5.1); ``host`` is "" in a null MX (RFC 7505)."""

    preference: int
    host: str


class Resolver:
    """Asks the servers of the system, or ``nameservers`` (address or address:port)."""

    def __init__(self, nameservers: Sequence[str] = ()) -> None:
        self._nameservers = tuple(nameservers)
        self._resolver: dns.asyncresolver.Resolver | None = None

    async def mx(self, domain: str) -> list[Mx]:
        """Return the MX records by preference; none when the domain has none."""
        answer = await self._ask(domain, "MX")
        found = [
            Mx(record.preference, record.exchange.to_text(omit_final_dot=True).lower())
            for record in answer
        ]
        return sorted(
            (Mx(mx.preference, "" if mx.host == "." else mx.host) for mx in found),
            key=lambda mx: mx.preference,
        )

    async def addresses(self, host: str) -> list[IPAddress]:
        """Return the IPv6 and IPv4 addresses of a host, CNAMEs followed."""
        found: list[IPAddress] = []
        for kind in ("AAAA", "A"):
            answer = await self._ask(host, kind)
            found += [ipaddress.ip_address(record.address) for record in answer]
        return found

    async def _ask(self, name: str, kind: str) -> list[Any]:
        """Return the records; what they hold depends on ``kind``."""
        try:
            absolute = dns.name.from_text(name)
            answer = await self._ready().resolve(
                absolute, kind, lifetime=LIFETIME, raise_on_no_answer=False
            )
        except dns.resolver.NXDOMAIN as error:
            raise NoSuchNameError(name) from error
        except (dns.name.LabelTooLong, dns.name.NameTooLong) as error:
            raise NoSuchNameError(name) from error
        except (dns.exception.DNSException, OSError) as error:
            raise LookupFailedError(name) from error
        return list(answer.rrset or ())

    def _ready(self) -> dns.asyncresolver.Resolver:
        if self._resolver is None:
            resolver = dns.asyncresolver.Resolver(configure=not self._nameservers)
            if self._nameservers:
                resolver.nameservers = [_server(text) for text in self._nameservers]
            self._resolver = resolver
        return self._resolver


def _server(text: str) -> dns.nameserver.Nameserver:
    host, colon, port = text.rpartition(":")
    if not colon or ("]" not in host and ":" in host):
        return dns.nameserver.Do53Nameserver(text.strip("[]"))
    return dns.nameserver.Do53Nameserver(host.strip("[]"), int(port))
