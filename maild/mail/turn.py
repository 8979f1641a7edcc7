# SPDX-License-Identifier: Apache-2.0
"""Who may turn a connection around, or have two of them joined: the ends of an offer.

Neither end has an account where they meet.  Both logged in as the offer, by SCRAM: name
and password follow from a secret that only the ends of this offer and their meeting
place know.  At a rendezvous that is the offer's nonce; at the sender's own server, the
proof of its ticket.
"""

from __future__ import annotations

import base64
import hmac
import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from maild.mail.address import Address

_NAME: Final = re.compile(r"([A-Za-z0-9_-]{8,64})/([a-z2-7]{16})/(source|destination)")


class End(StrEnum):
    """Which end of an offer somebody is."""

    SOURCE = "source"
    """The server that has the content."""
    DESTINATION = "destination"
    """The server that it is for."""

    @property
    def other(self) -> End:
        """The end that this one wants to meet."""
        return End.DESTINATION if self is End.SOURCE else End.SOURCE


@dataclass(frozen=True, slots=True)
class Claim:
    """A user name: ``<offer id>/<tag>/<end>``.

    The tag tells offers of equal ids apart and shows no address to who listens.
    """

    offer_id: str
    tag: str
    end: End

    def __str__(self) -> str:
        return f"{self.offer_id}/{self.tag}/{self.end}"


def parse_claim(name: str) -> Claim | None:
    """Read a user name; None when it is no end of an offer."""
    found = _NAME.fullmatch(name)
    return None if found is None else Claim(found[1], found[2], End(found[3]))


def claim(
    secret: str, offer_id: str, sender: Address, recipient: Address, end: End
) -> Claim:
    """Return the user name of one end of an offer."""
    digest = _derived(secret, "name", offer_id, sender, recipient)
    return Claim(offer_id, base64.b32encode(digest[:10]).decode().lower(), end)


def password(
    secret: str, offer_id: str, sender: Address, recipient: Address, end: End
) -> str:
    """Return the password of one end of an offer: 256 bits in hex."""
    return _derived(secret, f"password {end}", offer_id, sender, recipient).hex()


def _derived(
    secret: str, use: str, offer_id: str, sender: Address, recipient: Address
) -> bytes:
    text = "\n".join((f"maild turn {use}", offer_id, sender.key, recipient.key))
    return hmac.digest(secret.encode(), text.encode(), "sha256")
