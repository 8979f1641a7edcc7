# SPDX-License-Identifier: Apache-2.0
"""What an operator can set about the rendezvous: table [rendezvous]."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from maild.mail.address import AddressError, parse_address
from maild.options import option


def _mail_domains(texts: Iterable[str]) -> None:
    for text in texts:
        try:
            literal = parse_address(f"postmaster@{text}").is_literal
        except AddressError:
            literal = True
        if literal:
            raise ValueError(f"must be names such as rcs.example.org, not {text!r}")


@dataclass(frozen=True, slots=True)
class RendezvousSettings:
    """[rendezvous]  Passes requests between people who know each other's numbers."""

    domains: tuple[str, ...] = option(
        (),
        "Domains of [server] whose accounts are numbers (E.164); empty: role off.",
        check=_mail_domains,
    )
    request_lifetime: float = option(
        7 * 86400.0, "Seconds an address request waits for its answer."
    )
    requests_per_hour: int = option(
        60, "Address requests that one number may make in an hour."
    )
    open_requests: int = option(
        200, "Undecided address requests that one number may have made, or been sent."
    )
    joined_connections: int = option(
        200, "Connections of servers that wait here for each other, or are joined."
    )
    joined_idle: float = option(
        300.0, "Seconds without any octet before two joined connections end."
    )
    kept_octets: int = option(
        10 * 2**30,
        "Octets of accepted content kept here, in all, for servers that stay away; "
        "0: none.",
    )
    kept_for: float = option(
        3 * 86400.0,
        "Seconds until such content is given up, and its sender is told.",
    )
