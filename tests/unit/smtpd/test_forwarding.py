# SPDX-License-Identifier: Apache-2.0
"""What a rendezvous keeps for a server that stays away: for whom, and how much."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from maild.mail.address import Address
from maild.mail.compose import (
    Facts,
    ItemFacts,
    push_frame,
    with_digest,
    withdrawal_message,
)
from maild.mail.offer import proof
from maild.mail.transfer import Event, Kind, State
from maild.queue import notices
from maild.smtpd.transaction import FRAMING
from maild.store import checkpoints, forwarding, passages, transfers
from maild.store.checkpoints import NOBODY, Checkpoint, Envelope
from maild.store.forwarding import Keeping
from maild.store.transfers import Transfer
from tests.unit.smtpd.live import NOW, Live, live
from tests.unit.smtpd.speaker import Speaker, content
from tests.unit.smtpd.test_hostile import until
from tests.unit.smtpd.test_passing import (
    ALICE,
    ANSWER,
    BOB,
    CAROL,
    FACTS,
    OFFER,
    WITHDRAWAL,
    answered,
    introduce,
    offered,
    passing,
    queued,
)

SIZE = 300_000
FILE = content(SIZE)
SHA256 = hashlib.sha256(FILE).hexdigest()
RENDEZVOUS = frozenset({"rcs.example"})
PROOF = proof("ab" * 16, OFFER.id, ALICE, BOB)


def message(octets: bytes = FILE, sha256: str = SHA256) -> bytes:
    item = ItemFacts("item-1", "film.mov", "video/quicktime", len(octets), None, ALICE)
    facts = Facts("push@x.example", NOW, OFFER.trace)
    head, tail = push_frame(item, "=_boundary", facts)
    return head + octets + with_digest(tail, sha256)


PUSH = message()


@pytest.fixture
async def keeper(tmp_path: Path) -> AsyncIterator[Live]:
    """A rendezvous by which an offer has passed, and its answer."""
    keeping = Keeping(SIZE + 70_000, 1000.0)
    async with live(tmp_path, rendezvous=RENDEZVOUS, keeping=keeping) as running:
        await introduce(running)
        await offered(running, replace(OFFER, size=SIZE))
        await answered(running, replace(ANSWER, size=SIZE))
        yield running


def mail(
    sender: Address = ALICE, shown: str = PROOF, size: int | None = len(PUSH)
) -> str:
    declared = "" if size is None else f" SIZE={size}"
    transid = f"TRANSID=<{shown}@{sender.domain}>"
    return f"MAIL FROM:<{sender}>{declared} BODY=BINARYMIME {transid}"


async def pushed(station: Live) -> None:
    speaker = await Speaker.secure(station)
    await speaker.says(mail(), 250)
    await speaker.says(f"RCPT TO:<{BOB}>", 250)
    reply = await speaker.chunk(PUSH, 250)
    assert f"{SIZE} octets sha-256 {SHA256}" in reply.text
    await speaker.close()


async def unused(station: Live) -> int:
    """Return how many blobs nothing refers to."""
    found: int = await station.store.index.write(
        lambda tx: tx.value("SELECT count(*) FROM blob WHERE refs = 0")
    )
    return found


async def kept(station: Live) -> Transfer:
    (found,) = [each for each in await queued(station) if each.is_kept]
    return found


async def test_accepted_content_is_kept_as_it_came(keeper: Live) -> None:
    await pushed(keeper)
    relay = await kept(keeper)
    assert (relay.kind, relay.state) == (Kind.RELAY, State.QUEUED)
    assert (relay.sender, relay.recipient) == (ALICE, BOB)
    assert (relay.ticket, relay.size, relay.name) == (PROOF, SIZE, "film.mov")
    assert (relay.account_id, relay.expires) == (None, NOW + 1000)
    assert relay.content_id is not None
    assert await keeper.octets(relay.content_id) == PUSH
    listed = await keeper.store.index.read(checkpoints.everything)
    assert listed == []


async def test_a_lost_250_is_given_again(keeper: Live) -> None:
    await pushed(keeper)
    speaker = await Speaker.secure(keeper)
    reply = await speaker.says(mail(), 355)
    assert reply.text.startswith(str(len(PUSH)))
    again = await speaker.chunk(b"", 250)
    assert SHA256 in again.text
    assert (await kept(keeper)).size == SIZE
    await speaker.close()


async def test_what_was_cut_goes_on(keeper: Live) -> None:
    speaker = await Speaker.secure(keeper)
    await speaker.says(mail(), 250)
    await speaker.says(f"RCPT TO:<{BOB}>", 250)
    await speaker.chunk(PUSH[:200_000], 250, last=False)
    await speaker.close()
    speaker = await Speaker.secure(keeper)
    reply = await speaker.says(mail(), 355)
    offset = int(reply.text.split()[0])
    assert 0 < offset <= 200_000
    await speaker.chunk(PUSH[offset:], 250)
    await speaker.close()
    relay = await kept(keeper)
    assert relay.content_id is not None
    assert await keeper.octets(relay.content_id) == PUSH


@pytest.mark.parametrize(
    ("command", "to", "code"),
    [
        (mail(shown="a" * 32), BOB, 550),
        (mail(sender=CAROL), BOB, 550),
        (mail(), CAROL, 550),
    ],
)
async def test_nobody_else_is_taken_anything(
    keeper: Live, command: str, to: Address, code: int
) -> None:
    speaker = await Speaker.secure(keeper)
    await speaker.says(command, 250)
    reply = await speaker.says(f"RCPT TO:<{to}>", code)
    assert reply.status == "5.7.1"
    await speaker.chunk(b"x" * 10, 503)
    await speaker.close()
    assert not [each for each in await queued(keeper) if each.is_kept]


async def test_no_content_in_clear(keeper: Live) -> None:
    speaker = await Speaker.hello(keeper)
    await speaker.says(mail(), 530)
    await speaker.close()


async def test_larger_than_offered_is_refused(keeper: Live) -> None:
    speaker = await Speaker.secure(keeper)
    await speaker.says(mail(size=SIZE + 70_000), 552)
    more = message(FILE + b"x", hashlib.sha256(FILE + b"x").hexdigest())
    await speaker.says(mail(size=len(more)), 250)
    await speaker.says(f"RCPT TO:<{BOB}>", 250)
    await speaker.chunk(more, 552)
    await speaker.close()
    assert not [each for each in await queued(keeper) if each.is_kept]


async def accepted(station: Live, number: int) -> str:
    """Let another offer and its answer pass; return what the push has to show."""
    offer = replace(OFFER, id=f"offer-{number:04}", size=SIZE)
    await offered(station, offer)
    await answered(station, replace(ANSWER, offer_id=offer.id, size=SIZE))
    return proof("ab" * 16, offer.id, ALICE, BOB)


@pytest.mark.parametrize("size", [1, len(PUSH), None])
async def test_there_is_only_so_much_room(keeper: Live, size: int | None) -> None:
    """SIZE is the sender's word (RFC 1870 §6.3): what was accepted is promised."""
    await pushed(keeper)
    speaker = await Speaker.secure(keeper)
    await speaker.says(mail(shown=await accepted(keeper, 2), size=size), 250)
    assert (await speaker.says(f"RCPT TO:<{BOB}>", 452)).status == "4.3.1"
    await speaker.close()


