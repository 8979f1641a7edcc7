# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from maild.mail.reply import Reply
from maild.mail.transfer import Event, Kind, Lifetimes, State
from maild.store import consent, items, mailboxes, transfers
from maild.store.index import Tx
from maild.store.transfers import Transfer
from tests.unit.imapd.belongings import BOB, an_item, an_offer
from tests.unit.imapd.live import NOW, Client, Live, live


@pytest.fixture
async def station(tmp_path: Path) -> AsyncIterator[Live]:
    async with live(tmp_path) as running:
        yield running


async def queue(station: Live, kind: Kind) -> list[Transfer]:
    found = await station.store.index.read(transfers.everything)
    return [transfer for transfer in found if transfer.kind is kind]


async def offer_state(station: Live) -> list[str]:
    found = await station.store.index.read(consent.open_offers, station.alice, NOW)
    return [state for _, state in found]


async def test_moving_into_accepted_decides(station: Live) -> None:
    await an_offer(station)
    client = await station.alice_in("INBOX")
    lines = await client.ok("UID MOVE 1 Accepted")
    accepted = await station.mailbox("Accepted")
    assert lines[0].startswith(b"* OK [COPYUID %d 1 1]" % accepted.uid_validity)
    assert lines[1] == b"* 1 EXPUNGE"
    assert await offer_state(station) == ["accepted"]
    (answer,) = await queue(station, Kind.ANSWER)
    assert answer.recipient == BOB


async def test_mutt_declines_by_copy_and_delete(station: Live) -> None:
    await an_offer(station)
    client = await station.alice_in("INBOX")
    lines = await client.ok("UID COPY 1 Declined")
    assert b"[COPYUID" in lines[-1]
    await client.ok("UID STORE 1 +FLAGS.SILENT (\\Deleted)")
    await client.ok("EXPUNGE")
    assert await offer_state(station) == ["declined"]
    assert len(await queue(station, Kind.ANSWER)) == 1


async def test_the_first_decision_wins(station: Live) -> None:
    await an_offer(station)
    client = await station.alice_in("INBOX")
    await client.ok("COPY 1 Declined")
    await client.ok("COPY 1 Accepted")
    await client.ok("COPY 1 Declined")
    assert await offer_state(station) == ["declined"]
    assert len(await queue(station, Kind.ANSWER)) == 1


async def test_deleting_an_offer_decides_nothing(station: Live) -> None:
    await an_offer(station)
    client = await station.alice_in("INBOX")
    await client.ok("MOVE 1 Trash")
    assert await offer_state(station) == ["open"]
    assert await queue(station, Kind.ANSWER) == []


@pytest.mark.parametrize("source", ["Items", "Library"])
async def test_copying_an_item_into_share_sends_it(station: Live, source: str) -> None:
    await an_item(station)
    client = await station.alice_in(source)
    lines = await client.ok("COPY 1 Share/bob@b.example")
    share = await station.mailbox("Share/bob@b.example")
    assert lines[-1].startswith(b"OK [COPYUID %d 1 1]" % share.uid_validity)
    (transfer,) = await queue(station, Kind.SHARE)
    assert (transfer.recipient, transfer.state) == (BOB, State.QUEUED)
    (left,) = await station.lines("Share/bob@b.example")
    (stub,) = await station.lines("Items")
    assert left.content_id == stub.content_id
    await client.ok("COPY 1 Share/bob@b.example")
    assert len(await queue(station, Kind.SHARE)) == 1


async def test_moving_a_stub_into_share_leaves_one_behind(station: Live) -> None:
    await an_item(station)
    client = await station.alice_in("Items")
    await client.ok("CREATE Share/bob@b.example")
    lines = await client.ok("UID MOVE 1 Share/bob@b.example")
    assert b"COPYUID" in lines[0]
    assert b"* 1 EXPUNGE" in lines
    assert b"* 1 EXISTS" in lines
    assert (await client.ok("UID SEARCH ALL"))[0] == b"* SEARCH 2"
    lines = await client.ok("UID COPY 2 Share/carol@c.example")
    assert b"COPYUID" in lines[-1]
    assert len(await queue(station, Kind.SHARE)) == 2


async def test_what_cannot_be_moved_or_sent(station: Live) -> None:
    await an_item(station)
    client = await station.alice_in("Library")
    for text in ("MOVE 1 Share/bob@b.example", "MOVE 1 Trash", "COPY 1 Items"):
        assert (await client.command(text))[-1].startswith(b"NO [CANNOT]")
    for name in ("Share/bob", "Share/bob@[127.0.0.1]", '"Share/a b@c"'):
        lines = await client.command(f"COPY 1 {name}")
        assert lines[-1].startswith(b"NO [CANNOT]")
    await client.ok("SELECT Items")
    assert (await client.command("MOVE 1 Trash"))[-1].startswith(b"NO [CANNOT]")
    assert await queue(station, Kind.SHARE) == []
    names = await station.store.index.read(mailboxes.everything, station.alice)
    assert not any(mailbox.name.startswith("Share") for mailbox in names)


