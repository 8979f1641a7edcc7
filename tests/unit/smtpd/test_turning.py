# SPDX-License-Identifier: Apache-2.0
"""The two ends of an offer meet here, and nobody else gets anywhere."""

from __future__ import annotations

import asyncio
import base64
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from scramp import ScramClient

from maild.mail.offer import Withdrawal
from maild.mail.turn import End, claim, password
from maild.store import passages
from tests.unit.smtpd.ends import (
    HOME,
    OFFER,
    closed_at_the_end,
    coded,
    end_of,
    is_closed,
    met,
    passes,
    proves,
    scram,
    turns,
    waits,
)
from tests.unit.smtpd.live import BOB, STRANGER, Live, live
from tests.unit.smtpd.speaker import PATIENCE, Speaker


@pytest.fixture(autouse=True)
async def closing() -> AsyncIterator[None]:
    async with closed_at_the_end():
        yield


@pytest.fixture
async def station(tmp_path: Path) -> AsyncIterator[Live]:
    async with live(tmp_path, turns=turns) as running:
        await passes(running)
        yield running


async def test_what_one_says_the_other_hears(station: Live) -> None:
    source, destination = await met(station)
    there, back = os.urandom(600_000), os.urandom(300_000)
    source.writer.write(there)
    destination.writer.write(back)
    async with asyncio.timeout(PATIENCE):
        assert await destination.reader.readexactly(len(there)) == there
        assert await source.reader.readexactly(len(back)) == back
    source.writer.write_eof()  # half a connection may still answer
    assert await is_closed(destination)
    destination.writer.write(b"bye")
    assert await asyncio.wait_for(source.reader.readexactly(3), PATIENCE) == b"bye"
    destination.writer.close()
    assert await is_closed(source)
    await waits(station, 0)
    await station.store.index.write(lambda _: None)  # behind what is being written
    (passage,) = await station.store.index.read(passages.everything)
    assert passage.octets == len(there) + len(back) + 3


async def test_the_source_may_come_first(station: Live) -> None:
    source = await end_of(station, End.SOURCE)
    source.send(f"XCONNECT {HOME}\r\n".encode())
    await waits(station)
    destination = await end_of(station, End.DESTINATION)
    await destination.says("ATRN", 250)
    assert (await source.reply()).code == 250
    destination.send(b"220 here\r\n")
    assert (await source.reply()).text == "here"


async def test_offered_only_where_ends_meet(station: Live, tmp_path: Path) -> None:
    speaker = Speaker(await station.connect())
    await speaker.reply()
    said = (await speaker.says("EHLO peer.example", 250)).text.splitlines()
    assert {"ATRN", "XCONNECT", "AUTH SCRAM-SHA-256"} <= set(said)
    async with live(tmp_path / "other") as without:
        speaker = Speaker(await without.connect())
        await speaker.reply()
        said = (await speaker.says("EHLO peer.example", 250)).text.splitlines()
        assert not [s for s in said if s.startswith(("ATRN", "XCONNECT", "AUTH"))]
        for command in ("ATRN", f"XCONNECT {HOME}", "AUTH SCRAM-SHA-256"):
            await speaker.says(command, 502)


async def test_who_does_not_know_the_nonce_looks_like_who_knows_no_offer(
    station: Live,
) -> None:
    said = []
    for about in ({"nonce": "nonce-guessed"}, {"offer_id": "offer-9999"}):
        for end in End:
            speaker = await Speaker.hello(station)
            said.append(await proves(speaker, end, **about))
    assert {(r.code, r.text) for r in said} == {(535, "authentication failed")}


async def test_the_right_name_with_a_wrong_proof(station: Live) -> None:
    about = OFFER.nonce, OFFER.id, STRANGER, BOB, End.SOURCE
    other = *about[:-1], End.DESTINATION
    speaker = await Speaker.hello(station)
    client = ScramClient(["SCRAM-SHA-256"], str(claim(*about)), password(*other))
    assert (await scram(speaker, client)).code == 535
    await speaker.says(f"XCONNECT {HOME}", 530)


async def test_what_was_heard_cannot_be_said_again(station: Live) -> None:
    """SCRAM's proof is good for the server's nonce of that exchange alone."""
    about = OFFER.nonce, OFFER.id, STRANGER, BOB, End.SOURCE
    client = ScramClient(["SCRAM-SHA-256"], str(claim(*about)), password(*about))
    first = coded(client.get_client_first())
    heard = await Speaker.hello(station)
    reply = await heard.says(f"AUTH SCRAM-SHA-256 {first}", 334)
    client.set_server_first(base64.b64decode(reply.text).decode())
    final = coded(client.get_client_final())
    await heard.says(final, 334)
    thief = await Speaker.hello(station)
    await thief.says(f"AUTH SCRAM-SHA-256 {first}", 334)
    await thief.says(final, 535)


async def test_no_account_logs_in_there(station: Live) -> None:
    speaker = await Speaker.hello(station)
    await speaker.says("AUTH PLAIN AGFsaWNlAHg=", 504)
    client = ScramClient(["SCRAM-SHA-256"], "alice@a.example", "correct horse")
    assert (await scram(speaker, client)).code == 535


async def test_without_login(station: Live) -> None:
    speaker = await Speaker.hello(station)
    await speaker.says("ATRN", 530)
    await speaker.says(f"XCONNECT {HOME}", 530)


async def test_only_ones_own_domain_and_end(station: Live) -> None:
    source = await end_of(station, End.SOURCE)
    await source.says("XCONNECT b.example", 450)
    await source.says("XCONNECT [127.0.0.1]", 501)
    await source.says("ATRN", 503)
    destination = await end_of(station, End.DESTINATION)
    await destination.says("ATRN b.example", 450)
    await destination.says(f"ATRN {HOME},b.example", 450)
    await destination.says(f"XCONNECT {HOME}", 503)


async def test_a_login_opens_nothing_else(station: Live) -> None:
    """No relay: the offer is no account."""
    source = await end_of(station, End.SOURCE)
    await source.says("MAIL FROM:<carol@b.example>", 250)
    await source.says("RCPT TO:<dave@d.example>", 550)
    await source.says(f"XCONNECT {HOME}", 503)


async def test_an_offer_that_is_over(station: Live) -> None:
    source = await end_of(station, End.SOURCE)
    gone = Withdrawal(OFFER.id, OFFER.nonce, STRANGER, BOB, OFFER.trace)
    await station.store.index.write(passages.withdrawn, gone, station.store.clock())
    await source.says(f"XCONNECT {HOME}", 450)
    speaker = await Speaker.hello(station)
    assert (await proves(speaker, End.DESTINATION)).code == 535
