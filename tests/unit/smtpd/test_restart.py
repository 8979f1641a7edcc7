# SPDX-License-Identifier: Apache-2.0
"""Messages that go on where they were, also when the station was stopped hard."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest

from maild.mail.parting import Cause
from maild.mail.reply import Reply
from maild.smtpd import lanes
from maild.store import checkpoints, parting
from maild.store.blobs import INLINE, SEGMENT
from maild.store.checkpoints import Listed
from tests.unit.smtpd.live import LIFETIMES, NOW, Live, live
from tests.unit.smtpd.speaker import Speaker, content, push_of
from tests.unit.smtpd.test_hostile import until
from tests.unit.smtpd.test_landing import digest

SIZE = SEGMENT + 800_001
CUT = SEGMENT + 400_000


@dataclass
class House:
    """A store below ``root`` that one station after the other works with."""

    root: Path
    station: Live
    stack: AsyncExitStack
    crashes: int = 0

    async def crash(self, harm: Callable[[Path], None] | None = None) -> None:
        """Go on with what a kill now would leave; ``harm`` the file that grows."""
        self.crashes += 1
        after = self.root.with_name(f"after-{self.crashes}")
        await asyncio.to_thread(
            shutil.copytree,
            self.root / "store",
            after / "store",
            ignore=shutil.ignore_patterns("*-shm"),
        )
        if harm is not None:
            (path,) = (after / "store" / "incoming").iterdir()
            harm(path)
        self.root = after
        self.station = await self.stack.enter_async_context(live(after))

    async def stop(self) -> None:
        """Stop the station and start another one."""
        await self.stack.aclose()
        self.stack = AsyncExitStack()
        self.station = await self.stack.enter_async_context(live(self.root))


def listed(station: Live) -> list[Listed]:
    return station.store.index.read_here(checkpoints.everything)


async def durable(station: Live, octets: int) -> None:
    """Wait until so many octets of the one blob are durable."""

    def is_there() -> bool:
        return [each.octets for each in listed(station)] == [octets]

    await until(is_there)


async def some_durable(station: Live) -> None:
    """Wait until any octet of the one blob is durable."""
    await until(lambda: any(each.octets for each in listed(station)))


@dataclass
class Push:
    """carol's push to bob."""

    octets: bytes
    message: bytes
    mail: str

    async def begin(self, station: Live, cut: int) -> Speaker:
        """Send the first ``cut`` octets of the message."""
        speaker = await Speaker.secure(station)
        await speaker.says(self.mail, 250)
        await speaker.says("RCPT TO:<bob@a.example>", 250)
        await speaker.chunk(self.message[:cut], 250, last=False)
        return speaker

    async def go_on(self, station: Live, code: int = 250) -> tuple[int, Reply]:
        """Send the rest; returns the offset and the last reply."""
        speaker = await Speaker.secure(station)
        offset = int((await speaker.says(self.mail, 355)).text.split()[0])
        reply = await speaker.chunk(self.message[offset:], code)
        await speaker.close()
        return offset, reply


async def a_push(station: Live, size: int = SIZE, offer_id: str = "offer-0001") -> Push:
    octets = content(size)
    proof = await station.accepted_offer(size, offer_id=offer_id)
    message = push_of(octets, digest(octets))
    mail = (
        f"MAIL FROM:<carol@b.example> BODY=BINARYMIME SIZE={len(message)}"
        f" TRANSID=<{proof}@b.example>"
    )
    return Push(octets, message, mail)


async def arrived(station: Live, push: Push) -> None:
    (item,) = await station.items(station.bob)
    assert (item.sha256, item.size) == (digest(push.octets), len(push.octets))
    assert len(await station.lines(station.bob, "Library")) == 1
    assert len(await station.lines(station.bob, "INBOX")) == 2  # the offer, the item
    assert listed(station) == []
    assert not list(await asyncio.to_thread(station.store.blobs.check))


@pytest.mark.parametrize("landed", [INLINE + 1, 1_000_000, SEGMENT, SIZE])
async def test_a_push_outlives_a_kill(house: House, landed: int) -> None:
    push = await a_push(house.station)
    start = push.message.index(push.octets)
    speaker = await push.begin(house.station, start + landed)
    await durable(house.station, landed)
    await house.crash()
    offset, reply = await push.go_on(house.station)
    assert offset == start + landed
    assert f"{SIZE} octets sha-256 {digest(push.octets)}" in reply.text
    await arrived(house.station, push)
    await speaker.close()


