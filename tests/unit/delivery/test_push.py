# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import asyncio
import hashlib
from pathlib import Path

import pytest

from maild.delivery.client import Tls
from maild.delivery.octets import Octets
from maild.delivery.parcel import Parcel, agrees
from maild.delivery.push import CHUNK_FIRST, CHUNK_LEAST, CHUNK_MOST, Push
from maild.delivery.work import Tally
from maild.mail.envelope import Body, MailFrom, RcptTo
from maild.mail.reply import Reply, ReplyError
from maild.store.house import Store
from tests.unit.delivery.peer import EXIM, Peer, make_certificate
from tests.unit.delivery.rig import (
    ALICE,
    BOB,
    client,
    noise,
    open_store,
    put,
    route,
    threads,
)

HEAD = b"Subject: a push\r\n\r\n"
TAIL = b'\r\n{"sha256": "' + b"0" * 64 + b'"}\r\n'
MAIL = MailFrom(ALICE, size=1, body=Body.BINARY, transid="proof@a.example")


class Pushing:
    """One attempt at a time; remembers what was reported."""

    def __init__(self, store: Store, *, stall: float = 5.0, idle: float = 5.0) -> None:
        self.store = store
        self.reports: list[int] = []
        self.tally = Tally(0.0)
        self.stall = stall
        self.idle = idle

    async def attempt(self, peer: Peer, parcel: Parcel) -> Reply:
        session = await client(idle=self.idle).connect(route(peer.port), Tls.MAY)
        self.tally = Tally(0.0)
        try:
            with threads() as readers, Octets(self.store.blobs, readers) as octets:
                push = Push(
                    session,
                    parcel,
                    self.store,
                    octets,
                    self.tally,
                    self.reports.append,
                    stall=self.stall,
                )
                offset = await push.begin(MAIL, RcptTo(BOB))
                reply = await push.send(offset)
                assert reply is not None
                return reply
        finally:
            await session.channel.quit()


def stored(store: Store, content: bytes) -> Parcel:
    sealed = put(store, content)
    return Parcel(HEAD, TAIL, sealed.id, sealed.size, sealed.sha256)


def message(content: bytes) -> bytes:
    digest = hashlib.sha256(content).hexdigest().encode()
    return HEAD + content + TAIL.replace(b"0" * 64, digest)


@pytest.mark.parametrize("size", [0, 1, 70_000, 5 * 2**20 + 1, 30 * 2**20])
async def test_a_push_arrives_with_its_digest(size: int, tmp_path: Path) -> None:
    content = noise(size)
    with open_store(tmp_path) as store:
        pushing = Pushing(store)
        async with Peer().serving() as peer:
            reply = await pushing.attempt(peer, stored(store, content))
    assert reply.code == 250
    assert peer.messages == [message(content)]
    assert pushing.tally.landed == size
    assert pushing.tally.sent == len(message(content))
    assert peer.verbs[:3] == ["EHLO", "MAIL", "RCPT"]
    assert "TRANSID=<proof@a.example>" in peer.commands[1]
    assert peer.commands[-2].endswith("LAST")
    assert peer.commands[-1] == "QUIT"


async def test_a_push_under_tls_is_the_same(tmp_path: Path) -> None:
    content = noise(6 * 2**20 + 3)
    certificate = make_certificate(tmp_path, "b.example")
    with open_store(tmp_path / "store") as store:
        async with Peer(tls=certificate.context).serving() as peer:
            await Pushing(store).attempt(peer, stored(store, content))
    assert peer.messages == [message(content)]


@pytest.mark.parametrize(
    "offset", [1, len(HEAD), len(HEAD) + 1, 3 * 2**20, 6 * 2**20 + len(HEAD) + 5]
)
async def test_a_push_goes_on_where_the_server_says(
    offset: int, tmp_path: Path
) -> None:
    content = noise(6 * 2**20)
    with open_store(tmp_path) as store:
        pushing = Pushing(store)
        async with Peer(offset=offset).serving() as peer:
            await pushing.attempt(peer, stored(store, content))
    assert peer.messages == [message(content)[offset:]]
    assert "RCPT" not in peer.verbs  # RFC 1845: the envelope was kept
    assert pushing.tally.offset == offset
    assert pushing.reports[0] == max(0, min(len(content), offset - len(HEAD)))


async def test_a_lost_250_costs_no_content(tmp_path: Path) -> None:
    content = noise(1000)
    with open_store(tmp_path) as store:
        async with Peer(offset=len(message(content))).serving() as peer:
            reply = await Pushing(store).attempt(peer, stored(store, content))
    assert reply.code == 250
    assert [c for c in peer.commands if c.startswith("BDAT")] == ["BDAT 0 LAST"]


async def test_an_offset_behind_the_end_is_not_followed(tmp_path: Path) -> None:
    with open_store(tmp_path) as store:
        async with Peer(offset=10_000).serving() as peer:
            with pytest.raises(ReplyError) as caught:
                await Pushing(store).attempt(peer, stored(store, b"short"))
    assert caught.value.reply.is_temporary
    assert peer.content == 0


async def test_a_refused_proof_costs_no_content(tmp_path: Path) -> None:
    with open_store(tmp_path) as store:
        for verb in ("MAIL", "RCPT"):
            plan = Peer(answers={verb: ["550 5.7.1 not wanted"]})
            async with plan.serving() as peer:
                with pytest.raises(ReplyError, match=r"5\.7\.1 not wanted"):
                    await Pushing(store).attempt(peer, stored(store, noise(9999)))
            assert peer.content == 0
            assert "BDAT" not in peer.verbs


