# SPDX-License-Identifier: GPL-3.0-only
"""How a terminal proves who it is (seed 201): SCRAM, else PLAIN, only ever inside TLS.

SCRAM-SHA-256 (RFC 5802, RFC 7677) sends nothing that could be replayed and makes the
server prove that it knows the password too; -PLUS binds it to the certificate.
"""

from __future__ import annotations

import asyncio
import secrets
import ssl
from collections.abc import Iterable
from typing import Any

from scramp import ScramClient, ScramException

from terminal_client.errors import NotAllowedError, ProtocolError

_SCRAM = ("SCRAM-SHA-256-PLUS", "SCRAM-SHA-256")
_BINDING = "tls-server-end-point"
"""The hash of the server's certificate (RFC 5929 §4): works with every TLS version."""


class Exchange:
    """One SASL exchange (RFC 4422), client's side; messages are octets, not base64."""

    def __init__(
        self,
        mechanisms: Iterable[str],
        user: str,
        password: str,
        tls: ssl.SSLObject | None,
    ) -> None:
        self._user, self._password = user, password
        self._scram: Any = None
        self._messages = 0
        self.mechanism, self._scram = _choose(set(mechanisms), user, password, tls)

    @property
    def is_done(self) -> bool:
        """Whether success may be believed: SCRAM's server has proven itself."""
        return self._messages == (3 if self._scram else 1)

    def first(self) -> bytes:
        """Return the initial response (RFC 4422 §5, RFC 4959)."""
        self._messages = 1
        if self._scram is None:
            return f"\0{self._user}\0{self._password}".encode()
        return str(self._scram.get_client_first()).encode()

    async def answer(self, challenge: bytes) -> bytes:
        """Return the response to a challenge; raise when the server is not ours."""
        if self._scram is None:
            raise ProtocolError("the server asks for more than a password; giving up")
        self._messages += 1
        try:
            return await self._scram_answer(challenge.decode())
        except UnicodeDecodeError as error:
            raise ProtocolError(
                "the server's part of the login is malformed"
            ) from error
        except ScramException as error:
            if challenge.startswith(b"e="):
                raise NotAllowedError(
                    "the server does not accept the password"
                ) from error
            raise ProtocolError(
                "the server could not prove that it knows the password; "
                "this may not be your server"
            ) from error

    async def _scram_answer(self, challenge: str) -> bytes:
        match self._messages:
            case 2:
                self._scram.set_server_first(challenge)
                # Thousands of rounds of HMAC: off the loop.
                final = await asyncio.to_thread(self._scram.get_client_final)
                return str(final).encode()
            case 3:
                self._scram.set_server_final(challenge)
                return b""
            case _:
                raise ProtocolError("the server does not come to an end of the login")


def _choose(
    offered: set[str], user: str, password: str, tls: ssl.SSLObject | None
) -> tuple[str, Any]:
    if tls is None:
        raise ProtocolError("refusing to log in without TLS")
    usable = [name for name in _SCRAM if name in offered]
    if usable:
        nonce = secrets.token_urlsafe(18)  # 144 bits: shorter than scramp's, enough
        try:
            # scramp says "y" (I could have bound, you do not offer it) by itself.
            client = ScramClient(usable, user, password, (_BINDING, tls), nonce)
        except ScramException:
            # A certificate whose hash is undefined (RFC 5929 §4.1), such as Ed25519's.
            client = ScramClient(_SCRAM[1:], user, password, c_nonce=nonce)
        return client.mechanism_name, client
    if "PLAIN" in offered:
        return "PLAIN", None
    raise ProtocolError("the server offers no way to log in that is known here")
