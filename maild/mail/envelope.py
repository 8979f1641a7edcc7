# SPDX-License-Identifier: Apache-2.0
"""What SMTP says about a message beside the message: its envelope (RFC 5321 §2.3.1)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from maild.mail.address import Address


class Body(StrEnum):
    """What octets a message may hold (RFC 6152 §3, RFC 3030 §3)."""

    SEVEN_BIT = "7BIT"
    EIGHT_BIT = "8BITMIME"
    BINARY = "BINARYMIME"


@dataclass(frozen=True, slots=True)
class MailFrom:
    """One MAIL command.  ``size`` in octets, None when it was not declared."""

    sender: Address | None
    """None is the null reverse-path ``<>``."""
    size: int | None = None
    body: Body = Body.SEVEN_BIT
    smtputf8: bool = False
    transid: str | None = None
    """Of CHECKPOINT (RFC 1845 §3), without its angle brackets."""
    ret: str | None = None
    """FULL or HDRS (RFC 3461 §4.3)."""
    envid: str | None = None
    """Decoded from xtext (RFC 3461 §4.4)."""
    auth: str | None = None
    """Who submitted it first, decoded; ``<>`` when unknown (RFC 4954 §5)."""

    @property
    def proof(self) -> str | None:
        """The left side of the TRANSID: shows that a push is wanted."""
        return self.transid.partition("@")[0] if self.transid else None


@dataclass(frozen=True, slots=True)
class RcptTo:
    """One RCPT command."""

    recipient: Address
    notify: tuple[str, ...] | None = None
    """Of NEVER, SUCCESS, FAILURE, DELAY (RFC 3461 §4.1)."""
    orcpt: str | None = None
    """``type;address``, the address decoded (RFC 3461 §4.2)."""