async def test_a_server_that_is_no_longer_ours_gets_nothing(tmp_path: Path) -> None:
    with open_store(tmp_path) as store:
        async with Peer(keywords=EXIM).serving() as peer:
            with pytest.raises(ReplyError, match=r"451 4\.7\.4"):
                await Pushing(store).attempt(peer, stored(store, b"content"))
    assert "MAIL" not in peer.verbs


async def test_a_cut_in_the_middle_resumes(tmp_path: Path) -> None:
    content = noise(20 * 2**20)
    whole, have = message(content), b""
    with open_store(tmp_path) as store:
        parcel = stored(store, content)
        pushing = Pushing(store)
        for _ in range(10):
            plan = Peer(drop_at=3 * 2**20, offset=len(have) or None)
            if len(whole) - len(have) < 3 * 2**20:
                plan.drop_at = None
            async with plan.serving() as peer:
                if plan.drop_at is None:
                    await pushing.attempt(peer, parcel)
                    have += peer.messages[0]
                    break
                with pytest.raises(ReplyError, match=r"451 4\.4\.2 lost connection"):
                    await pushing.attempt(peer, parcel)
                have += peer.partial
    assert have == whole


async def test_an_early_refusal_stops_the_content(tmp_path: Path) -> None:
    content = noise(40 * 2**20)
    plan = Peer(answers={"BDAT": ["452 4.3.1 no room"]})
    with open_store(tmp_path) as store:
        async with plan.serving() as peer:
            with pytest.raises(ReplyError, match=r"452 4\.3\.1 no room"):
                await Pushing(store).attempt(peer, stored(store, content))
    assert peer.content < len(content)
    assert "QUIT" not in peer.verbs or peer.commands[-1] == "QUIT"


async def test_an_offset_beyond_the_end_is_none(tmp_path: Path) -> None:
    """What such a server has cannot be ours; it is asked again later."""
    with open_store(tmp_path) as store:
        async with Peer(offset=10**9).serving() as peer:
            with pytest.raises(ReplyError, match=r"451 4\.5\.0 .* behind the end"):
                await Pushing(store).attempt(peer, stored(store, b"x"))
    assert peer.content == 0
    assert "BDAT" not in peer.verbs


async def test_a_silent_server_ends_the_attempt(tmp_path: Path) -> None:
    with open_store(tmp_path) as store:
        async with Peer(silent_after="LAST").serving() as peer:
            with pytest.raises(ReplyError, match="timed out after the content"):
                await Pushing(store, idle=0.05).attempt(peer, stored(store, b"x"))


async def test_content_is_pushed_while_it_arrives(tmp_path: Path) -> None:
    content = noise(600_000)
    with open_store(tmp_path) as store:
        writer = store.blobs.create(len(content))
        writer.append(content[:200_000])
        writer.flush()
        parcel = Parcel(HEAD, TAIL, writer.id, len(content), None)
        async with Peer().serving() as peer:
            attempt = asyncio.create_task(Pushing(store).attempt(peer, parcel))
            async with asyncio.timeout(20):
                while peer.content < len(HEAD) + 200_000:  # noqa: ASYNC110 - bounded
                    await asyncio.sleep(0)
                await asyncio.to_thread(writer.append, content[200_000:])
                await asyncio.to_thread(writer.seal)
                await attempt
    assert peer.messages == [message(content)]


async def test_a_stalled_source_is_a_checkpoint(tmp_path: Path) -> None:
    with open_store(tmp_path) as store:
        writer = store.blobs.create(1000)
        writer.append(b"x" * 500)
        writer.flush()
        parcel = Parcel(HEAD, TAIL, writer.id, 1000, None)
        async with Peer().serving() as peer:
            with pytest.raises(ReplyError, match="not arrived completely"):
                await Pushing(store, stall=0.0).attempt(peer, parcel)
        writer.abandon()
    assert peer.content == len(HEAD) + 500
    assert peer.commands[-1] == "QUIT"


def test_the_final_reply_is_compared() -> None:
    digest = hashlib.sha256(b"x").hexdigest()
    good = Reply(250, "0.0", f"Q1 1 octets sha-256 {digest}")
    assert agrees(good, digest, 1)
    assert not agrees(good, digest, 2)
    assert not agrees(good, "0" * 64, 1)
    assert agrees(Reply(250, "0.0", "taken"), digest, 1)


async def test_chunks_grow_on_a_fast_way_and_shrink_on_a_slow_one(
    tmp_path: Path,
) -> None:
    with open_store(tmp_path) as store:
        async with Peer().serving() as peer:
            await Pushing(store).attempt(peer, stored(store, noise(40 * 2**20)))
    sizes = [int(c.split()[1]) for c in peer.commands if c.startswith("BDAT")]
    assert sizes[0] == CHUNK_FIRST
    assert max(sizes) <= CHUNK_MOST
    push = Push.__new__(Push)
    push._chunk = CHUNK_FIRST
    for _ in range(9):
        push._adapt(0.01)
    assert push._chunk == CHUNK_MOST
    push._adapt(0.3)
    assert push._chunk == CHUNK_MOST
    for _ in range(19):
        push._adapt(5.0)
    assert push._chunk == CHUNK_LEAST
