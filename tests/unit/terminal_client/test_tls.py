# SPDX-License-Identifier: GPL-3.0-only
"""Certificates: whoever cannot prove its name hears no word of ours (RFC 9525)."""

from __future__ import annotations

import asyncio
import datetime
import os
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from maild.certificates import Authority, Pair
from maild.mail.address import parse_address
from terminal_client import errors
from terminal_client.profile import Place, Profile
from terminal_client.session_imap import MailboxConnection
from terminal_client.session_smtp import SubmissionConnection
from terminal_client.tls import client_context

NOW = datetime.datetime.now(datetime.UTC)
LONG_AGO = NOW - datetime.timedelta(days=800)


@dataclass
class Impostor:
    """A server with some certificate; ``heard`` is all that was said inside TLS."""

    profile: Profile
    heard: list[bytes] = field(default_factory=list)


@asynccontextmanager
async def impostor(
    folder: Path, pair: Pair, ca: bytes, version: ssl.TLSVersion | None = None
) -> AsyncIterator[Impostor]:
    (folder / "server.pem").write_bytes(pair.certificate + pair.key)
    (folder / "ca.pem").write_bytes(ca)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(folder / "server.pem")
    if version is not None:
        tls.maximum_version = version
    heard: list[bytes] = []

    async def listen(
        reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        writer.write(b"* OK [CAPABILITY IMAP4rev1 SASL-IR AUTH=PLAIN] here\r\n")
        try:
            heard.append(await reader.read(1000))
        finally:
            writer.transport.abort()

    listener = await asyncio.start_server(listen, "127.0.0.1", 0, ssl=tls)
    place = Place("127.0.0.1", listener.sockets[0].getsockname()[1])
    address = parse_address("alice@a.example")
    try:
        yield Impostor(Profile(folder, address, place, place, folder / "ca.pem"), heard)
    finally:
        listener.close()
        await listener.wait_closed()


def pairs() -> dict[str, tuple[Pair, bytes]]:
    """Certificates that prove nothing, each with what the profile trusts."""
    ours, theirs = Authority("ours", NOW), Authority("theirs", NOW)
    old = Authority("old", LONG_AGO)
    return {
        "another name": (ours.issue(["localhost", "127.0.0.2"]), ours.certificate),
        "another authority": (theirs.issue(["127.0.0.1"]), ours.certificate),
        "expired": (old.issue(["127.0.0.1"]), old.certificate),
    }


@pytest.mark.parametrize("why", pairs())
@pytest.mark.parametrize("kind", [MailboxConnection, SubmissionConnection])
async def test_no_password_for_strangers(
    tmp_path: Path,
    why: str,
    kind: type[MailboxConnection] | type[SubmissionConnection],
) -> None:
    pair, ca = pairs()[why]
    async with impostor(tmp_path, pair, ca) as server:
        connection = kind(server.profile, client_context(server.profile))
        with pytest.raises(errors.UnavailableError, match="is not trusted") as refused:
            await connection.open("secret")
        assert refused.value.status == os.EX_UNAVAILABLE
    assert b"".join(server.heard) == b""


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_a_refused_session_is_not_resumed(
    tmp_path: Path, version: ssl.TLSVersion
) -> None:
    """A resumed session skips the certificate: it must stem from a good one."""
    pair, ca = pairs()["another authority"]
    async with impostor(tmp_path, pair, ca, version) as server:
        context = client_context(server.profile)
        for _ in range(3):
            connection = MailboxConnection(server.profile, context)
            with pytest.raises(errors.UnavailableError, match="is not trusted"):
                await connection.open("secret")
    assert b"".join(server.heard) == b""


async def test_a_session_is_for_one_name(tmp_path: Path) -> None:
    ours = Authority("ours", NOW)
    pair = ours.issue(["127.0.0.1"])
    async with impostor(tmp_path, pair, ours.certificate) as server:
        context = client_context(server.profile)
        for name in (None, "b.example"):
            profile = replace(server.profile, tls_name=name)
            connection = MailboxConnection(profile, context)
            with pytest.raises(errors.TerminalError) as refused:
                await connection.open("secret")
            assert ("is not trusted" in str(refused.value)) is (name is not None)
    assert len([said for said in server.heard if said]) == 1
