# SPDX-License-Identifier: Apache-2.0
"""What an operator can set about receiving: tables [smtp] and [submission]."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from maild.options import each_host_port, each_network, option

_MEDIA_TYPE = re.compile(r"(?:[\w!#$&^.+-]+|\*)/(?:[\w!#$&^.+-]+|\*)", re.ASCII)


def _media_types(texts: Sequence[str]) -> None:
    for text in texts:
        if not _MEDIA_TYPE.fullmatch(text):
            raise ValueError(f"must be media types such as video/*, not {text!r}")


@dataclass(frozen=True, slots=True)
class SmtpSettings:
    """[smtp]  The listener for other servers (RFC 5321), STARTTLS."""

    listen: tuple[str, ...] = option(
        ("0.0.0.0:25",),
        "Addresses, host:port.",
        check=each_host_port,
    )
    size_limit: int = option(2**40, "Largest message with a ticket, octets (RFC 1870).")
    ordinary_mail_limit: int = option(
        25 * 2**20, "Largest message without an accepted offer, octets."
    )
    offer_size_limit: int = option(
        2**40, "Largest file whose offer is taken or passed on, octets."
    )
    offer_types_refused: tuple[str, ...] = option(
        (),
        "Media types whose offers are refused: application/x-dosexec, or video/*.",
        check=_media_types,
    )
    offers_per_minute: int = option(
        300, "Offers of one sender; more are told to come later."
    )
    idle_timeout: float = option(
        300.0,
        "Seconds without any octet before a connection ends (RFC 5321 §4.5.3.2.7).",
    )
    connections: int = option(500, "Connections at once.")
    connections_per_client: int = option(50, "Connections at once from one address.")
    atrn: bool = option(
        False,
        "Let servers that we cannot reach call for content that was accepted there "
        "(ATRN, RFC 2645).",
    )
    plain_networks: tuple[str, ...] = option(
        (),
        "Networks (CIDR) from which ticketed content is taken without TLS.",
        check=each_network,
    )


@dataclass(frozen=True, slots=True)
class SubmissionSettings:
    """[submission]  The listeners for our own terminals (RFC 6409, RFC 8314)."""

    listen: tuple[str, ...] = option(
        ("0.0.0.0:465",),
        "Addresses with implicit TLS, host:port.",
        check=each_host_port,
    )
    listen_starttls: tuple[str, ...] = option(
        ("0.0.0.0:587",),
        "Addresses that begin in clear and require STARTTLS.",
        check=each_host_port,
    )
    size_limit: int = option(2**40, "Largest message, octets (RFC 1870).")
    idle_timeout: float = option(
        300.0, "Seconds without any octet (RFC 5321 §4.5.3.2)."
    )
    connections: int = option(500, "Connections at once.")
    connections_per_client: int = option(50, "Connections at once from one address.")
