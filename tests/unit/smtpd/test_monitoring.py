# SPDX-License-Identifier: Apache-2.0
"""Offers that a server refuses: the code, the list, the counter; nothing is kept."""

from __future__ import annotations

import io
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from maild import metrics, picture
from maild.mail.address import parse_address
from maild.mail.compose import Facts, offer_message
from maild.mail.monitor import Cause
from maild.mail.offer import Offer
from maild.store import refusals
from maild.store.refusals import Refusal
from tests.unit.smtpd.live import NOW, STRANGER, Live, an_offer, live
from tests.unit.smtpd.speaker import Speaker
from tests.unit.test_picture import png

FACTS = Facts("made@b.example", NOW, "0123456789abcdef")
OFFER = an_offer(1000, None, "offer-0001")
TYPES = ("application/x-dosexec",)


@pytest.fixture
async def station(tmp_path: Path) -> AsyncIterator[Live]:
    policy: dict[str, Any] = {
        "offer_size_limit": 10**6,
        "offer_types_refused": TYPES,
        "offers_per_minute": 3,
    }
    async with live(tmp_path, **policy) as running:
        yield running


def thumbnail(kind: str = "JPEG") -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (100, 60), "blue").save(out, kind)
    return out.getvalue()


def message(offer: Offer = OFFER, shown: bytes | None = None) -> bytes:
    return offer_message(offer, FACTS, shown).octets


async def deliver(
    station: Live, octets: bytes, code: int, sender: str = str(STRANGER)
) -> str:
    """Deliver a message to bob; return the status that answers it."""
    speaker = await Speaker.hello(station)
    await speaker.envelope("bob@a.example", sender)
    reply = await speaker.chunk(octets, code)
    await speaker.close()
    return reply.status


async def refused(station: Live) -> list[Refusal]:
    await station.store.index.write(lambda tx: None)  # it has been noted by then
    return await station.store.index.read(refusals.everything)


def counted(outcome: str, kind: str = "offer") -> float:
    found = metrics.REGISTRY.get_sample_value(
        "maild_offers_judged_total", {"kind": kind, "outcome": outcome}
    )
    return found or 0.0


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
async def test_an_offer_with_a_thumbnail_is_taken(station: Live, kind: str) -> None:
    before = counted("taken")
    await deliver(station, message(shown=thumbnail(kind)), 250)
    (line,) = await station.lines(station.bob, "INBOX")
    assert line.flags == ("$Offer",)
    assert counted("taken") == before + 1
    assert await refused(station) == []


@pytest.mark.parametrize(
    ("octets", "cause", "status"),
    [
        (message() + b"x" * 66_000, Cause.LARGE, "5.3.4"),
        (message(replace(OFFER, home="m.example")), Cause.SENDER, "5.7.7"),
        (message(replace(OFFER, expires=int(NOW) - 1)), Cause.STALE, "5.4.7"),
        (message(replace(OFFER, size=10**6 + 1)), Cause.SIZE, "5.2.3"),
        (message(replace(OFFER, type=TYPES[0])), Cause.TYPE, "5.6.1"),
        (message(shown=png(50_000, 50_000, b"x" * 5000)), Cause.THUMBNAIL, "5.6.5"),
        (message(shown=thumbnail()[:-200]), Cause.THUMBNAIL, "5.6.5"),
        (message(shown=png(200, 200, b"no zlib")), Cause.THUMBNAIL, "5.6.5"),
    ],
)
async def test_each_refusal_has_its_code(
    station: Live, octets: bytes, cause: Cause, status: str
) -> None:
    before = counted(str(cause))
    code = 552 if status in ("5.3.4", "5.2.3") else 554
    code = 550 if cause is Cause.SENDER else code
    assert await deliver(station, octets, code) == status
    assert await station.lines(station.bob, "INBOX") == []
    (refusal,) = await refused(station)
    assert (refusal.cause, refusal.sender) == (cause, str(STRANGER))
    assert refusal.reply.startswith(f"{code} {status} ")
    assert (refusal.offer_id, refusal.trace) == ("offer-0001", OFFER.trace)
    assert counted(str(cause)) == before + 1


@pytest.mark.parametrize(
    "facts", [b"{", b"\xff\xfe", json.dumps({"maild": 1, "kind": "offer"}).encode()]
)
async def test_facts_that_cannot_be_read(station: Live, facts: bytes) -> None:
    octets = b"Content-Type: application/vnd.maild+json\r\n\r\n" + facts + b"\r\n"
    speaker = await Speaker.hello(station)
    await speaker.envelope("bob@a.example", parameters="BODY=8BITMIME")
    assert (await speaker.chunk(octets, 554)).status == "5.5.5"
    await speaker.close()
    (refusal,) = await refused(station)
    assert (refusal.cause, refusal.offer_id, refusal.size) == ("schema", "", None)
    assert await station.lines(station.bob, "INBOX") == []


async def test_an_offer_of_somebody_else_is_refused(station: Live) -> None:
    assert await deliver(station, message(), 550, "mallory@m.example") == "5.7.7"


async def test_who_floods_is_told_to_come_later(station: Live) -> None:
    offers = [replace(OFFER, id=f"offer-{n:04}") for n in range(6)]
    found = [
        await deliver(station, message(offer), 250 if n < 3 else 450)
        for n, offer in enumerate(offers)
    ]
    assert found == ["2.0.0"] * 3 + ["4.7.28"] * 3
    assert len(await station.lines(station.bob, "INBOX")) == 3
    other = parse_address("dave@b.example")
    theirs = replace(OFFER, id="offer-0009", sender=other)
    assert await deliver(station, message(theirs), 250, str(other)) == "2.0.0"
    assert [each.cause for each in await refused(station)] == ["rate"] * 3


async def test_a_machine_that_is_too_busy_refuses_nothing(
    station: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def busy(octets: bytes) -> bool:
        raise TimeoutError

    monkeypatch.setattr(picture, "can_be_shown", busy)
    assert await deliver(station, message(shown=thumbnail()), 451) == "4.3.0"
    assert await refused(station) == []


async def test_the_latest_refusals_are_remembered(station: Live) -> None:
    def flood(tx: Any) -> None:
        for n in range(refusals.REMEMBERED + 20):
            refusal = Refusal(
                n, f"offer-{n:04}", "a", "b", "c" * 999, 1, "size", "5", "t"
            )
            refusals.note(tx, refusal)

    await station.store.index.write(flood)
    found = await refused(station)
    assert len(found) == refusals.REMEMBERED
    assert found[0].at == refusals.REMEMBERED + 19
    assert len(found[0].name) == refusals.LONGEST
