# SPDX-License-Identifier: Apache-2.0
"""One question to the DNS and its answer; loaded when the first one is asked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import dns.asyncresolver
import dns.exception
import dns.name
import dns.nameserver
import dns.resolver

from maild.delivery.names import LookupFailedError, NoSuchNameError

LIFETIME = 20.0
"""Seconds for one question with all its retries."""


class Lookup:
    """Asks the servers of the system, or ``nameservers`` (address or address:port)."""

    def __init__(self, nameservers: Sequence[str]) -> None:
        self._nameservers = tuple(nameservers)
        self._resolver: dns.asyncresolver.Resolver | None = None

    async def ask(self, name: str, kind: str) -> list[Any]:
        """Return the records of a name; what they hold depends on ``kind``.

        Raises `NoSuchNameError` and `LookupFailedError`.
        """
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
