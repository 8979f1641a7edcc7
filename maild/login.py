# SPDX-License-Identifier: Apache-2.0
"""Checking who somebody is, for every station that asks: SCRAM and PLAIN, with back-off.

Unknown users look and time like wrong passwords (fake salt from HMAC(secret, user));
key derivation runs in threads behind a semaphore, so that guessing costs bounded CPU.
"""

from __future__ import annotations

from dataclasses import dataclass

from maild.identity import Identity
from maild.store.accounts import Account, ScramKeys
from maild.store.house import Store


@dataclass(frozen=True, slots=True)
class Challenge:
    """The server's next SASL message; ``account`` is set once it is proven."""

    octets: bytes
    account: Account | None


class LoginError(Exception):
    """The credentials do not fit; says nothing about which part."""


class Exchange:
    """One SASL exchange (RFC 4422), sans-I/O but for the look-up of keys."""

    async def answer(self, octets: bytes) -> Challenge:
        """Take the client's message; raise `LoginError`.

        When the returned ``account`` is set and ``octets`` is not empty, they are
        SCRAM's server-final message: the client answers with an empty message (or the
        protocol sends them with success, where it can).
        """
        raise NotImplementedError


class Gate:
    """Made once per process; given to every station that logs people in."""

    def __init__(self, store: Store, identity: Identity) -> None:
        raise NotImplementedError

    def mechanisms(self) -> tuple[str, ...]:
        """Names to advertise inside TLS: SCRAM-SHA-256-PLUS, SCRAM-SHA-256, PLAIN."""
        raise NotImplementedError

    def begin(self, mechanism: str, source: str) -> Exchange:
        """Begin an exchange for a client at IP ``source``; `LoginError` if unknown."""
        raise NotImplementedError

    async def check_password(self, user: str, password: str, source: str) -> Account:
        """Check a plain password given inside TLS (IMAP LOGIN); raise `LoginError`."""
        raise NotImplementedError


def make_keys(password: str, salt: bytes, iterations: int = 15_000) -> ScramKeys:
    """Derive the verifier of a new password (RFC 7677: at least 4096 iterations)."""
    raise NotImplementedError
