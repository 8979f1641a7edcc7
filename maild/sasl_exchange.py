# SPDX-License-Identifier: Apache-2.0
"""One SASL exchange, whoever it is that logs in: SCRAM and PLAIN, the server's side."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from scramp import ScramException, ScramMechanism

from maild.mail.address import Address
from maild.store.accounts import ScramKeys
from maild.wire import sasl

W = TypeVar("W")
"""Whom a keyring knows: an account, or one end of an offer."""
W_co = TypeVar("W_co", covariant=True)


class Keyring(Protocol[W_co]):
    """Who may log in, and how long guessing takes; `maild.login.Gate` for accounts."""

    binding: bytes | None
    """tls-server-end-point data, or None when -PLUS cannot be offered."""

    def address(self, user: str) -> Address | None:
        """Return the address that a user name means, if it means one."""
        ...

    async def wait(self, user: str, source: str) -> None:
        """Wait as long as earlier failures demand; `LoginError` if that is too long."""
        ...

    async def keys(self, user: str) -> tuple[W_co | None, ScramKeys]:
        """Return who that is, and keys; for an unknown user, keys nobody can fit."""
        ...

    async def check_password(self, user: str, password: str, source: str) -> W_co:
        """Check a plain password; raise `LoginError`."""
        ...

    def failed(self, user: str, source: str) -> None:
        """Count a failure."""
        ...

    def succeeded(self, user: str, source: str) -> None:
        """Note a success."""
        ...


@dataclass(frozen=True, slots=True)
class Challenge(Generic[W]):
    """The server's next SASL message; ``account`` is set once it is proven."""

    octets: bytes
    account: W | None


class LoginError(Exception):
    """The credentials do not fit; says nothing about which part."""


class Exchange(Generic[W]):
    """One SASL exchange (RFC 4422), sans-I/O but for the look-up of keys.

    Every mechanism here begins with the client: without an initial response the
    station first sends an empty challenge (RFC 4954 §4, RFC 9051 §6.2.2).
    """

    def __init__(self, gate: Keyring[W], mechanism: str, source: str) -> None:
        self._gate = gate
        self._source = source
        self._scram: Any = None  # scramp is untyped
        self._account: W | None = None
        self._proven = False
        self.mechanism = mechanism
        self.user = ""
        """Who the client says it is, for the log; as it was sent."""

    async def answer(self, octets: bytes) -> Challenge[W]:
        """Take the client's message; raise `LoginError`.

        When the returned ``account`` is set and ``octets`` is not empty, they are
        SCRAM's server-final message: the client answers with an empty message (or the
        protocol sends them with success, where it can).  Giving that empty message to
        `answer` returns the account once more, with nothing left to send.
        """
        if self._proven:
            if octets:
                raise LoginError("a message after the end")
            return Challenge(b"", self._account)
        try:
            if self.mechanism == sasl.PLAIN:
                return await self._plain(sasl.parse_plain(octets))
            message = sasl.text(octets)
            if self._scram is None:
                return await self._client_first(message)
            return self._client_final(message)
        except sasl.SaslError as error:
            raise LoginError(str(error)) from error

    async def _plain(self, given: sasl.Credentials) -> Challenge[W]:
        self.user = given.authcid
        self._check_acting(given.authcid, given.authzid)
        self._account = await self._gate.check_password(
            given.authcid, given.password, self._source
        )
        self._proven = True
        return Challenge(b"", self._account)

    def _check_acting(self, user: str, authzid: str) -> None:
        """Let nobody act for somebody else; clients may name themselves twice."""
        address = self._gate.address(user)
        if authzid not in ("", user) and (
            address is None or self._gate.address(authzid) != address
        ):
            raise LoginError("acting for somebody else")

    async def _client_first(self, message: str) -> Challenge[W]:
        first = sasl.parse_client_first(message)
        self.user = first.user
        plus = self.mechanism == sasl.SCRAM_PLUS
        if first.binding.startswith("p=") is not plus:
            # RFC 5802 §6: "p" belongs to -PLUS, and -PLUS to "p".
            raise LoginError("the mechanism and the channel binding flag disagree")
        self._check_acting(first.user, first.acts_for)
        await self._gate.wait(first.user, self._source)
        self._account, keys = await self._gate.keys(first.user)
        binding = self._gate.binding
        try:
            # With a binding, scramp refuses "y": a client that could bind was told
            # that we cannot, so somebody removed -PLUS from our list.
            self._scram = ScramMechanism(self.mechanism).make_server(
                lambda _: (
                    keys.salt,
                    keys.stored_key,
                    keys.server_key,
                    keys.iterations,
                ),
                channel_binding=(sasl.BINDING, binding) if binding else None,
            )
            self._scram.set_client_first(first.bare)
            self._scram.gs2_header = _Named(self._scram.gs2_header, first.authzid)
            return Challenge(self._scram.get_server_first().encode(), None)
        except ScramException as error:
            raise LoginError(str(error)) from error

    def _client_final(self, message: str) -> Challenge[W]:
        try:
            self._scram.set_client_final(message)
            final = self._scram.get_server_final().encode()
        except ScramException as error:
            self._gate.failed(self.user, self._source)
            raise LoginError(str(error)) from error
        if self._account is None:
            self._gate.failed(self.user, self._source)
            raise LoginError("nobody has that name")
        self._gate.succeeded(self.user, self._source)
        self._proven = True
        return Challenge(final, self._account)


class _Named:
    """scramp's gs2-header, with the authzid that scramp itself refuses.

    Cyrus SASL (mbsync, some builds of mutt) always sends one; the client's final
    message binds it (RFC 5802 §6).
    """

    def __init__(self, header: Any, authzid: str) -> None:
        self._header = header
        self._authzid = authzid

    def make_cbind_input(self, binding: Any) -> bytes:
        """Return what the client must have bound: flag, authzid, channel data."""
        octets: bytes = self._header.make_cbind_input(binding)
        flag, _, data = octets.split(b",", 2)
        return b",".join((flag, self._authzid.encode(), data))
