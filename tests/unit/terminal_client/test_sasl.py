# SPDX-License-Identifier: GPL-3.0-only
"""The client's side of SASL, against scramp's server."""

from __future__ import annotations

import datetime
import ssl
from pathlib import Path
from typing import Any

import pytest
from scramp import ScramMechanism

from maild.certificates import Authority
from terminal_client.errors import ProtocolError
from terminal_client.sasl import Exchange

USER, PASSWORD = "alice@a.example", "pencil"


@pytest.fixture
def tls(tmp_path: Path) -> ssl.SSLObject:
    """A client's connection that has shaken hands."""
    authority = Authority("test", datetime.datetime.now(datetime.UTC))
    pair = authority.issue(["a.example"])
    (tmp_path / "both.pem").write_bytes(pair.certificate + pair.key)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(tmp_path / "both.pem")
    client = ssl.create_default_context(cadata=authority.certificate.decode())
    there, back = ssl.MemoryBIO(), ssl.MemoryBIO()
    ours = client.wrap_bio(back, there, server_hostname="a.example")
    theirs = server.wrap_bio(there, back, server_side=True)
    for side in (ours, theirs, ours, theirs):
        try:
            side.do_handshake()
        except ssl.SSLWantReadError:
            continue
    return ours


def server_for(name: str, tls: ssl.SSLObject, password: str = PASSWORD) -> Any:
    mechanism = ScramMechanism(name)
    keys = mechanism.make_auth_info(password, iteration_count=4096)
    pem = ssl.DER_cert_to_PEM_cert(tls.getpeercert(binary_form=True) or b"")
    binding = ("tls-server-end-point", pem) if name.endswith("-PLUS") else None
    return mechanism.make_server(lambda user: keys, channel_binding=binding)


@pytest.mark.parametrize("offered", ["SCRAM-SHA-256", "SCRAM-SHA-256-PLUS"])
async def test_scram(tls: ssl.SSLObject, offered: str) -> None:
    server = server_for(offered, tls)
    exchange = Exchange([offered, "PLAIN"], USER, PASSWORD, tls)
    assert exchange.mechanism == offered
    server.set_client_first(exchange.first().decode())
    server.set_client_final(
        (await exchange.answer(server.get_server_first().encode())).decode()
    )
    assert not exchange.is_done
    assert await exchange.answer(server.get_server_final().encode()) == b""
    assert exchange.is_done


def test_the_strongest_is_chosen(tls: ssl.SSLObject) -> None:
    offered = ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-256-PLUS"]
    exchange = Exchange(offered, USER, PASSWORD, tls)
    assert exchange.mechanism == "SCRAM-SHA-256-PLUS"
    assert exchange.first().startswith(b"p=tls-server-end-point,,")


async def test_a_server_that_does_not_know_the_password(tls: ssl.SSLObject) -> None:
    """It may say yes to anything, but it cannot prove itself."""
    exchange = Exchange(["SCRAM-SHA-256"], USER, PASSWORD, tls)
    nonce = exchange.first().decode().rpartition("r=")[2]
    await exchange.answer(f"r={nonce}xyz,s=c2FsdHNhbHRzYWx0,i=4096".encode())
    assert not exchange.is_done
    with pytest.raises(ProtocolError, match="could not prove"):
        await exchange.answer(b"v=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=")


@pytest.mark.parametrize("challenge", [b"", b"\xff", b"r=other,s=c2FsdA==,i=1"])
async def test_a_malformed_challenge(tls: ssl.SSLObject, challenge: bytes) -> None:
    exchange = Exchange(["SCRAM-SHA-256"], USER, PASSWORD, tls)
    exchange.first()
    with pytest.raises(ProtocolError):
        await exchange.answer(challenge)


def test_plain_only_when_there_is_nothing_better(tls: ssl.SSLObject) -> None:
    exchange = Exchange(["PLAIN", "LOGIN"], USER, PASSWORD, tls)
    assert exchange.first() == b"\0alice@a.example\0pencil"
    assert exchange.is_done


def test_never_without_tls() -> None:
    with pytest.raises(ProtocolError, match="without TLS"):
        Exchange(["PLAIN"], USER, PASSWORD, None)


def test_no_way_in(tls: ssl.SSLObject) -> None:
    with pytest.raises(ProtocolError, match="no way to log in"):
        Exchange(["CRAM-MD5"], USER, PASSWORD, tls)
