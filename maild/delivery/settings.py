# SPDX-License-Identifier: Apache-2.0
"""What an operator can set about our outgoing side: tables [delivery] and [peer]."""

from __future__ import annotations

from dataclasses import dataclass

from maild.options import (
    certificate_digest,
    each_nameserver,
    each_network,
    host_port,
    option,
    shared_secret,
)


@dataclass(frozen=True, slots=True)
class PeerSettings:
    """[peer."b.example"]  A destination domain whose server is known beforehand."""

    address: str = option(
        "", "host:port to connect to, instead of its MX.", check=host_port
    )
    fingerprint: str = option(
        "",
        "SHA-256 of its certificate (hex); replaces the check against CAs.",
        check=certificate_digest,
    )
    plain: bool = option(
        False, "Send ticketed content without TLS (a private network only)."
    )
    secret: str = option(
        "",
        "What both servers' operators have agreed on, 20 characters or more: lets the "
        "one that nobody can connect to call the other one (ATRN, RFC 2645).",
        check=shared_secret,
    )
    call: bool = option(
        False, "Keep a connection waiting there for mail to us; needs the secret."
    )

    def __post_init__(self) -> None:
        if self.call and not self.secret:
            raise ValueError("call needs a secret")


@dataclass(frozen=True, slots=True)
class DeliverySettings:
    """[delivery]  Pushing to other servers."""

    attempts: int = option(20, "Attempts at once.")
    per_next_hop: int = option(4, "Attempts at once to one destination domain.")
    port: int = option(25, "Port of servers found by MX or address records.")
    connect_timeout: float = option(30.0, "Seconds for one address to answer.")
    idle_timeout: float = option(
        300.0, "Seconds without any octet or reply (RFC 5321 §4.5.3.2)."
    )
    calls: int = option(
        20, "Connections that wait elsewhere for accepted content (ATRN, RFC 2645)."
    )
    call_after: float = option(
        60.0,
        "Seconds without any accepted content until its sender's server is called for "
        "it.  Where a rendezvous has passed the offer, that is called at once.",
    )
    relay_after: float = option(
        900.0,
        "Seconds without any way to the recipient's server until the rendezvous that "
        "has passed the offer is given the content to keep; 0: never.",
    )
    retry_first: float = option(60.0, "Seconds after the first failure; then doubled.")
    retry_most: float = option(4 * 3600.0, "Most seconds between two attempts.")
    ca_file: str = option("", "CA certificates in PEM; empty: the system's.", path=True)
    private_networks: tuple[str, ...] = option(
        (),
        "Networks (CIDR) below loopback or private ranges that MX may lead to.",
        check=each_network,
    )
    nameservers: tuple[str, ...] = option(
        (),
        "DNS servers, address or address:port; empty: the system's.",
        check=each_nameserver,
    )
