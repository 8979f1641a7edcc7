# SPDX-License-Identifier: Apache-2.0
"""A withdrawal that comes in: what it ends, and what it may not touch."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from maild.mail.address import parse_address
from maild.mail.compose import Facts, withdrawal_message
from maild.mail.offer import Withdrawal
from maild.store import checkpoints, consent
from tests.unit.smtpd.live import BOB, NOW, STRANGER, Live, live
from tests.unit.smtpd.speaker import Speaker, content, push_of
from tests.unit.smtpd.test_landing import digest
from tests.unit.smtpd.test_showing import shown

SIZE = 600_000
CUT = 400_000
SMALL = 30_000
WITHDRAWAL = Withdrawal(
    "offer-0001", "nonce-offer-0001", STRANGER, BOB, "0123456789abcdef"
)


@pytest.fixture
async def station(tmp_path: Path) -> AsyncIterator[Live]:
    async with live(tmp_path) as running:
        yield running


def mail_of(proof: str, message: bytes) -> str:
    return (
        f"MAIL FROM:<{STRANGER}> BODY=BINARYMIME SIZE={len(message)}"
        f" TRANSID=<{proof}@b.example>"
    )


async def pushing(
    station: Live, size: int = SIZE, cut: int = CUT
) -> tuple[Speaker, str, bytes]:
    """Let carol push the first octets of what bob has accepted."""
    octets = content(size)
    message = push_of(octets, digest(octets))
    mail = mail_of(await station.accepted_offer(size), message)
    speaker = await Speaker.secure(station)
    await speaker.says(mail, 250)
    await speaker.says("RCPT TO:<bob@a.example>", 250)
    await speaker.chunk(message[:cut], 250, last=False)
    return speaker, mail, message


async def withdraw(
    station: Live, withdrawal: Withdrawal = WITHDRAWAL, sender: str = ""
) -> None:
    facts = Facts("withdrawal@b.example", NOW, withdrawal.trace)
    message = withdrawal_message(withdrawal, facts).octets
    speaker = await Speaker.secure(station)
    await speaker.envelope("bob@a.example", sender)
    await speaker.chunk(message, 250)
    await speaker.close()


async def inbox(station: Live) -> list[str]:
    """Return the Subjects of what lies in bob's INBOX beside the offer."""
    lines = await station.lines(station.bob, "INBOX")
    fields = [
        field.decode(errors="replace")
        for line in lines
        for field in (await station.octets(line.content_id)).split(b"\r\n")
    ]
    subjects = [f.removeprefix("Subject: ") for f in fields if f.startswith("Subject")]
    return [subject for subject in subjects if "offers you" not in subject]


async def is_gone(station: Live) -> None:
    """Check that nothing of a push is left, in index, memory or files."""
    assert await station.items(station.bob) == []
    for mailbox in ("Library", "Items"):
        assert await station.lines(station.bob, mailbox) == []
    assert await station.store.index.read(checkpoints.everything) == []
    await station.store.index.write(lambda tx: None)  # behind what was submitted
    incoming = station.store.root / "incoming"
    assert not await asyncio.to_thread(lambda: list(incoming.iterdir()))
    assert await asyncio.to_thread(lambda: list(station.store.blobs.check())) == []


@pytest.mark.parametrize("cut_off", [True, False], ids=["cut off", "still there"])
async def test_what_is_arriving_is_gone_at_once(
    station: Live, caplog: pytest.LogCaptureFixture, cut_off: bool
) -> None:
    caplog.set_level(logging.INFO)
    speaker, mail, message = await pushing(station)
    await shown(station, station.bob)
    if cut_off:
        await speaker.close()
    await withdraw(station)
    assert await inbox(station) == ["carol@b.example has stopped sending film.mov"]
    if not cut_off:  # its connection ends, whatever else it would have brought
        speaker.send(b"BDAT %d LAST\r\n" % (len(message) - CUT) + message[CUT:])
        with pytest.raises((AssertionError, OSError)):
            assert (await speaker.reply()).code == 250
        await speaker.close()
    await is_gone(station)
    assert "withdrawal of offer-0001 counts" in caplog.text
    assert "given up (stopped): to=<bob@a.example>" in caplog.text
    again = await Speaker.secure(station)
    await again.says(mail, 550)
    await withdraw(station)
    assert len(await inbox(station)) == 1
    assert "withdrawal of offer-0001 does not count" in caplog.text
    await again.close()


async def test_what_is_small_is_no_mail_either(station: Live) -> None:
    """Too small to be shown or kept while it arrives, and for its ticket to matter."""
    speaker, mail, _ = await pushing(station, SMALL, SMALL // 2)
    await speaker.close()
    await withdraw(station)
    assert await inbox(station) == ["carol@b.example has stopped sending film.mov"]
    await is_gone(station)
    again = await Speaker.secure(station)
    await again.says(mail, 550)
    await again.close()


async def test_what_has_arrived_stays(station: Live) -> None:
    speaker, mail, message = await pushing(station)
    await speaker.chunk(message[CUT:], 250)
    before = await inbox(station)
    await withdraw(station)
    assert await inbox(station) == before
    assert len(await station.items(station.bob)) == 1
    await speaker.says(mail, 355)
    await speaker.close()


async def test_the_wrong_nonce_ends_nothing(station: Live) -> None:
    speaker, _, message = await pushing(station)
    await withdraw(station, replace(WITHDRAWAL, nonce="another-nonce"))
    assert await inbox(station) == []
    await speaker.chunk(message[CUT:], 250)
    assert len(await station.items(station.bob)) == 1
    await speaker.close()


@pytest.mark.parametrize(
    ("sender", "changes"),
    [
        ("mallory@b.example", {}),
        ("", {"sender": parse_address("mallory@b.example")}),
        ("", {"recipient": parse_address("alice@a.example")}),
    ],
)
async def test_what_somebody_else_sends_is_mail(
    station: Live, sender: str, changes: dict[str, object]
) -> None:
    """Forwarded, for example; nothing is ended by it, and no mail is lost."""
    speaker, _, message = await pushing(station)
    forged = replace(WITHDRAWAL, **changes)  # type: ignore[arg-type]
    await withdraw(station, forged, sender)
    assert await inbox(station) == ["Withdrawn: offer offer-0001"]
    await speaker.chunk(message[CUT:], 250)
    assert len(await station.items(station.bob)) == 1
    await speaker.close()


async def test_an_unknown_offer_is_nobody_s_mail(station: Live) -> None:
    await withdraw(station)
    assert await inbox(station) == []


async def test_an_ended_offer_reserves_nothing(station: Live) -> None:
    await station.accepted_offer(SIZE)
    await withdraw(station)
    reserved = await station.store.index.read(
        lambda tx: tx.value("SELECT sum(reserved) FROM offer")
    )
    assert reserved == 0
    ((_, state),) = await station.store.index.read(
        consent.open_offers, station.bob, NOW
    )
    assert state == "declined"
    (told,) = [
        line
        for line in await station.lines(station.bob, "INBOX")
        if "$Offer" not in line.flags
    ]
    assert b"Nothing of it is kept here." in await station.octets(told.content_id)
