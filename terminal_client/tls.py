# SPDX-License-Identifier: GPL-3.0-only
"""What a terminal demands of a server's certificate, and how little it says itself.

Sending an uploaded file again must cost kilobytes on the terminal's leg, and most of
them are TLS: the second connection resumes the session of the first (RFC 8446 §2.2).
"""

from __future__ import annotations

import ssl
from contextlib import suppress

from terminal_client.errors import SetUpError
from terminal_client.profile import Profile

_PADDING = 0x10
"""OpenSSL's SSL_OP_TLSEXT_PADDING, part of `ssl.OP_ALL`: fills a ClientHello up to 512
octets for the sake of a middlebox of 2013 (RFC 7685)."""


class TerminalContext(ssl.SSLContext):
    """Verifies name and chain; one for each `Terminal`, so sessions stay with it.

    A session is offered only under the name for which its certificate was verified.
    """

    def __init__(self, protocol: int = ssl.PROTOCOL_TLS_CLIENT) -> None:
        self._last: dict[str, ssl.SSLObject] = {}

    def wrap_bio(
        self,
        incoming: ssl.MemoryBIO,
        outgoing: ssl.MemoryBIO,
        server_side: bool = False,
        server_hostname: str | bytes | None = None,
        session: ssl.SSLSession | None = None,
    ) -> ssl.SSLObject:
        """Begin a connection (called by asyncio), resuming the latest session."""
        name = str(server_hostname)
        before = self._last.get(name)
        if session is None and before is not None:
            with suppress(ValueError):  # it is still shaking hands
                session = before.session
        made = super().wrap_bio(
            incoming, outgoing, server_side, server_hostname, session
        )
        self._last[name] = made
        return made


def client_context(profile: Profile) -> ssl.SSLContext:
    """Return a context for the servers of a profile; TLS 1.2 at least (RFC 9325).

    With ``profile.ca`` only that authority is trusted, else those of the system.
    """
    context = TerminalContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers("ECDHE+AESGCM:ECDHE+CHACHA20")  # TLS 1.2; 1.3 has its own
    context.options &= ~_PADDING
    if profile.ca is None:
        context.load_default_certs()
        return context
    try:
        context.load_verify_locations(cafile=profile.ca)
    except ssl.SSLError as error:
        raise SetUpError(
            f"{profile.ca} holds no certificate (PEM) of an authority"
        ) from error
    except OSError as error:
        raise SetUpError(
            f"the authority's certificate {profile.ca} cannot be read: "
            f"{(error.strerror or str(error)).lower()}"
        ) from error
    return context
