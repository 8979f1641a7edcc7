# SPDX-License-Identifier: Apache-2.0
"""No room for an arriving message: refused for now, and gone on with where it was."""

from __future__ import annotations

import errno
import logging
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from maild.smtpd import landing
from maild.store import blob_records
from maild.store.blobs import SEGMENT
from maild.store.errors import StoreFullError
from tests.unit.smtpd.live import STRANGER, Live, live
from tests.unit.smtpd.speaker import Speaker
from tests.unit.smtpd.test_hostile import until
from tests.unit.smtpd.test_landing import deliver
from tests.unit.smtpd.test_restart import SIZE, Push, a_push, arrived, durable, listed


@pytest.fixture
async def station(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> AsyncIterator[Live]:
    caplog.set_level(logging.INFO)
    async with live(tmp_path) as running:
        yield running


@dataclass
class Refusing:
    """What has no room; ``asked`` counts how often it said so."""

    asked: int = 0

    def os(self, *_args: Any, **_options: Any) -> Any:
        """Refuse as the kernel does."""
        self.asked += 1
        raise OSError(errno.ENOSPC, "No space left on device")

    def index(self, *_args: Any, **_options: Any) -> Any:
        """Refuse as SQLite does."""
        self.asked += 1
        raise StoreFullError("the index has no room")


@contextmanager
def full(of: Any, name: str, *, index: bool = False) -> Iterator[Refusing]:
    """Let one call find no room."""
    refusing = Refusing()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(of, name, refusing.index if index else refusing.os)
        yield refusing


async def begun(station: Live, landed: int) -> tuple[Push, Speaker]:
    push = await a_push(station)
    speaker = await push.begin(station, push.message.index(push.octets) + landed)
    await durable(station, landed)
    return push, speaker


async def refused_once(station: Live, caplog: pytest.LogCaptureFixture) -> None:
    """One line tells of it, without a traceback, and others go on."""
    assert not [record for record in caplog.records if record.exc_info]
    assert sum("452 4.3.1" in line for line in caplog.messages) == 1
    await deliver(station, b"Subject: hi\r\n\r\n", STRANGER, "alice@a.example")


LANDED = SEGMENT + 7


async def goes_on(station: Live, push: Push, landed: int = LANDED) -> None:
    assert [each.octets for each in listed(station)] == [landed]
    offset, _ = await push.go_on(station)
    assert offset == push.message.index(push.octets) + landed
    await arrived(station, push)


async def test_a_write_without_room_is_gone_on_with(
    station: Live, caplog: pytest.LogCaptureFixture
) -> None:
    push, speaker = await begun(station, LANDED)
    rest = push.message[push.message.index(push.octets) + LANDED :]
    with full(os, "pwrite"):
        reply = await speaker.chunk(rest[:-1], 452, last=False)
    assert reply.status == "4.3.1"
    await speaker.chunk(rest[-1:], 503)  # one refusal ends the transaction
    await speaker.says("MAIL FROM:<carol@b.example>", 250)
    await speaker.says("RSET", 250)
    await refused_once(station, caplog)
    await goes_on(station, push)
    await speaker.close()


async def test_a_watermark_without_room_is_gone_on_with(
    station: Live, caplog: pytest.LogCaptureFixture
) -> None:
    push, speaker = await begun(station, LANDED)
    at = push.message.index(push.octets) + LANDED
    with full(os, "fdatasync") as refusing:
        await speaker.chunk(push.message[at : at + 1000], 250, last=False)
        await until(lambda: refusing.asked > 0)
    await speaker.chunk(push.message[at + 1000 : -1], 452, last=False)
    await speaker.says("RSET", 250)  # the refused transaction is over: nothing more
    await refused_once(station, caplog)
    await goes_on(station, push)
    await speaker.close()


@pytest.mark.parametrize(
    ("of", "name", "index"),
    [
        (os, "fsync", False),
        (os, "mkdir", False),
        (blob_records, "seal", True),
        (landing, "_keep_push", True),
    ],
)
async def test_an_end_without_room_is_gone_on_with(
    station: Live, caplog: pytest.LogCaptureFixture, of: Any, name: str, *, index: bool
) -> None:
    """No room for the last sync, for a directory, for the blob's record, the item's."""
    push, speaker = await begun(station, LANDED)
    rest = push.message[push.message.index(push.octets) + LANDED :]
    with full(of, name, index=index):
        reply = await speaker.chunk(rest, 452)
    assert reply.status == "4.3.1"
    await refused_once(station, caplog)
    await goes_on(station, push, LANDED if name == "fsync" else SIZE)
    await speaker.close()


async def test_a_connection_that_ends_without_room(station: Live) -> None:
    push, speaker = await begun(station, LANDED)
    at = push.message.index(push.octets) + LANDED
    with full(os, "fdatasync") as refusing:
        await speaker.chunk(push.message[at : at + 1000], 250, last=False)
        await until(lambda: refusing.asked > 0)
    other = await Speaker.secure(station)
    await other.says(push.mail, 452)  # what was in memory only is lost
    await goes_on(station, push)
    await other.close()
    await speaker.close()


async def test_reset_gives_a_message_up(station: Live) -> None:
    """RFC 1845 is about sessions that were cut; RSET discards (RFC 5321 §4.1.1.5)."""
    push, speaker = await begun(station, LANDED)
    await speaker.says("RSET", 250)
    await until(lambda: listed(station) == [])
    (incoming,) = (station.store.root / "incoming",)
    await until(lambda: not list(incoming.iterdir()))
    again = await push.begin(station, len(push.message) - 1)
    await again.chunk(push.message[-1:], 250)
    await arrived(station, push)
    await again.close()
    await speaker.close()