@pytest.mark.parametrize("size", [1, None])
async def test_what_was_cut_keeps_its_room(keeper: Live, size: int | None) -> None:
    """Others get none of it, and it goes on, whatever SIZE says."""
    shown = await accepted(keeper, 2)
    speaker = await Speaker.secure(keeper)
    await speaker.says(mail(size=size), 250)
    await speaker.says(f"RCPT TO:<{BOB}>", 250)
    await speaker.chunk(PUSH[:200_000], 250, last=False)
    await until(lambda: bool(keeper.store.index.read_here(checkpoints.everything)))
    await speaker.close()
    await until(lambda: not keeper.station.promises)
    held = await keeper.store.index.read(forwarding.held)
    assert list(held.values()) == [SIZE + FRAMING]
    other = await Speaker.secure(keeper)
    await other.says(mail(shown=shown, size=size), 250)
    assert (await other.says(f"RCPT TO:<{BOB}>", 452)).status == "4.3.1"
    await other.close()
    speaker = await Speaker.secure(keeper)
    offset = int((await speaker.says(mail(size=size), 355)).text.split()[0])
    assert offset > 0
    await speaker.chunk(PUSH[offset:], 250)
    await speaker.close()
    held = await keeper.store.index.read(forwarding.held)
    assert list(held.values()) == [len(PUSH)]


