# SPDX-License-Identifier: Apache-2.0
"""What an operator can set about the mailbox view: table [imap]."""

from __future__ import annotations

from dataclasses import dataclass

from maild.options import each_host_port, option


@dataclass(frozen=True, slots=True)
class ImapSettings:
    """[imap]  The mailbox view (RFC 9051, RFC 3501)."""

    listen: tuple[str, ...] = option(
        ("0.0.0.0:993",),
        "Addresses with implicit TLS, host:port.",
        check=each_host_port,
    )
    listen_starttls: tuple[str, ...] = option(
        (),
        "Addresses that begin in clear and require STARTTLS before LOGIN.",
        check=each_host_port,
    )
    idle_timeout: float = option(
        1800.0, "Seconds without a command (RFC 9051 §5.4: at least 1800)."
    )
    connections: int = option(1000, "Connections at once.")
    connections_per_client: int = option(50, "Connections at once from one address.")
    append_limit: int = option(
        64 * 2**20, "Largest message taken by APPEND, octets (RFC 7889)."
    )
    item_limit: int = option(
        2**40, "Largest new version of an item taken by REPLACE, octets (RFC 8508)."
    )
    versions: int = option(10, "Older versions of an item that are kept.")
