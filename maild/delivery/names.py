# SPDX-License-Identifier: Apache-2.0
"""What the DNS says about a mail domain: its MX hosts and their addresses."""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

from maild.delivery.guard import IPAddress

if TYPE_CHECKING:
    from maild.delivery.lookup import Lookup


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
        self._lookup: Lookup | None = None

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
        if self._lookup is None:
            # Two megabytes, which a server with listed peers only never needs.
            found = await asyncio.to_thread(import_module, "maild.delivery.lookup")
            self._lookup = found.Lookup(self._nameservers)
        return await self._lookup.ask(name, kind)