async def test_nothing_is_kept_beyond_the_room_whatever_was_promised(
    keeper: Live,
) -> None:
    """Another process has promised it, too: it waits, and goes on later."""
    speaker = await Speaker.secure(keeper)
    await speaker.says(mail(), 250)
    await speaker.says(f"RCPT TO:<{BOB}>", 250)
    await speaker.chunk(PUSH[:200_000], 250, last=False)
    index = keeper.store.index
    bound = Envelope("other", checkpoints.Kind.PUSH, NOBODY, "a@x", "b@y", 1, "")
    other = Checkpoint(bound, "other", b"", 0, None, None, 1000.0, SIZE)
    await index.write(checkpoints.keep, other, NOW)
    assert (await speaker.chunk(PUSH[200_000:], 452)).status == "4.3.1"
    assert not [each for each in await queued(keeper) if each.is_kept]
    await speaker.says(mail(), 452)
    await index.write(checkpoints.forget, "other")
    offset = int((await speaker.says(mail(), 355)).text.split()[0])
    assert offset == PUSH.index(FILE) + SIZE  # all that is content
    await speaker.chunk(PUSH[offset:], 250)
    await speaker.close()
    assert (await kept(keeper)).size == SIZE


async def test_what_is_refused_at_its_end_takes_no_room(keeper: Live) -> None:
    """Not until the next gc either: what is kept would not count it."""
    speaker = await Speaker.secure(keeper)
    await speaker.says(mail(), 250)
    await speaker.says(f"RCPT TO:<{BOB}>", 250)
    await speaker.chunk(message(sha256="ab" * 32), 451)
    await speaker.close()
    assert await unused(keeper) == 0


async def test_nothing_is_kept_where_that_is_off(tmp_path: Path) -> None:
    async with live(tmp_path, rendezvous=RENDEZVOUS) as station:
        await introduce(station)
        await offered(station, replace(OFFER, size=SIZE))
        await answered(station, replace(ANSWER, size=SIZE))
        speaker = await Speaker.secure(station)
        await speaker.says(mail(), 250)
        await speaker.says(f"RCPT TO:<{BOB}>", 550)
        await speaker.close()


async def test_a_withdrawal_removes_it(keeper: Live) -> None:
    await pushed(keeper)
    await passing(keeper, ALICE, BOB, withdrawal_message(WITHDRAWAL, FACTS).octets)
    relay = await kept(keeper)
    assert (relay.state, relay.content_id) == (State.CANCELLED, None)
    assert await unused(keeper) == 0


async def test_its_sender_is_told_when_it_is_given_up(keeper: Live) -> None:
    """By mail with the null reverse-path: nobody answers that."""
    await pushed(keeper)
    index = keeper.store.index
    relay = await kept(keeper)
    await index.write(transfers.advance, relay.id, Event.EXPIRE, NOW + 1001)
    (told,) = await index.write(notices.file_due, NOW + 1001, 0.0, "rcs.example")
    assert told.transfer.id == relay.id
    notice = await index.read(transfers.get, f"{relay.id}N")
    assert (notice.kind, notice.sender, notice.recipient) == (Kind.MAIL, None, ALICE)
    assert notice.content_id is not None
    octets = await keeper.octets(notice.content_id)
    assert b"film.mov" in octets
    assert b"Action: failed" in octets
    assert await index.write(notices.file_due, NOW + 1002, 0.0, "rcs.example") == []


async def test_only_a_digest_of_the_proof_stays(keeper: Live) -> None:
    found = await keeper.store.index.read(passages.find, OFFER.id, ALICE, BOB)
    assert found is not None
    assert found.proof == passages.digest(PROOF) != PROOF
