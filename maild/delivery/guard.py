# SPDX-License-Identifier: Apache-2.0
"""Which addresses the DNS may send us to (CWE-918): public ones, and allowed networks.

Destination domains come from clients, so whatever a name resolves to is judged before
a packet is sent; what was judged is what is connected to, without a second look-up.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_DISGUISES = tuple(
    ipaddress.IPv6Network(text)
    for text in (
        "::/96",  # IPv4-compatible, unspecified, loopback (RFC 4291 §2.5.5.1)
        "::ffff:0:0/96",  # IPv4-mapped (RFC 4291 §2.5.5.2)
        "::ffff:0:0:0/96",  # IPv4-translated (RFC 2765 §2.1)
        "64:ff9b::/96",  # NAT64 (RFC 6052 §2.1)
        "64:ff9b:1::/48",  # local NAT64 (RFC 8215)
        "2001::/32",  # Teredo (RFC 4380 §2.6)
        "2002::/16",  # 6to4 (RFC 3056 §2)
        "fec0::/10",  # site-local (RFC 3879)
    )
)
"""Forms that lead to another address than the one that is read."""
_RELAY_ANYCAST = ipaddress.IPv4Network("192.88.99.0/24")
"""6to4 relays (RFC 7526): no mail server lives there."""


def networks(texts: Iterable[str]) -> tuple[Network, ...]:
    """Parse CIDR networks; ValueError names the first that is none."""
    return tuple(ipaddress.ip_network(text) for text in texts)


def is_allowed(address: IPAddress, private_networks: Iterable[Network]) -> bool:
    """Whether mail may be sent to ``address``, which the DNS (or a client) gave."""
    if any(address in network for network in private_networks):
        return True
    if not address.is_global or address.is_multicast or address.is_reserved:
        return False
    if isinstance(address, ipaddress.IPv6Address):
        return not any(address in network for network in _DISGUISES)
    return address not in _RELAY_ANYCAST


def parse_literal(domain: str) -> IPAddress | None:
    """Return the address of a literal ``[192.0.2.1]`` or ``[IPv6:2001:db8::1]``."""
    text = domain.removeprefix("[").removesuffix("]")
    if text.lower().startswith("ipv6:"):
        text = text[5:]
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None
