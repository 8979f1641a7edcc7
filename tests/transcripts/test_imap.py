# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from pathlib import Path

import pytest

from tests.transcripts.imap_talk import play
from tests.unit.imapd.live import live

FOLDER = Path(__file__).parent / "imap"
SCRIPTS = {path.stem: path.read_text("utf-8") for path in FOLDER.glob("*.imap")}


@pytest.mark.parametrize("name", sorted(SCRIPTS))
async def test_transcript(name: str, tmp_path: Path) -> None:
    async with live(tmp_path) as station:
        await play(name, SCRIPTS[name], station)
