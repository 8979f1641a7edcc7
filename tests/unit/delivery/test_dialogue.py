# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from ipaddress import ip_address
from pathlib import Path

import pytest

from maild.delivery.dialogue import NO_MEETINGS, NOT_KNOWN, NOT_PROVEN
from maild.delivery.route import Stop
from maild.delivery.sockets import UnreachableError
from maild.mail.reply import ReplyError
from maild.mail.turn import End
from maild.wire import smtp_turn
from tests.unit.delivery.meeting import Place, credentials, enter

WHO = credentials("offer-0001", End.SOURCE)
EHLO = "250-r.example\r\n250-ATRN\r\n250 AUTH SCRAM-SHA-256\r\n"


@asynccontextmanager
async def saying(*replies: str) -> AsyncIterator[Stop]:
    """A server that greets, then answers each line with the next of these."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 r.example\r\n")
        for reply in replies:
            await reader.readline()
            writer.write(reply.encode())
        try:
            await reader.read()
        finally:
            writer.transport.abort()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server:
        yield Stop("rcs.example", ip_address("127.0.0.1"), port)


def coded(text: str) -> str:
    return f"334 {base64.b64encode(text.encode()).decode()}\r\n"


async def test_both_prove_that_they_know(tmp_path: Path) -> None:
    async with Place().serving(tmp_path) as place:
        place.expects("offer-0001")
        dialogue = await enter(place.stop, WHO, "XCONNECT")
        reply = await dialogue.ask(smtp_turn.xconnect("other.example"))
        assert reply.code == 450
        dialogue.close()


async def test_an_offer_that_is_not_known(tmp_path: Path) -> None:
    async with Place().serving(tmp_path) as place:
        with pytest.raises(ReplyError) as refused:
            await enter(place.stop, WHO)
    assert refused.value.reply == NOT_KNOWN
    assert refused.value.reply.is_temporary


@pytest.mark.parametrize(
    "ehlo",
    ["250 r.example\r\n", "250-r\r\n250 ATRN\r\n", "250-r\r\n250 AUTH PLAIN\r\n"],
)
async def test_where_nothing_is_turned(ehlo: str) -> None:
    async with saying(ehlo) as stop:
        with pytest.raises(ReplyError) as refused:
            await enter(stop, WHO)
    assert refused.value.reply == NO_MEETINGS


@pytest.mark.parametrize(
    "challenge",
    [
        coded("r=nonsense,s=c2FsdA==,i=4096"),
        coded("r=,s=c2FsdA==,i=99999999"),
        coded("r=,s=c2FsdA=="),
        coded(""),
        "334 not base64!\r\n",
    ],
)
async def test_a_place_that_proves_nothing(challenge: str) -> None:
    """It costs no work that it could ask for, and learns nothing."""
    async with saying(EHLO, challenge) as stop:
        with pytest.raises(ReplyError) as refused:
            await enter(stop, WHO)
    assert refused.value.reply == NOT_PROVEN


@pytest.mark.parametrize("reply", ["550 go away\r\n", "421 later\r\n", "250 what?\r\n"])
async def test_whatever_a_place_says_is_temporary(reply: str) -> None:
    async with saying(reply) as stop:
        with pytest.raises(ReplyError) as refused:
            await enter(stop, WHO)
    assert refused.value.reply.is_temporary


async def test_no_smtp_and_no_server() -> None:
    async with saying("garbage\r\n") as stop:
        with pytest.raises(UnreachableError, match="not SMTP"):
            await enter(stop, WHO)
    with pytest.raises(UnreachableError, match="refused"):
        await enter(stop, WHO)


async def test_endless_words() -> None:
    async with saying("250-" + "x" * 4000 + "\r\n" + "250-y\r\n" * 20_000) as stop:
        with pytest.raises(UnreachableError):
            await enter(stop, WHO)
