# SPDX-License-Identifier: Apache-2.0
"""Commands that change who a connection leads to, for both roles: ATRN and XCONNECT.

``ATRN [domain *("," domain)]`` (RFC 2645 §5.2.1) makes the client the server.
``XCONNECT domain``, a private verb, asks for the connection of who waits as that
domain's server, and is named like the method of HTTP (RFC 9110 §9.3.6).
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from maild.mail.address import AddressError, parse_address
from maild.mail.reply import Reply, ReplyError

BAD_ATRN = Reply(501, "5.4", "Syntax: ATRN [domain,..]")
BAD_XCONNECT = Reply(501, "5.4", "Syntax: XCONNECT domain")
MOST_DOMAINS = 20
"""Domains of one ATRN that are looked at."""

# RFC 2645 §5.2.1, of A-labels (RFC 5890 §2.3.2.1)
_DOMAIN = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?")


def parse_atrn(argument: str) -> tuple[str, ...]:
    """Return the domains of ATRN, as addresses have them; none: all that one may."""
    if not argument:
        return ()
    domains = argument.split(",")
    if len(domains) > MOST_DOMAINS:
        raise ReplyError(BAD_ATRN)
    return tuple(_domain(text, BAD_ATRN) for text in domains)


def atrn(domains: Iterable[str]) -> bytes:
    """Return the ATRN command."""
    return f"ATRN {','.join(map(_written, domains))}".rstrip().encode() + b"\r\n"


def parse_xconnect(argument: str) -> str:
    """Return the domain of XCONNECT, as addresses have it."""
    return _domain(argument, BAD_XCONNECT)


def xconnect(domain: str) -> bytes:
    """Return the XCONNECT command."""
    return f"XCONNECT {_written(domain)}\r\n".encode()


def _domain(text: str, malformed: Reply) -> str:
    if not _DOMAIN.fullmatch(text):
        raise ReplyError(malformed)
    try:
        return parse_address(f"x@{text}").domain
    except AddressError as error:
        raise ReplyError(malformed) from error


def _written(domain: str) -> str:
    """Check what we write ourselves: nothing but a domain is ever sent (CWE-93)."""
    if not _DOMAIN.fullmatch(domain):
        raise ValueError("not a domain that a command can carry")
    return domain
