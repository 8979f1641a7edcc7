# SPDX-License-Identifier: Apache-2.0
"""How a station declares one configuration key: default, description, check.

Each station has its own frozen dataclass of options (``settings.py``), so that it never
sees the rest; `maild.config` reads them from the file and writes conf/maild.toml.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Sequence
from dataclasses import field
from typing import TypeVar

T = TypeVar("T")

LEAST_SECRET = 20
"""Characters of a secret that two operators agree on."""

_HOST_PORT = re.compile(r"(\[[0-9A-Fa-f:.%\w]+\]|[^\[\]:\s]+):([0-9]{1,5})")


def option(
    default: T,
    doc: str,
    *,
    check: Callable[[T], object] | None = None,
    path: bool = False,
) -> T:
    """Declare a dataclass field that has a default and a description.

    ``check`` raises ValueError with a clause that follows the key's name ("must be
    ..."); it is called for values from the file.  A ``path`` is relative to the
    directory of the file; "" stays "".
    """
    value: T = field(
        default=default, metadata={"doc": doc, "check": check, "path": path}
    )
    return value


def host_port(text: str) -> tuple[str, int]:
    """Split ``host:port`` or ``[IPv6]:port``; the host comes without brackets."""
    found = _HOST_PORT.fullmatch(text)
    if found is None or int(found[2]) > 65535:
        raise ValueError(f"must be host:port, not {text!r}")
    return found[1].strip("[]"), int(found[2])


def each_host_port(texts: Sequence[str]) -> None:
    """Check addresses to listen at."""
    for text in texts:
        host_port(text)


def each_network(texts: Sequence[str]) -> None:
    """Check networks in CIDR notation."""
    for text in texts:
        try:
            ipaddress.ip_network(text)
        except ValueError as error:
            raise ValueError(
                f"must be networks such as 192.0.2.0/24: {error}"
            ) from None


def each_nameserver(texts: Sequence[str]) -> None:
    """Check DNS servers: an IP address, with a port or without."""
    for text in texts:
        try:
            ipaddress.ip_address(text)
        except ValueError:
            ipaddress.ip_address(host_port(text)[0])


def shared_secret(text: str) -> None:
    """Check what two operators have agreed on: who listens must not guess it."""
    if text and (len(text) < LEAST_SECRET or not text.isascii()):
        raise ValueError(f"must have {LEAST_SECRET} characters or more, all ASCII")


def positive(number: float) -> None:
    """Check a number that has no meaning at zero or below."""
    if not number > 0:
        raise ValueError("must be greater than 0")


def not_negative(number: float) -> None:
    """Check a number that may be zero."""
    if not number >= 0:
        raise ValueError("must not be negative")


def certificate_digest(text: str) -> None:
    """Check the SHA-256 of a certificate in hex, with colons or without."""
    if text and not re.fullmatch(r"[0-9a-f]{64}", text.replace(":", "").lower()):
        raise ValueError("must be the 64 hex digits of a SHA-256")
