# SPDX-License-Identifier: Apache-2.0
"""Checking who somebody is, for every station: SCRAM and PLAIN, with back-off.

Unknown users look and time like wrong passwords (fake salt from HMAC(secret, user));
key derivation runs in threads behind a semaphore, so that guessing costs bounded CPU.
"""

from __future__ import annotations

import asyncio
import hmac
import secrets

from scramp import ScramException, ScramMechanism

from maild.backoff import BackOff, Delays
from maild.identity import Identity
from maild.mail.address import Address, AddressError, parse_address
from maild.sasl_exchange import Challenge, Exchange, LoginError
from maild.store import accounts
from maild.store.accounts import Account, ScramKeys
from maild.store.house import Store
from maild.wire import sasl

__all__ = ["Challenge", "Exchange", "Gate", "LoginError", "make_keys"]

ITERATIONS = 15_000
"""Rounds of PBKDF2 for a new password (RFC 7677 §4: at least 4096)."""
SALT = 16
"""Octets of a salt, real or fake."""
DERIVATIONS = 2
"""Key derivations at once in one process; others wait their turn."""


class Gate:
    """Made once per process; given to every station that logs people in."""

    def __init__(
        self, store: Store, identity: Identity, delays: Delays | None = None
    ) -> None:
        self._store = store
        self._identity = identity
        self._secret: bytes | None = None
        self._deriving = asyncio.Semaphore(DERIVATIONS)
        self._back_off = BackOff(Delays() if delays is None else delays)
        self.binding = sasl.end_point_binding(identity.certificate)
        """tls-server-end-point data, or None when -PLUS cannot be offered."""

    def mechanisms(self) -> tuple[str, ...]:
        """Names to advertise inside TLS: SCRAM-SHA-256-PLUS, SCRAM-SHA-256, PLAIN."""
        plus = (sasl.SCRAM_PLUS,) if self.binding else ()
        return (*plus, sasl.SCRAM, sasl.PLAIN)

    def begin(self, mechanism: str, source: str) -> Exchange[Account]:
        """Begin an exchange for a client at IP ``source``; `LoginError` if unknown."""
        mechanism = mechanism.upper()
        if mechanism not in self.mechanisms():
            raise LoginError("not a mechanism that is offered")
        return Exchange(self, mechanism, source)

    async def check_password(self, user: str, password: str, source: str) -> Account:
        """Check a plain password given inside TLS (IMAP LOGIN); raise `LoginError`."""
        if len(user) + len(password) > sasl.MAX_MESSAGE:
            raise LoginError("longer than any name and password")
        await self.wait(user, source)
        account, keys = await self.keys(user)
        async with self._deriving:
            fits = await asyncio.to_thread(_fits, password, keys)
        if account is None or not fits:
            self.failed(user, source)
            raise LoginError("the name or the password is wrong")
        self.succeeded(user, source)
        return account

    def address(self, user: str) -> Address | None:
        """Return the account's address that a user name means, without its tag.

        It is the full address or, on a server with one domain, its local part.
        """
        if "@" not in user and len(self._identity.domains) == 1:
            user = f"{user}@{next(iter(self._identity.domains))}"
        try:
            address = parse_address(user).base
        except AddressError:
            return None
        return address if self._identity.is_local(address) else None

    async def keys(self, user: str) -> tuple[Account | None, ScramKeys]:
        """Return an account and its keys; for an unknown user, keys nobody can fit."""
        secret = await self._own_secret()
        address = self.address(user)
        fake = _fake_keys(secret, user if address is None else address.key)
        if address is None:
            address = Address("", "invalid")  # looked up all the same: equal time
        account = await self._store.index.read(accounts.find, address)
        return account, fake if account is None else account.keys

    async def _own_secret(self) -> bytes:
        if self._secret is None:
            fresh = secrets.token_bytes(32)
            self._secret = await self._store.index.write(
                accounts.secret, "login", fresh
            )
        return self._secret

    async def wait(self, user: str, source: str) -> None:
        """Wait as long as earlier failures demand; `LoginError` if that is too long."""
        seconds = self._back_off.reserve(source, self._key(user), self._store.clock())
        if seconds is None:
            raise LoginError("too many attempts")
        if seconds:
            await asyncio.sleep(seconds)

    def failed(self, user: str, source: str) -> None:
        """Count a failure."""
        self._back_off.failed(source, self._key(user), self._store.clock())

    def succeeded(self, user: str, source: str) -> None:
        """Note a success."""
        self._back_off.succeeded(source, self._key(user))

    def _key(self, user: str) -> str:
        address = self.address(user)
        return user[:320] if address is None else address.key


def make_keys(password: str, salt: bytes, iterations: int = ITERATIONS) -> ScramKeys:
    """Derive the verifier of a new password (RFC 7677: at least 4096 iterations).

    Raises `LoginError` for a password that SASLprep (RFC 4013) does not allow.
    """
    if not password:
        raise LoginError("an empty password")
    try:
        made = ScramMechanism(sasl.SCRAM).make_auth_info(
            password, iteration_count=iterations, salt=salt
        )
    except ScramException as error:
        raise LoginError(
            "the password holds characters that are not allowed"
        ) from error
    salt, stored_key, server_key, count = made
    return ScramKeys(salt, count, stored_key, server_key)


def _fits(password: str, keys: ScramKeys) -> bool:
    """Whether ``password`` gives ``keys``; takes as long for any password."""
    try:
        made = make_keys(password, keys.salt, keys.iterations)
    except LoginError:
        return False
    return hmac.compare_digest(made.stored_key, keys.stored_key)


def _fake_keys(secret: bytes, user: str) -> ScramKeys:
    """Return keys that look real, the same for a name every time, and fit nothing."""

    def part(name: str) -> bytes:
        text = f"{name} {user}".encode("utf-8", "surrogatepass")
        return hmac.digest(secret, text, "sha256")

    return ScramKeys(part("salt")[:SALT], ITERATIONS, part("stored"), part("server"))
