# SPDX-License-Identifier: Apache-2.0
"""The private authority: what it signs is believed by those who trust it."""

from __future__ import annotations

import datetime
import ssl
from pathlib import Path

import pytest

from maild.certificates import Authority


def shake_hands(folder: Path, ca: bytes, name: str, names: list[str]) -> None:
    """Let a client that wants ``name`` meet a server that has ``names``."""
    authority = Authority("test", datetime.datetime.now(datetime.UTC))
    pair = authority.issue(names)
    (folder / "both.pem").write_bytes(pair.certificate + pair.key)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(folder / "both.pem")
    trusted = (ca or authority.certificate).decode()
    client = ssl.create_default_context(cadata=trusted)
    there, back = ssl.MemoryBIO(), ssl.MemoryBIO()
    ours = client.wrap_bio(back, there, server_hostname=name)
    theirs = server.wrap_bio(there, back, server_side=True)
    for side in (ours, theirs, ours, theirs):
        try:
            side.do_handshake()
        except ssl.SSLWantReadError:
            continue


@pytest.mark.parametrize("name", ["a.example", "localhost", "127.0.0.1"])
def test_trusted(tmp_path: Path, name: str) -> None:
    shake_hands(tmp_path, b"", name, ["a.example", "localhost", "127.0.0.1"])


def test_another_name(tmp_path: Path) -> None:
    with pytest.raises(ssl.SSLCertVerificationError, match="mismatch"):
        shake_hands(tmp_path, b"", "b.example", ["a.example"])


def test_another_authority(tmp_path: Path) -> None:
    stranger = Authority("test", datetime.datetime.now(datetime.UTC))
    with pytest.raises(ssl.SSLCertVerificationError):
        shake_hands(tmp_path, stranger.certificate, "a.example", ["a.example"])


def test_the_strict_rules_of_newer_pythons_are_kept(tmp_path: Path) -> None:
    """VERIFY_X509_STRICT is Python 3.13's default: RFC 5280 to the letter."""
    authority = Authority("test", datetime.datetime.now(datetime.UTC))
    pair = authority.issue(["a.example"])
    (tmp_path / "both.pem").write_bytes(pair.certificate + pair.key)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(tmp_path / "both.pem")
    client = ssl.create_default_context(cadata=authority.certificate.decode())
    client.verify_flags |= ssl.VERIFY_X509_STRICT
    there, back = ssl.MemoryBIO(), ssl.MemoryBIO()
    ours = client.wrap_bio(back, there, server_hostname="a.example")
    theirs = server.wrap_bio(there, back, server_side=True)
    for side in (ours, theirs, ours, theirs):
        try:
            side.do_handshake()
        except ssl.SSLWantReadError:
            continue
    assert ours.version() == "TLSv1.3"