@pytest.mark.parametrize("source", ["Items", "Library"])
async def test_expunging_removes_an_item_everywhere(station: Live, source: str) -> None:
    await an_item(station)
    client = await station.alice_in(source)
    await client.ok("STORE 1 +FLAGS (\\Deleted)")
    assert b"* 1 EXPUNGE" in await client.ok("EXPUNGE")
    assert await station.lines("Items") == []
    assert await station.lines("Library") == []
    assert await station.store.index.read(items.everything, station.alice) == []


async def shared(station: Live) -> Client:
    """Begin a transfer and select Transfers."""
    await an_item(station)
    client = await station.alice_in("Items")
    await client.ok("COPY 1 Share/bob@b.example")
    await client.ok("SELECT Transfers")
    return client


async def test_a_transfer_is_cancelled_by_expunging_it(station: Live) -> None:
    client = await shared(station)
    await client.ok("STORE 1 +FLAGS (\\Deleted)")
    lines = await client.ok("EXPUNGE")
    assert b"* 1 EXPUNGE" in lines
    (transfer,) = await queue(station, Kind.SHARE)
    assert transfer.state is State.CANCELLED


async def test_a_transfer_is_cancelled_by_moving_it_to_trash(station: Live) -> None:
    client = await shared(station)
    assert (await client.command("MOVE 1 Sent"))[-1].startswith(b"NO [CANNOT]")
    lines = await client.ok("MOVE 1 Trash")
    assert b"COPYUID" in lines[0]
    (transfer,) = await queue(station, Kind.SHARE)
    assert transfer.state is State.CANCELLED
    assert len(await station.lines("Trash")) == 1


async def test_a_transfer_is_held_while_flagged(station: Live) -> None:
    client = await shared(station)
    await client.ok("STORE 1 +FLAGS (\\Flagged)")
    assert (await queue(station, Kind.SHARE))[0].held
    await client.ok("STORE 1 -FLAGS (\\Flagged)")
    assert not (await queue(station, Kind.SHARE))[0].held


async def test_progress_is_pushed_while_idle(station: Live) -> None:
    await an_item(station)
    client = await station.alice_in()
    await client.ok("ENABLE METADATA")
    await client.ok("SELECT Items")
    await client.ok("COPY 1 Share/bob@b.example")
    (transfer,) = await queue(station, Kind.SHARE)
    await client.ok("SELECT Transfers")
    client.send(b"i IDLE\r\n")
    assert (await client.line()).startswith(b"+")
    worker = await station.alice_in("Transfers")
    entry = f"/private/vendor/maild/transfer/{transfer.id}".lower()

    def job(tx: Tx, octets: int) -> None:
        transfers.progress(tx, transfer.id, octets, NOW)

    await station.store.index.write(job, 5)
    assert await client.line() == f'* METADATA Transfers "{entry}"'.encode()
    await station.store.index.write(job, 7)
    await station.store.index.write(job, 11)
    assert await client.line() == f'* METADATA Transfers "{entry}"'.encode()
    lines = await worker.ok(f"GETMETADATA Transfers {entry}")
    assert b"METADATA Transfers" in lines[0]
    assert b'\\"octets\\":11' in lines[0]
    client.send(b"DONE\r\n")
    assert (await client.line()).startswith(b"i OK")


async def prepared(station: Live) -> Client:
    """Begin a transfer that waits for go, let it be prepared, select Transfers."""
    item = await an_item(station)

    def job(tx: Tx) -> None:
        fresh = transfers.FreshShare("share-00001", "0" * 32)
        transfers.share(
            tx,
            station.alice,
            item.id,
            BOB,
            fresh,
            Lifetimes(1000.0, 5000.0),
            NOW,
            confirm=600.0,
        )
        transfers.advance(tx, "share-00001", Event.CLAIM, NOW)
        transfers.prepared(tx, "share-00001", NOW, Reply(250, "1.5", "ok"), "")

    await station.store.index.write(job)
    return await station.alice_in("Transfers")


@pytest.mark.parametrize(
    "store",
    [
        "STORE 1 +FLAGS ($Go)",
        "UID STORE 1:* +FLAGS ($Go)",
        "STORE 1 +FLAGS.SILENT ($GO)",
        "STORE 1 FLAGS (\\Seen $go)",
    ],
)
async def test_a_keyword_lets_a_transfer_go(station: Live, store: str) -> None:
    client = await prepared(station)
    told = await client.ok(store)
    (transfer,) = await queue(station, Kind.SHARE)
    assert (transfer.state, transfer.confirm) == (State.ACCEPTED, 0)
    (line,) = await station.lines("Transfers")
    assert line.uid == transfer.view_uid  # it is still there for whoever set it
    told += await client.ok("NOOP")
    assert any(b"$Accepted" in each for each in told), told


async def test_reading_only_lets_nothing_go(station: Live) -> None:
    client = await prepared(station)
    await client.ok("EXAMINE Transfers")
    lines = await client.command("STORE 1 +FLAGS ($Go)")
    assert lines[-1].startswith(b"NO [READ-ONLY]")
    (transfer,) = await queue(station, Kind.SHARE)
    assert transfer.state is State.PREPARED