async def test_it_may_be_killed_again_and_again(house: House) -> None:
    push = await a_push(house.station)
    start = push.message.index(push.octets)
    speakers = [await push.begin(house.station, start + 100_000)]
    sent = 100_000
    while sent < SIZE:
        await durable(house.station, sent)
        await house.crash()
        speaker = await Speaker.secure(house.station)
        reply = await speaker.says(push.mail, 355)
        assert int(reply.text.split()[0]) == start + sent
        more = push.message[start + sent : start + min(sent + 2_000_000, SIZE)]
        await speaker.chunk(more, 250, last=False)
        sent += len(more)
        speakers.append(speaker)
    await durable(house.station, SIZE)
    await push.go_on(house.station)
    await arrived(house.station, push)
    for speaker in speakers:
        await speaker.close()


async def test_a_kill_within_the_digest_costs_only_that(house: House) -> None:
    """The content is sealed when the first octets behind it are read."""
    push = await a_push(house.station)
    speaker = await push.begin(house.station, len(push.message) - 1)
    await until(lambda: not list((house.root / "store" / "incoming").iterdir()))
    await house.crash()
    offset, _ = await push.go_on(house.station)
    assert offset == push.message.index(push.octets) + SIZE
    await arrived(house.station, push)
    await speaker.close()


async def test_what_is_known_already_is_gone_on_with(house: House) -> None:
    push = await a_push(house.station)

    def keep() -> None:
        writer = house.station.store.blobs.create()
        writer.append(push.octets)
        writer.seal()

    await asyncio.to_thread(keep)
    speaker = await push.begin(house.station, len(push.message) - 1)
    await until(lambda: not list((house.root / "store" / "incoming").iterdir()))
    await house.crash()
    offset, _ = await push.go_on(house.station)
    assert offset == push.message.index(push.octets) + SIZE
    await arrived(house.station, push)
    await speaker.close()


async def test_a_station_that_is_stopped_keeps_all_that_came(house: House) -> None:
    push = await a_push(house.station)
    start = push.message.index(push.octets)
    await push.begin(house.station, start + 1_234_567)
    await house.stop()
    offset, _ = await push.go_on(house.station)
    # What may be the beginning of a boundary is not in the blob yet.
    assert start + 1_234_567 - 80 <= offset <= start + 1_234_567
    await arrived(house.station, push)


async def test_what_is_no_longer_in_memory_is_in_the_store(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lanes, "MOST", 1)
    push = await a_push(house.station)
    speaker = await push.begin(house.station, 1_000_000)
    await speaker.close()
    other = await a_push(house.station, offer_id="offer-0002")
    speaker = await other.begin(house.station, 1_000_000)
    await speaker.close()
    await until(
        lambda: sum(each.octets > 900_000 for each in listed(house.station)) == 2
    )
    offset, _ = await push.go_on(house.station)
    assert 1_000_000 - 80 <= offset <= 1_000_000
    whole = [
        item for item in await house.station.items(house.station.bob) if item.sha256
    ]
    (item,) = whole
    assert item.sha256 == digest(push.octets)
    await other.go_on(house.station)
    assert listed(house.station) == []


async def test_what_somebody_writes_still_goes_on_later(house: House) -> None:
    push = await a_push(house.station)
    speaker = await push.begin(house.station, 1_000_000)
    await some_durable(house.station)
    await house.crash()
    (kept,) = listed(house.station)
    assert kept.checkpoint.blob_id is not None
    reopen = house.station.store.blobs.reopen
    writer = await asyncio.to_thread(reopen, kept.checkpoint.blob_id)
    other = await Speaker.secure(house.station)
    await other.says(push.mail, 451)
    await asyncio.to_thread(writer.close)
    offset, _ = await push.go_on(house.station)
    assert offset > 900_000
    await arrived(house.station, push)
    await other.close()
    await speaker.close()


