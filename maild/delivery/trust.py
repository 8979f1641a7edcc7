# SPDX-License-Identifier: Apache-2.0
"""Whose certificate is believed: a CA's word for a name, or a known fingerprint.

Names are compared here and not by OpenSSL, because a peer may show a certificate for
its mail domain or for its host name (RFC 9525 §6; RFC 7672 §3.2.2 lists both).
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import ssl
from collections.abc import Iterable, Mapping
from typing import Any

from maild.mail.reply import Reply, ReplyError


class Trust:
    """Client contexts; `load` reads the CA certificates."""

    def __init__(self, ca_file: str) -> None:
        self._ca_file = ca_file
        self._checking: ssl.SSLContext | None = None
        self._blind: ssl.SSLContext | None = None

    def load(self) -> None:
        """Read what is needed; blocks.  OSError when the file cannot be read."""
        checking = _context()
        checking.verify_mode = ssl.CERT_REQUIRED
        if self._ca_file:
            checking.load_verify_locations(cafile=self._ca_file)
        else:
            checking.load_default_certs(ssl.Purpose.SERVER_AUTH)
        self._checking, self._blind = checking, _context()

    @property
    def checking(self) -> ssl.SSLContext:
        """A context whose handshake fails unless a CA vouches for the certificate."""
        assert self._checking is not None, "load() comes first"
        return self._checking

    @property
    def blind(self) -> ssl.SSLContext:
        """A context that takes any certificate: opportunistic, or for a fingerprint."""
        assert self._blind is not None, "load() comes first"
        return self._blind


def check_fingerprint(der: bytes | None, fingerprint: str, peer: str) -> None:
    """Raise `ReplyError` unless the certificate has this SHA-256 (hex, any colons)."""
    wanted = fingerprint.replace(":", "").lower()
    if der is None or not hmac.compare_digest(hashlib.sha256(der).hexdigest(), wanted):
        raise untrusted(peer, "its certificate has another fingerprint")


def check_names(
    certificate: Mapping[str, Any] | None, names: Iterable[str], peer: str
) -> None:
    """Raise `ReplyError` unless a verified certificate is for one of ``names``.

    ``certificate`` as `ssl.SSLSocket.getpeercert` tells it.
    """
    patterns = _names_in(certificate or {})
    if not any(_covers(p, name.lower()) for p in patterns for name in names):
        raise untrusted(peer, "its certificate is for another name")


class InsecureError(ReplyError):
    """There is no TLS that proves who the server is; always temporary."""


def untrusted(peer: str, why: str) -> InsecureError:
    """Return the error for a server that cannot prove who it is."""
    return InsecureError(Reply(451, "7.5", f"TLS to {peer} cannot be trusted: {why}"))


def no_tls(peer: str) -> InsecureError:
    """Return the error for a server that does not offer TLS."""
    return InsecureError(
        Reply(451, "7.4", f"TLS is required, but {peer} does not offer it")
    )


def _context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.minimum_version = ssl.TLSVersion.TLSv1_2  # RFC 9325 §3.1.1
    return context


def _names_in(certificate: Mapping[str, Any]) -> list[str]:
    """Return the DNS names and IP addresses of the subjectAltName, in lower case."""
    found = certificate.get("subjectAltName", ())
    names = [name.lower() for kind, name in found if kind == "DNS"]
    return names + [_address(ip) for kind, ip in found if kind == "IP Address"]


def _address(written: str) -> str:
    """Return an IP address as we write it: OpenSSL does not shorten IPv6."""
    try:
        return str(ipaddress.ip_address(written.strip()))
    except ValueError:  # OpenSSL's "<invalid>"
        return ""


def _covers(pattern: str, name: str) -> bool:
    """Compare with a whole left-most ``*`` label (RFC 9525 §6.3)."""
    if pattern.startswith("*."):
        _, _, rest = name.partition(".")
        return rest == pattern[2:] and "." in rest
    return pattern == name
