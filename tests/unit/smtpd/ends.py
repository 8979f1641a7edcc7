# SPDX-License-Identifier: Apache-2.0
"""The two ends of an offer, as they come to the server that joins them."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
from scramp import ScramClient

from maild.backoff import NO_DELAYS
from maild.mail.offer import Answer
from maild.mail.reply import Reply
from maild.mail.turn import End, claim, password
from maild.smtpd.listener import Turns
from maild.store import appointments, passages
from maild.store.appointments import Appointment
from maild.store.house import Store
from maild.turn.callers import Callers
from maild.turn.gate import OfferGate
from maild.turn.meeting import Meeting
from tests.unit.smtpd.live import BOB, NOW, STRANGER, Live, Streams, an_offer
from tests.unit.smtpd.speaker import PATIENCE, Speaker

SIZE = 1_000_000
OFFER = an_offer(SIZE, None, "offer-0001")
HOME = "a.example"
"""Where bob, who was offered something, lives."""


@asynccontextmanager
async def closed_at_the_end() -> AsyncIterator[None]:
    """Close what is opened inside, whatever has become of it."""
    opened: list[Speaker] = []
    begin = Speaker.__init__

    def remembered(speaker: Speaker, streams: Streams) -> None:
        begin(speaker, streams)
        opened.append(speaker)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Speaker, "__init__", remembered)
        yield
    for speaker in opened:
        await speaker.close()


def turns(store: Store, *, most: int = 10, idle: float = 60.0) -> Turns:
    async def known(offer_id: str) -> list[Appointment]:
        return await store.index.read(appointments.passing, offer_id, store.clock())

    return Turns(
        OfferGate(known, store.clock, NO_DELAYS),
        Meeting(store, most=most, idle=idle),
        Callers(),
    )


async def passes(station: Live, offer_id: str = OFFER.id, *, spent: int = 0) -> None:
    """Let an accepted offer have passed here."""
    offer = replace(OFFER, id=offer_id)
    index = station.store.index
    await index.write(passages.offered, offer, NOW)
    passage = await index.write(passages.answered, answer(offer_id), NOW)
    assert passage is not None
    await index.write(passages.carried, passage, spent)


def answer(offer_id: str) -> Answer:
    """Return what bob answers who has made him an offer."""
    return Answer(
        offer_id=offer_id,
        nonce=OFFER.nonce,
        sender=STRANGER,
        recipient=BOB,
        accepted=True,
        ticket="ab" * 16,
        size=SIZE,
        expires=int(NOW) + 1000,
        trace=OFFER.trace,
    )


async def proves(
    speaker: Speaker, end: End, *, offer_id: str = OFFER.id, nonce: str = OFFER.nonce
) -> Reply:
    """Log in as one end of an offer; returns the last reply."""
    about = nonce, offer_id, STRANGER, BOB, end
    client = ScramClient(["SCRAM-SHA-256"], str(claim(*about)), password(*about))
    return await scram(speaker, client)


async def scram(speaker: Speaker, client: ScramClient) -> Reply:
    first = coded(client.get_client_first())
    reply = await speaker.says(f"AUTH SCRAM-SHA-256 {first}", 334)
    client.set_server_first(base64.b64decode(reply.text).decode())
    speaker.send(coded(client.get_client_final()).encode() + b"\r\n")
    reply = await speaker.reply()
    if reply.code == 334:
        client.set_server_final(base64.b64decode(reply.text).decode())
        return await speaker.says("", 235)
    return reply


def coded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


async def end_of(station: Live, end: End) -> Speaker:
    speaker = await Speaker.hello(station)
    assert (await proves(speaker, end)).code == 235
    return speaker


async def met(station: Live) -> tuple[Speaker, Speaker]:
    """Return source and destination, joined."""
    destination = await end_of(station, End.DESTINATION)
    destination.send(f"ATRN {HOME}\r\n".encode())
    source = await end_of(station, End.SOURCE)
    await source.says(f"XCONNECT {HOME}", 250)
    assert (await destination.reply()).code == 250
    return source, destination


async def is_closed(speaker: Speaker) -> bool:
    try:
        return await asyncio.wait_for(speaker.reader.read(1), PATIENCE) == b""
    except ConnectionError:
        return True


async def waits(station: Live, count: int = 1) -> None:
    """Wait until so many connections wait here."""
    turned = station.station._turns
    assert turned is not None
    async with asyncio.timeout(PATIENCE):
        while turned.meeting.connections != count:  # noqa: ASYNC110 - no event
            await asyncio.sleep(0.005)