async def test_a_small_push_begins_anew(house: House) -> None:
    push = await a_push(house.station, 1000)
    speaker = await push.begin(house.station, len(push.message) - 500)
    assert listed(house.station) == []
    await house.crash()
    again = await push.begin(house.station, len(push.message) - 1)
    await again.chunk(push.message[-1:], 250)
    await arrived(house.station, push)
    await again.close()
    await speaker.close()


async def test_another_rendering_begins_anew(house: House) -> None:
    push = await a_push(house.station)
    speaker = await push.begin(house.station, 1_000_000)
    await some_durable(house.station)
    await house.crash()
    other = Push(push.octets, b"X-More: 1\r\n" + push.message, push.mail)
    other.mail = push.mail.replace(str(len(push.message)), str(len(other.message)))
    again = await other.begin(house.station, len(other.message) - 1)
    await again.chunk(other.message[-1:], 250)
    await arrived(house.station, push)
    await again.close()
    await speaker.close()


async def test_other_octets_are_found_out_and_begin_anew(house: House) -> None:
    push = await a_push(house.station)
    speaker = await push.begin(house.station, 1_000_000)
    await some_durable(house.station)
    await house.crash()
    start = push.message.index(push.octets)
    changed = bytearray(push.message)
    changed[start + 2_000_000] ^= 1
    _, reply = await Push(push.octets, bytes(changed), push.mail).go_on(
        house.station, 451
    )
    assert reply.status == "4.6.0"
    assert listed(house.station) == []
    again = await push.begin(house.station, len(push.message) - 1)
    await again.chunk(push.message[-1:], 250)
    await arrived(house.station, push)
    await again.close()
    await speaker.close()


@pytest.mark.parametrize("at", [5, SEGMENT + 5, None])
async def test_damage_is_found_out_and_begins_anew(
    house: House, at: int | None
) -> None:
    """In a whole segment it is found behind the octets, else at the restart."""
    push = await a_push(house.station)
    landed = SEGMENT + 100_000
    start = push.message.index(push.octets)
    speaker = await push.begin(house.station, start + landed)
    await durable(house.station, landed)
    await house.crash(lambda path: damage(path, at))
    if at == 5:
        _, reply = await push.go_on(house.station, 451)
        assert reply.status.startswith("4.")
    again = await push.begin(house.station, len(push.message) - 1)
    await again.chunk(push.message[-1:], 250)
    await arrived(house.station, push)
    await again.close()
    await speaker.close()


def damage(path: Path, at: int | None) -> None:
    if at is None:
        path.unlink()
        return
    octets = bytearray(path.read_bytes())
    octets[at] ^= 1
    path.write_bytes(octets)


async def test_a_checkpoint_is_of_no_use_to_others(house: House) -> None:
    push = await a_push(house.station)
    speaker = await push.begin(house.station, 1_000_000)
    await some_durable(house.station)
    await house.crash()
    other = await Speaker.secure(house.station)
    for mail in (
        push.mail.replace("carol@", "mallory@"),
        push.mail.replace("TRANSID=<", "TRANSID=<x"),
    ):
        await other.says(mail, 250)
        await other.says("RSET", 250)
    (kept,) = listed(house.station)
    assert kept.checkpoint.envelope.key not in push.mail
    await other.close()
    await push.go_on(house.station)
    await speaker.close()


async def test_nobody_waits_for_ever(house: House) -> None:
    push = await a_push(house.station)
    speaker = await push.begin(house.station, 1_000_000)
    await some_durable(house.station)
    await house.crash()
    blobs = house.station.store.blobs
    later = NOW + LIFETIMES.queue
    assert (await asyncio.to_thread(blobs.collect, later - 1)).blobs == 0
    index, patience = house.station.store.index, LIFETIMES.queue
    sweep = partial(parting.sweep, index, patience, "a.example")
    assert await asyncio.to_thread(sweep, later - 1) == []
    (ended,) = await asyncio.to_thread(sweep, later)
    assert ended.parting.cause is Cause.LOST
    found = await asyncio.to_thread(blobs.collect, later)
    assert (found.blobs, found.files) == (1, 1)
    assert listed(house.station) == []
    again = await Speaker.secure(house.station)
    await again.says(push.mail, 550)  # its recipient has been told
    await again.close()
    await speaker.close()
