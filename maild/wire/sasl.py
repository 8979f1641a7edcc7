# SPDX-License-Identifier: Apache-2.0
"""How SASL messages are written: PLAIN, the head of SCRAM, the channel binding.

The arithmetic of SCRAM itself is the library scramp's; both roles use this file.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from asn1crypto.x509 import Certificate

SCRAM = "SCRAM-SHA-256"
"""RFC 7677."""
SCRAM_PLUS = "SCRAM-SHA-256-PLUS"
"""RFC 7677 with channel binding (RFC 5802 §6)."""
PLAIN = "PLAIN"
"""RFC 4616; only ever inside TLS."""
BINDING = "tls-server-end-point"
"""The channel binding type (RFC 5929 §4); it works under TLS 1.3."""
MAX_MESSAGE = 2048
"""Octets of one SASL message: a name of 320, a password or nonce of any sane length."""


class SaslError(ValueError):
    """A SASL message is malformed; the message says how in one clause."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """What PLAIN carries; ``authzid`` is "" unless the client names somebody."""

    authzid: str
    authcid: str
    password: str


def parse_plain(octets: bytes) -> Credentials:
    """Read a PLAIN message: authzid NUL authcid NUL password (RFC 4616 §2)."""
    pieces = text(octets).split("\0")
    if len(pieces) != 3 or not pieces[1] or not pieces[2]:
        raise SaslError("not three texts between NULs")
    return Credentials(*pieces)


def plain(user: str, password: str) -> bytes:
    """Return the PLAIN message of a client; raise `SaslError` on a NUL in it."""
    if "\0" in user + password or not user or not password:
        raise SaslError("a name or password that PLAIN cannot carry")
    return f"\0{user}\0{password}".encode()


def text(octets: bytes) -> str:
    """Return a SASL message as text; raise `SaslError`."""
    if len(octets) > MAX_MESSAGE:
        raise SaslError("longer than 2048 octets")
    try:
        return octets.decode("utf-8")
    except UnicodeDecodeError as error:
        raise SaslError("not UTF-8") from error


@dataclass(frozen=True, slots=True)
class ClientFirst:
    """The head of SCRAM's client-first-message (RFC 5802 §7)."""

    binding: str
    """The gs2-cbind-flag: ``n``, ``y`` or ``p=<type>``."""
    authzid: str
    """Who to act for, as it was written (``a=..``), or ""."""
    user: str
    bare: str
    """The message with its authzid left out."""

    @property
    def acts_for(self) -> str:
        """Who to act for; "" unless the client names somebody."""
        return _unescaped(self.authzid[2:])


def parse_client_first(message: str) -> ClientFirst:
    """Read who wants in; the rest of the message is scramp's."""
    pieces = message.split(",", 3)
    if len(pieces) != 4 or not pieces[2].startswith("n="):
        raise SaslError("not a client-first-message")
    flag, authzid, name, rest = pieces
    if authzid and not authzid.startswith("a="):
        raise SaslError("not an authzid")
    return ClientFirst(flag, authzid, _unescaped(name[2:]), f"{flag},,{name},{rest}")


def _unescaped(name: str) -> str:
    """Return a saslname as text (RFC 5802 §5.1)."""
    return name.replace("=2C", ",").replace("=3D", "=")


def end_point_binding(certificate: bytes) -> bytes | None:
    """Return the tls-server-end-point data of a certificate in DER (RFC 5929 §4.1).

    The hash is the one of the certificate's signature; SHA-256 instead of MD5 and
    SHA-1; None when the signature has no hash of its own (Ed25519): undefined there.
    """
    try:
        signed = Certificate.load(certificate, strict=True)["signature_algorithm"]
        if signed.signature_algo in ("ed25519", "ed448"):
            return None
        found = str(signed.hash_algo)
    except (KeyError, TypeError, ValueError):
        return None
    name = "sha256" if found in ("md5", "sha1") else found
    try:
        return hashlib.new(name, certificate, usedforsecurity=False).digest()
    except ValueError:
        return None
