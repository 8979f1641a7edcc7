# SPDX-License-Identifier: Apache-2.0
"""Plays tests/transcripts/smtp against a live station."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.transcripts.runner import play
from tests.unit.smtpd.live import PASSWORD, Live, live

FOLDER = Path(__file__).parent / "smtp"
OF_NUMBERS = sorted(FOLDER.glob("number_*.smtp"))
SCRIPTS = sorted({*FOLDER.glob("*.smtp")} - {*OF_NUMBERS})


@pytest.fixture
async def station(tmp_path: Path) -> AsyncIterator[Live]:
    async with live(tmp_path) as running:
        yield running


@pytest.mark.parametrize("script", OF_NUMBERS, ids=lambda path: path.stem)
async def test_transcript_of_numbers(script: Path, tmp_path: Path) -> None:
    rendezvous = frozenset({"rcs.example"})
    async with live(tmp_path, rendezvous=rendezvous) as station:
        await play(script, station.connect, tls=station.tls, password=PASSWORD)


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
async def test_transcript(script: Path, station: Live) -> None:
    await play(script, station.connect, tls=station.tls, password=PASSWORD)


async def test_smuggling_leaves_one_message_or_none(station: Live) -> None:
    for script in SCRIPTS:
        if script.stem.startswith("smuggle"):
            await play(script, station.connect)
    assert await station.lines(station.bob, "INBOX") == []
