# SPDX-License-Identifier: Apache-2.0
"""Who this server is: its name, its mail domains, its certificate."""

from __future__ import annotations

import ssl
from dataclasses import dataclass

from maild.mail.address import Address


@dataclass(frozen=True, slots=True)
class Identity:
    """Made once by the composition root and given to every station."""

    hostname: str
    """What the server calls itself in greetings, EHLO and trace headers."""
    domains: frozenset[str]
    """Mail domains whose accounts live here, lower case A-labels."""
    tls: ssl.SSLContext | None
    """For accepting TLS; None only when no certificate is configured."""
    certificate: bytes
    """The server certificate in DER, for tls-server-end-point (RFC 5929 §4)."""
    rendezvous: frozenset[str] = frozenset()
    """Those of ``domains`` whose accounts are numbers; none: we are no rendezvous."""

    def is_local(self, address: Address) -> bool:
        """Whether mail for ``address`` ends here."""
        return address.domain in self.domains

    def is_number(self, address: Address) -> bool:
        """Whether ``address`` is in a domain whose accounts are numbers."""
        return address.domain in self.rendezvous
