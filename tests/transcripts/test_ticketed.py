# SPDX-License-Identifier: Apache-2.0
"""Plays tests/transcripts/ticketed: conversations for which somebody has accepted."""

from __future__ import annotations

from pathlib import Path

from tests.transcripts.runner import play
from tests.unit.smtpd.live import ALICE, BOB, live
from tests.unit.smtpd.test_landing import digest
from tests.unit.smtpd.test_renderings import MALLORY, Goods, Push, offered

FOLDER = Path(__file__).parent / "ticketed"


def _proof(push: Push) -> str:
    return push.mail.partition("TRANSID=<")[2].partition("@")[0]


def _escaped(octets: bytes) -> str:
    return octets.decode("latin-1").replace("\r", "\\r").replace("\n", "\\n")


async def test_a_second_recipient_is_only_sent_the_digest(tmp_path: Path) -> None:
    goods = Goods.of(b"one\ntwo\n")
    offset = goods.start + len(goods.octets)
    async with live(tmp_path) as station:
        values = {
            "first": _proof(await offered(station, goods, BOB)),
            "second": _proof(await offered(station, goods, ALICE)),
            "stolen": _proof(await offered(station, goods, BOB, sender=MALLORY)),
            "size": str(len(goods.message)),
            "message": _escaped(goods.message),
            "offset": str(offset),
            "rest": str(len(goods.message) - offset),
            "tail": _escaped(goods.message[offset:]),
            "digest": digest(goods.octets),
        }
        script = FOLDER / "second_recipient.smtp"
        await play(script, station.connect, tls=station.tls, values=values)
        for account in (station.alice, station.bob):
            (item,) = await station.items(account)
            assert item.sha256 == digest(goods.octets)
