# SPDX-License-Identifier: GPL-3.0-only
"""A file that is still being written: when it is closed, and what must not happen."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from unittest import mock

import pytest

from terminal_client import errors, live_file, live_spool
from terminal_client.live_file import Mark, open_live
from terminal_client.live_spool import Spool, abandoned
from tests.unit.smtpd.test_hostile import until


def digest(octets: bytes) -> str:
    return hashlib.sha256(octets).hexdigest()


async def test_it_is_closed_when_nobody_writes_it(tmp_path: Path) -> None:
    path = tmp_path / "capture.mkv"
    with path.open("wb", buffering=0) as writer, open_live(path) as file:
        writer.write(b"one")
        assert not file.look().closed
        with path.open("ab") as another:
            writer.close()
            assert not file.look().closed
            another.write(b"two")
        assert file.look() == live_file.Look(file.look().shape, closed=True)
        assert file.look().size == 6
        with path.open("ab"):  # opened once more: nobody is ended by that
            assert not file.look().closed


async def test_by_an_idle_time_it_is_closed_whoever_has_it_open(tmp_path: Path) -> None:
    path = tmp_path / "capture.mkv"
    now = 0.0
    with path.open("wb", buffering=0) as writer, open_live(path, 10.0) as opened:
        file = live_file.LiveFile(opened.path, opened._file, 10.0, lambda: now)
        writer.write(b"one")
        assert not file.look().closed
        now = 9.0
        writer.write(b"two")
        assert not file.look().closed
        now = 18.0
        assert not file.look().closed
        now = 19.0
        assert file.look().closed


async def test_where_there_are_no_leases_an_idle_time_is_taken(tmp_path: Path) -> None:
    path = tmp_path / "capture.mkv"
    path.write_bytes(b"one")
    refused = OSError(22, "invalid argument")
    with open_live(path) as file:
        with mock.patch.object(live_file, "nobody_writes", side_effect=refused):
            assert not file.look().closed
        assert file.idle == live_file.IDLE


async def test_octets_that_were_read_stay(tmp_path: Path) -> None:
    path = tmp_path / "capture.mkv"
    path.write_bytes(b"header one two")
    with open_live(path) as file:
        assert file.read(0, 6) == b"header"
        assert file.read(6, 100) == b" one two"
        await file.check(14, Mark(6, digest(b"header")))
        with pytest.raises(errors.ContentError, match="rewritten"):
            await file.check(14, Mark(6, digest(b"HEADER")))
        with path.open("r+b") as writer:
            writer.write(b"HEADER")
        with pytest.raises(errors.ContentError, match="rewritten"):
            await file.check(14, None)
        os.truncate(path, 9)
        with pytest.raises(errors.ContentError, match="shorter"):
            file.look()


async def test_the_name_stands_for_it(tmp_path: Path) -> None:
    path = tmp_path / "capture.mkv"
    path.write_bytes(b"one")
    with open_live(path) as file:
        path.rename(tmp_path / "moved.mkv")
        with pytest.raises(errors.NoInputError, match="vanished"):
            file.look()
        path.write_bytes(b"two")
        with pytest.raises(errors.ContentError, match="replaced"):
            file.look()


async def test_a_pipe_is_spooled_to_its_end(tmp_path: Path) -> None:
    source, sink = os.pipe()
    spool = Spool.make(tmp_path, source)
    with spool:
        spool.begin()
        assert (spool.path.stat().st_mode & 0o777) == 0o600
        os.write(sink, b"one")
        await until(lambda: spool.look().size == 3)
        assert not spool.look().closed
        with abandoned(tmp_path) as left:
            assert left == []  # somebody lives who records it
        os.write(sink, b"two")
        os.close(sink)
        await until(lambda: spool.look().closed)
        assert spool.read(0, 100) == b"onetwo"
    os.close(source)
    with abandoned(tmp_path) as left:
        assert left == [spool.path]


async def test_a_pipe_can_be_ended_from_here(tmp_path: Path) -> None:
    source, sink = os.pipe()
    with mock.patch.object(live_spool, "QUIET", 0.0):
        spool = Spool.make(tmp_path, source)
        spool.begin()
        os.write(sink, b"one")
        await until(lambda: spool.look().size == 3)
        assert not spool.look().closed
        spool.end_soon()
        assert spool.look().closed
    os.close(sink)
    await until(lambda: spool._ended)
    os.close(source)
    with spool:
        pass
