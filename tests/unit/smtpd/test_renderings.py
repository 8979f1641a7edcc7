# SPDX-License-Identifier: Apache-2.0
"""What one recipient here was brought is not sent again for the next one."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace

import pytest

from maild.mail.address import Address, parse_address
from maild.mail.compose import rendering
from maild.mail.offer import proof
from maild.mail.reply import Reply
from maild.smtpd.lanes import LIFETIME
from maild.store import arriving, checkpoints, consent, items, mailboxes, messages
from maild.store.blobs import INLINE, SEGMENT
from maild.store.checkpoints import Listed
from maild.store.index import Tx
from tests.unit.smtpd.live import (
    ALICE,
    BOB,
    NOW,
    STRANGER,
    Live,
    an_offer,
    an_offer_message,
)
from tests.unit.smtpd.speaker import Speaker, content, push_of
from tests.unit.smtpd.test_hostile import until
from tests.unit.smtpd.test_landing import digest
from tests.unit.smtpd.test_restart import House

SIZE = SEGMENT + 800_001
MALLORY = parse_address("mallory@b.example")
TICKET = "cd" * 16


@dataclass
class Goods:
    """One file of one sender: the same message for whom it is offered to."""

    octets: bytes
    message: bytes
    name: str

    @classmethod
    def of(cls, octets: bytes) -> Goods:
        message = push_of(octets, digest(octets))
        at = message.index(octets)
        name = rendering(message[:at], message[at + len(octets) :])
        return cls(octets, message, name)

    @property
    def start(self) -> int:
        """Octets in front of the content."""
        return self.message.index(self.octets)


@dataclass
class Push:
    """The goods on their way to one recipient."""

    goods: Goods
    to: Address
    mail: str
    offer_id: str

    async def begin(self, station: Live, cut: int) -> Speaker:
        """Send the first ``cut`` octets of the message; it is known to nobody."""
        speaker = await Speaker.secure(station)
        await speaker.says(self.mail, 250)
        await speaker.says(f"RCPT TO:<{self.to}>", 250)
        await speaker.chunk(self.goods.message[:cut], 250, last=False)
        return speaker

    async def whole(self, station: Live) -> None:
        """Send all of it."""
        message = self.goods.message
        speaker = await self.begin(station, len(message) - 1)
        await speaker.chunk(message[-1:], 250)
        await speaker.close()

    async def offset(self, station: Live) -> tuple[Speaker, int]:
        """Ask where to go on."""
        speaker = await Speaker.secure(station)
        return speaker, int((await speaker.says(self.mail, 355)).text.split()[0])

    async def go_on(self, station: Live, code: int = 250) -> tuple[int, Reply]:
        """Send the rest; returns the offset and the last reply."""
        speaker, offset = await self.offset(station)
        reply = await speaker.chunk(self.goods.message[offset:], code)
        await speaker.close()
        return offset, reply


async def offered(
    station: Live,
    goods: Goods,
    to: Address,
    *,
    sender: Address = STRANGER,
    sha256: str | None = None,
) -> Push:
    """Let one of our accounts accept an offer of the goods."""
    account = {ALICE: station.alice, BOB: station.bob}[to]
    offer_id = f"offer-{sender.local}-{to.local}"
    offer = replace(
        an_offer(len(goods.octets), sha256, offer_id, sender),
        recipient=to,
        rendering=goods.name,
    )

    def job(tx: Tx) -> None:
        message = an_offer_message(offer)
        content_id = messages.add_small(tx, *message, "0123456789abcdef")
        inbox = mailboxes.must_find(tx, account, "INBOX")
        messages.append(tx, inbox.id, content_id, ("$Offer",), NOW)
        assert consent.received(tx, account, offer, content_id, NOW)
        fresh = consent.Randomness(TICKET, f"answer-{offer_id}")
        assert consent.decide(tx, account, content_id, fresh, NOW, accepted=True)

    await station.store.index.write(job)
    shown = proof(TICKET, offer_id, sender, to)
    mail = (
        f"MAIL FROM:<{sender}> BODY=BINARYMIME SIZE={len(goods.message)}"
        f" TRANSID=<{shown}@b.example>"
    )
    return Push(goods, to, mail, offer_id)


def listed(station: Live) -> list[Listed]:
    return station.store.index.read_here(checkpoints.everything)


async def some_durable(station: Live, octets: int) -> None:
    await until(lambda: any(each.octets >= octets for each in listed(station)))


async def is_shown(station: Live, account: int) -> None:
    read = station.store.index.read_here
    await until(lambda: bool(read(items.everything, account)))


async def has(station: Live, account: int, goods: Goods) -> items.Item:
    """Check that an account has the goods, as they were sent, and once."""
    (item,) = await station.items(account)
    assert (item.sha256, item.size) == (digest(goods.octets), len(goods.octets))
    (line,) = await station.lines(account, "Library")
    assert arriving.KEYWORD not in line.flags
    rendered = await station.octets(line.content_id)  # binary is shown as base64
    sent = goods.message.replace(b"Encoding: binary", b"Encoding: base64")
    ours = rendered[: -len(sent)]
    assert rendered[len(ours) :] == sent
    assert ours.startswith(b"Return-Path: <carol@b.example>\r\nReceived: from ")
    assert ours.endswith(f"\r\nShare-Item: {item.id}\r\n".encode())
    to = {station.alice: ALICE, station.bob: BOB}[account]
    assert f"for <{to}>;".encode() in ours
    return item


async def sound(station: Live) -> None:
    assert listed(station) == []
    assert not list(await asyncio.to_thread(station.store.blobs.check))


@pytest.mark.parametrize("size", [1000, INLINE, INLINE + 1, SIZE])
async def test_the_second_one_is_only_sent_the_digest(house: House, size: int) -> None:
    station, goods = house.station, Goods.of(content(size))
    first = await offered(station, goods, BOB)
    await first.whole(station)
    second = await offered(station, goods, ALICE)
    offset, reply = await second.go_on(station)
    assert offset == goods.start + size
    assert f"{size} octets sha-256 {digest(goods.octets)}" in reply.text
    mine = await has(station, station.alice, goods)
    his = await has(station, station.bob, goods)
    assert (mine.blob_id, mine.id != his.id) == (his.blob_id, True)
    await sound(station)
    # The 250 was lost: the same again, and nothing else.
    offset, again = await second.go_on(station)
    assert (offset, again.text) == (len(goods.message), reply.text)
    assert len(await station.items(station.alice)) == 1


async def test_the_first_one_s_copy_is_not_needed_once_it_has_begun(
    house: House,
) -> None:
    """Whoever was told 355 gets what was promised."""
    station, goods = house.station, Goods.of(content(SIZE))
    await (await offered(station, goods, BOB)).whole(station)
    second = await offered(station, goods, ALICE)
    speaker, offset = await second.offset(station)
    (item,) = await station.items(station.bob)
    await station.store.index.write(items.remove, station.bob, item.id, NOW)
    found = await asyncio.to_thread(station.store.blobs.collect, NOW + 7200)
    assert (found.blobs, found.files) == (0, 0)
    await speaker.chunk(goods.message[offset:], 250)
    await has(station, station.alice, goods)
    await speaker.close()
    await sound(station)


async def test_what_the_first_one_has_removed_is_sent_anew(house: House) -> None:
    station, goods = house.station, Goods.of(content(SIZE))
    await (await offered(station, goods, BOB)).whole(station)
    (item,) = await station.items(station.bob)
    await station.store.index.write(items.remove, station.bob, item.id, NOW)
    second = await offered(station, goods, ALICE)
    await second.whole(station)
    await has(station, station.alice, goods)
    await sound(station)


async def test_it_goes_on_with_what_was_interrupted(house: House) -> None:
    station, goods = house.station, Goods.of(content(SIZE))
    first, second = [await offered(station, goods, to) for to in (BOB, ALICE)]
    cut = goods.start + SEGMENT
    speaker = await first.begin(station, cut)
    await speaker.close()
    other, offset = await second.offset(station)
    assert cut - 80 <= offset <= cut  # what may be a boundary is not in the blob yet
    for account in (station.alice, station.bob):
        await is_shown(station, account)
        (item,) = await station.items(account)
        assert (item.sha256, item.size) == (None, SIZE)
        (line,) = await station.lines(account, "Library")
        assert arriving.KEYWORD in line.flags
    await other.chunk(goods.message[offset:], 250)
    await has(station, station.alice, goods)
    (item,) = await station.items(station.bob)
    assert item.sha256 is None  # nobody says that he has got it
    offset, _ = await first.go_on(station)
    assert offset == goods.start + SIZE
    await has(station, station.bob, goods)
    await sound(station)
    await other.close()


async def test_both_take_turns(house: House) -> None:
    """Whoever comes goes on where the other one was, alive or dead."""
    station, goods = house.station, Goods.of(content(SIZE))
    pushes = [await offered(station, goods, to) for to in (BOB, ALICE)]
    speakers = [await pushes[0].begin(station, goods.start + 500_000)]
    sent = goods.start + 500_000
    for turn in range(1, 6):
        speaker, offset = await pushes[turn % 2].offset(station)
        assert sent - 80 <= offset <= sent
        sent = offset + 800_000
        await speaker.chunk(goods.message[offset:sent], 250, last=False)
        speakers.append(speaker)
    for push in pushes:
        await push.go_on(station)
    for account in (station.alice, station.bob):
        await has(station, account, goods)
    await sound(station)
    for speaker in speakers:
        await speaker.close()


async def test_it_outlives_a_kill(house: House) -> None:
    goods = Goods.of(content(SIZE))
    first, second = [await offered(house.station, goods, to) for to in (BOB, ALICE)]
    speaker = await first.begin(house.station, goods.start + SEGMENT)
    await some_durable(house.station, SEGMENT)
    await house.crash()
    other, offset = await second.offset(house.station)
    assert offset == goods.start + SEGMENT
    await other.chunk(goods.message[offset : offset + 500_000], 250, last=False)
    await some_durable(house.station, SEGMENT + 500_000)
    await house.crash()
    for push in (first, second):
        offset, _ = await push.go_on(house.station)
        assert offset >= goods.start + SEGMENT + 500_000
    for account in (house.station.alice, house.station.bob):
        await has(house.station, account, goods)
    await sound(house.station)
    for each in (speaker, other):
        await each.close()


async def test_another_sender_is_given_nothing(house: House) -> None:
    """Who has got hold of the name of a rendering has to send it all the same."""
    station, goods = house.station, Goods.of(content(SIZE))
    first = await offered(station, goods, BOB)
    stolen = await offered(station, goods, ALICE, sender=MALLORY)
    speaker = await first.begin(station, goods.start + SEGMENT)
    await some_durable(station, SEGMENT)
    await speaker.close()
    other = await stolen.begin(station, 1000)
    await first.go_on(station)
    await has(station, station.bob, goods)
    await other.says("RSET", 250)
    await other.says(stolen.mail, 250)
    await other.close()


@pytest.mark.parametrize("wrong", ["name", "size", "digest", "body"])
async def test_another_rendering_is_sent_whole(house: House, wrong: str) -> None:
    station, goods = house.station, Goods.of(content(SIZE))
    await (await offered(station, goods, BOB)).whole(station)
    other = goods
    if wrong == "name":
        other = replace(goods, name="0" * 32)
    elif wrong == "size":
        other = replace(goods, message=goods.message + b"\r\n")
    second = await offered(
        station, other, ALICE, sha256="0" * 64 if wrong == "digest" else None
    )
    if wrong == "body":
        second.mail = second.mail.replace("BINARYMIME", "8BITMIME")
    speaker = await Speaker.secure(station)
    await speaker.says(second.mail, 250)
    await speaker.close()


async def test_other_octets_are_found_out_and_sent_anew(house: House) -> None:
    station, goods = house.station, Goods.of(content(SIZE))
    first, second = [await offered(station, goods, to) for to in (BOB, ALICE)]
    bad = bytearray(goods.message)
    bad[goods.start + 1000] ^= 1
    speaker = await replace(first, goods=replace(goods, message=bytes(bad))).begin(
        station, goods.start + SEGMENT
    )
    await some_durable(station, SEGMENT)
    await speaker.close()
    _, reply = await second.go_on(station, 451)
    assert reply.status == "4.6.0"
    await second.whole(station)
    await has(station, station.alice, goods)
    _, reply = await first.go_on(station, 451)
    again = await first.begin(station, len(goods.message) - 1)
    await again.chunk(goods.message[-1:], 250)
    await has(station, station.bob, goods)
    await again.close()
    await sound(station)


async def test_who_gives_up_harms_nobody(house: House) -> None:
    station, goods = house.station, Goods.of(content(SIZE))
    first, second = [await offered(station, goods, to) for to in (BOB, ALICE)]
    speaker = await first.begin(station, goods.start + SEGMENT)
    await some_durable(station, SEGMENT)
    await speaker.close()
    other, offset = await second.offset(station)
    await other.chunk(goods.message[offset : offset + 1000], 250, last=False)
    await other.says("RSET", 250)
    await other.close()
    offset, _ = await first.go_on(station)
    assert offset >= goods.start + SEGMENT - 80
    await has(station, station.bob, goods)
    await second.go_on(station)
    await has(station, station.alice, goods)
    await sound(station)


async def test_what_is_let_go_of_is_lent_all_the_same(house: House) -> None:
    station, goods = house.station, Goods.of(content(SIZE))
    first, second = [await offered(station, goods, to) for to in (BOB, ALICE)]
    speaker = await first.begin(station, goods.start + SEGMENT)
    await some_durable(station, SEGMENT)
    await speaker.close()
    for kept in station.station._kept:  # its clock stands still
        kept.lanes.forget(NOW + LIFETIME)
    offset, _ = await second.go_on(station)
    assert offset >= goods.start + SEGMENT - 80
    await has(station, station.alice, goods)
