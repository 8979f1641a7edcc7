# SPDX-License-Identifier: Apache-2.0
"""Who waits and who is joined: one connection an end, so much and so long."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from unittest.mock import Mock

import pytest

from maild.mail.compose import Facts, answer_message
from maild.mail.turn import End
from maild.smtpd import turning
from maild.store import passages
from maild.store.appointments import Appointment
from maild.turn import meeting
from maild.turn.gate import Party
from maild.turn.meeting import Meeting
from maild.turn.splice import Half
from tests.unit.smtpd.ends import (
    HOME,
    OFFER,
    SIZE,
    answer,
    closed_at_the_end,
    end_of,
    is_closed,
    met,
    passes,
    proves,
    turns,
    waits,
)
from tests.unit.smtpd.live import BOB, NOW, STRANGER, Live, live
from tests.unit.smtpd.speaker import PATIENCE, Speaker
from tests.unit.smtpd.test_passing import passing


@pytest.fixture(autouse=True)
async def closing() -> AsyncIterator[None]:
    async with closed_at_the_end():
        yield


@pytest.fixture
async def station(tmp_path: Path) -> AsyncIterator[Live]:
    async with live(tmp_path, turns=turns) as running:
        await passes(running)
        yield running


async def test_each_end_has_one_connection_the_newest(station: Live) -> None:
    old = await end_of(station, End.DESTINATION)
    old.send(b"ATRN\r\n")
    await waits(station)
    new = await end_of(station, End.DESTINATION)
    new.send(b"ATRN\r\n")
    assert (await old.reply()).code == 421
    source = await end_of(station, End.SOURCE)
    await source.says(f"XCONNECT {HOME}", 250)
    assert (await new.reply()).code == 250


async def test_who_comes_again_ends_what_was_joined(station: Live) -> None:
    source, destination = await met(station)
    again = await end_of(station, End.SOURCE)
    again.send(f"XCONNECT {HOME}\r\n".encode())
    assert await is_closed(source)
    assert await is_closed(destination)
    destination = await end_of(station, End.DESTINATION)
    await destination.says("ATRN", 250)
    assert (await again.reply()).code == 250


async def test_more_than_was_offered_does_not_pass(
    station: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(meeting, "SLACK", 0)
    source, destination = await met(station)
    source.send(bytes(SIZE + SIZE // 8 + 1))
    assert await drained(destination) <= SIZE + SIZE // 8
    await waits(station, 0)
    again = await end_of(station, End.SOURCE)  # nor by another connection
    await again.says(f"XCONNECT {HOME}", 450)


async def drained(speaker: Speaker) -> int:
    """Read to the end, which may be a reset; return how many octets came."""
    count = 0
    async with asyncio.timeout(PATIENCE):
        try:
            while octets := await speaker.reader.read(65536):
                count += len(octets)
        except ConnectionError:
            pass
    return count


async def test_nobody_comes(station: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turning, "SOURCE_WAITS", 0.01)
    monkeypatch.setattr(turning, "DESTINATION_WAITS", 0.01)
    source = await end_of(station, End.SOURCE)
    await source.says(f"XCONNECT {HOME}", 450)
    await source.says("NOOP", 250)
    destination = await end_of(station, End.DESTINATION)
    await destination.says("ATRN", 453)
    await destination.says("ATRN", 453)
    await destination.says("QUIT", 221)


async def test_who_waits_is_silent(station: Live) -> None:
    destination = await end_of(station, End.DESTINATION)
    destination.send(b"ATRN\r\n")
    await waits(station)
    destination.send(b"220 too early\r\n")
    assert await is_closed(destination)
    await waits(station, 0)


async def test_nothing_may_follow_in_one_packet(station: Live) -> None:
    destination = await end_of(station, End.DESTINATION)
    destination.send(b"ATRN\r\n220 too early\r\n")
    assert (await destination.reply()).code == 503
    assert await is_closed(destination)


async def test_who_waited_and_left_is_not_met(
    station: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(turning, "SOURCE_WAITS", 0.01)
    destination = await end_of(station, End.DESTINATION)
    destination.send(b"ATRN\r\n")
    await waits(station)
    await destination.close()
    await waits(station, 0)
    source = await end_of(station, End.SOURCE)
    await source.says(f"XCONNECT {HOME}", 450)


async def test_only_so_many_wait(tmp_path: Path) -> None:
    async with live(tmp_path, turns=partial(turns, most=1)) as station:
        await passes(station)
        await passes(station, "offer-0002")
        first = await end_of(station, End.DESTINATION)
        first.send(b"ATRN\r\n")
        await waits(station)
        second = await Speaker.hello(station)
        await proves(second, End.DESTINATION, offer_id="offer-0002")
        await second.says("ATRN", 451)
        await second.says("NOOP", 250)


async def waiting(
    station: Live, offer_id: str, count: int, end: End = End.DESTINATION
) -> Speaker:
    """Let one end of an offer wait; then so many connections are here."""
    speaker = await Speaker.hello(station)
    assert (await proves(speaker, end, offer_id=offer_id)).code == 235
    command = "ATRN" if end is End.DESTINATION else f"XCONNECT {HOME}"
    speaker.send(f"{command}\r\n".encode())
    await waits(station, count)
    return speaker


async def test_offers_that_nobody_has_answered_keep_no_content_out(
    tmp_path: Path,
) -> None:
    async with live(tmp_path, turns=partial(turns, most=3)) as station:
        names = [f"offer-100{n}" for n in range(3)]
        for name in names:
            offer = replace(OFFER, id=name)
            await station.store.index.write(passages.offered, offer, NOW)
        theirs = [
            await waiting(station, name, count)
            for count, name in enumerate(names, start=1)
        ]
        await passes(station)
        source, destination = await met(station)
        source.send(b"220 here\r\n")
        assert (await destination.reply()).text == "here"
        assert (await theirs[0].reply()).code == 451
        await theirs[0].says("ATRN", 451)  # it holds as much as anybody
        await theirs[0].says("NOOP", 250)


async def test_an_answer_counts_for_who_waits_already(tmp_path: Path) -> None:
    """The destination may call before its answer has passed."""
    rendezvous = frozenset({"rcs.example"})
    crowded = partial(turns, most=2)
    async with live(tmp_path, turns=crowded, rendezvous=rendezvous) as station:
        for name in ("offer-1001", "offer-1002"):
            offer = replace(OFFER, id=name)
            await station.store.index.write(passages.offered, offer, NOW)
        first = await waiting(station, "offer-1001", 1)
        second = await waiting(station, "offer-1002", 2)
        said = answer_message(answer("offer-1001"), Facts("made@x", NOW, "t" * 16))
        await passing(station, BOB, STRANGER, said.octets)
        await passes(station)
        third = await waiting(station, OFFER.id, 2)
        assert (await second.reply()).code == 451
        for name, speaker in (("offer-1001", first), (OFFER.id, third)):
            source = await Speaker.hello(station)
            await proves(source, End.SOURCE, offer_id=name)
            await source.says(f"XCONNECT {HOME}", 250)
            assert (await speaker.reply()).code == 250


async def test_who_is_joined_makes_way_for_who_has_nothing(tmp_path: Path) -> None:
    async with live(tmp_path, turns=partial(turns, most=2)) as station:
        other = Appointment("offer-0002", BOB, STRANGER, OFFER.nonce, SIZE, 0, "trace")
        await passes(station)
        source, destination = await met(station)
        turned = station.station._turns
        assert turned is not None
        half = Half(Mock(spec=asyncio.Transport), "peer")
        party = Party("d.example", End.DESTINATION, other)
        assert await turned.meeting.join(party, half, 0.0) is None
        assert await is_closed(source)
        assert await is_closed(destination)


async def test_idle_connections_are_parted(tmp_path: Path) -> None:
    async with live(tmp_path, turns=partial(turns, idle=0.1)) as station:
        await passes(station)
        source, destination = await met(station)
        assert await is_closed(source)
        assert await is_closed(destination)


async def test_offers_of_one_id_are_told_apart(station: Live) -> None:
    """Whoever makes an offer with the id of another one meets its own recipient."""
    forged = replace(OFFER, nonce="nonce-forged", recipient=STRANGER, sender=BOB)
    await station.store.index.write(passages.offered, forged, NOW)
    source, destination = await met(station)
    source.send(b"220 still\r\n")
    assert (await destination.reply()).text == "still"


async def test_a_server_that_stops_says_nothing_to_who_is_joined(
    tmp_path: Path,
) -> None:
    async with live(tmp_path, turns=turns) as station:
        await passes(station)
        source, destination = await met(station)
    assert await asyncio.wait_for(source.reader.read(), PATIENCE) == b""
    assert await asyncio.wait_for(destination.reader.read(), PATIENCE) == b""


async def test_who_has_just_gone_is_met_by_nobody(tmp_path: Path) -> None:
    """Between the end of a connection and its own task's hearing of it."""
    known = Appointment(OFFER.id, STRANGER, BOB, OFFER.nonce, SIZE, 0, "trace")
    async with live(tmp_path) as running:
        place = Meeting(running.store, most=10, idle=60.0)
        halves = [Half(Mock(spec=asyncio.Transport), "peer") for _ in End]
        first = asyncio.create_task(
            place.join(Party(HOME, End.DESTINATION, known), halves[0], 60.0)
        )
        await asyncio.sleep(0)
        halves[0].connection_lost(None)
        assert await place.join(Party(HOME, End.SOURCE, known), halves[1], 0.0) is None
        with pytest.raises(ConnectionResetError):
            await first
        assert place.connections == 0
