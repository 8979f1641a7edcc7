# SPDX-License-Identifier: GPL-3.0-only
"""Uploads of what still grows: cuts, ended terminals, pauses, files that change."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from pathlib import Path
from typing import BinaryIO
from unittest import mock

import pytest

from terminal_client import attempts, chunks, errors, live, live_attempt
from terminal_client.attempts import Attempts
from terminal_client.connections import Connections
from terminal_client.live import LiveUploads
from terminal_client.live_file import open_live
from terminal_client.live_spool import Spool
from terminal_client.memory import Memory
from terminal_client.profile import Profile
from terminal_client.upload_attempt import Receipt
from terminal_client.uploading import Uploads
from tests.unit.smtpd.test_hostile import until
from tests.unit.terminal_client.fakes import PASSWORD, Talk, servers
from tests.unit.terminal_client.test_outgoing import Target


@pytest.fixture(autouse=True)
def _quick() -> Iterator[None]:
    """Small chunks and no pauses: nothing here waits for time."""
    with (
        mock.patch.multiple(
            chunks, CHUNK_FIRST=3000, CHUNK_LEAST=3000, CHUNK_MOST=3000
        ),
        mock.patch.multiple(live_attempt, POLL=0.001, PIECE=700),
        mock.patch.object(live, "AGAIN", 0.0),
        mock.patch.object(attempts, "WAITS", (0.0, 0.0)),
    ):
        yield


@asynccontextmanager
async def terminal(profile: Profile) -> AsyncIterator[LiveUploads]:
    connections = Connections(profile, PASSWORD)
    memory = Memory(profile.memory_file)
    uploads = Uploads(profile, memory, connections)
    try:
        yield LiveUploads(profile, memory, connections, uploads)
    finally:
        await connections.close()


async def upload(profile: Profile, path: Path, seen: list[int]) -> Receipt:
    """Upload a file as one run of the program does, up to its receipt."""
    async with terminal(profile) as uploads:
        with open_live(path) as file:
            tries = Attempts(lambda done, total: seen.append(done))
            _, receipt = await uploads._upload(file, path.name, tries)
    return receipt


def reached(seen: list[int], octets: int) -> bool:
    return bool(seen) and seen[-1] == octets


@contextmanager
def writing(path: Path) -> Iterator[BinaryIO]:
    with path.open("wb", buffering=0) as writer:
        yield writer


async def test_it_is_uploaded_until_it_is_closed(tmp_path: Path) -> None:
    path, target, seen = tmp_path / "a.mkv", Target(), list[int]()
    async with servers(tmp_path, smtp=target.serve) as made:
        with writing(path) as writer:
            running = asyncio.ensure_future(upload(made.profile, path, seen))
            for n in range(1, 5):
                writer.write(bytes([n]) * 2500)
                await until(partial(reached, seen, 2500 * n))
        receipt = await running
    head, _, content = target.message.partition(b"\r\n\r\n")
    assert content == path.read_bytes()
    assert receipt.octets == 10_000
    assert b"size=" not in head
    assert target.last_size == 0
    assert seen == sorted(seen)


@pytest.mark.parametrize("alone", [True, False])
async def test_it_goes_on_where_it_was(tmp_path: Path, alone: bool) -> None:
    """By itself after a cut; by another run of the program when it was ended."""
    path, target, seen = tmp_path / "a.mkv", Target(), list[int]()
    target.cuts = [(9000, 5000), (12_000, 11_000), (12_000, None)]
    octets = os.urandom(20_000)
    async with servers(tmp_path, smtp=target.serve) as made:
        with writing(path) as writer:
            writer.write(octets[:9000])
            running = asyncio.ensure_future(upload(made.profile, path, seen))
            await until(lambda: bool(target.held))
            if not alone:
                running.cancel()
                await asyncio.gather(running, return_exceptions=True)
                running = asyncio.ensure_future(upload(made.profile, path, seen))
            writer.write(octets[9000:])
        receipt = await running
    assert receipt.octets == len(octets)
    assert target.message.partition(b"\r\n\r\n")[2] == octets
    assert len(set(target.transids)) == 1
    assert target.offsets[:2] == [0, 5000]


async def test_a_server_that_is_away_for_long_ends_no_recording(tmp_path: Path) -> None:
    path, target, seen = tmp_path / "a.mkv", Target(), list[int]()
    target.cuts = [(4000, 3000), *[(1, 3000)] * 12]
    async with servers(tmp_path, smtp=target.serve) as made:
        with writing(path) as writer:
            running = asyncio.ensure_future(upload(made.profile, path, seen))
            writer.write(bytes(2000))
            await until(lambda: bool(seen) and seen[-1] == 2000)
            writer.write(bytes(8000))
            await until(lambda: seen[-1] == 10_000)
        assert (await running).octets == 10_000
    assert len(target.transids) > 3 * len(attempts.WAITS)


async def test_a_pause_is_told_by_noop(tmp_path: Path) -> None:
    path, heard = tmp_path / "a.mkv", asyncio.Event()
    target = Target()

    async def serve(talk: Talk) -> None:
        hear = talk.hear

        async def but_noop(beginning: str = "") -> str:
            while True:
                line = await hear()
                if line != "NOOP":
                    assert line.startswith(beginning), line
                    return line
                heard.set()
                await talk.say("250 2.0.0 ok")

        with mock.patch.object(talk, "hear", but_noop):
            await target.serve(talk)

    async with servers(tmp_path, smtp=serve) as made:
        with writing(path) as writer, mock.patch.object(live_attempt, "NOOP_EVERY", 0):
            writer.write(b"one")
            running = asyncio.ensure_future(upload(made.profile, path, []))
            await heard.wait()
            writer.write(b"two")
        await running
    assert target.message.endswith(b"\r\n\r\nonetwo")


async def test_an_idle_server_that_hangs_up_costs_nothing(tmp_path: Path) -> None:
    path, target, seen = tmp_path / "a.mkv", Target(), list[int]()
    connections = 0

    async def serve(talk: Talk) -> None:
        nonlocal connections
        connections += 1
        if connections > 1:
            await target.serve(talk)
            return
        await talk.smtp_login("CHUNKING", "BINARYMIME", "CHECKPOINT", "PIPELINING")
        mail = await talk.hear("MAIL")
        await talk.hear("RCPT")
        await talk.say("250 2.1.0 ok", "250 2.1.5 ok")
        _, size = (await talk.hear("BDAT")).split(" ")
        body = await talk.reader.readexactly(int(size))
        target.held[mail.partition("TRANSID=<")[2].rstrip(">")] = body
        await talk.say("250 2.0.0 ok", "421 4.4.2 idle for too long")

    async with servers(tmp_path, smtp=serve) as made:
        with writing(path) as writer:
            writer.write(bytes(500))
            running = asyncio.ensure_future(upload(made.profile, path, seen))
            await until(lambda: bool(target.held))
            writer.write(bytes(500))
        assert (await running).octets == 1000
    assert connections == 2
    assert target.offsets[0] > 500


async def test_what_was_rewritten_is_never_acknowledged(tmp_path: Path) -> None:
    path, target, seen = tmp_path / "a.wav", Target(), list[int]()
    target.answers = ["", "250 2.1.0 known, and then RSET"]
    async with servers(tmp_path, smtp=target.serve) as made:
        with writing(path) as writer:
            writer.write(b"RIFF????" + bytes(4000))
            running = asyncio.ensure_future(upload(made.profile, path, seen))
            await until(lambda: bool(seen) and seen[-1] == 4008)
            writer.seek(4)
            writer.write(b"4000")  # as recorders do when they close
        with pytest.raises(errors.ContentError, match="rewritten"):
            await running
        assert target.message == b""
        # Nothing to go on with: the next run begins anew, with the file as it is now.
        assert (await upload(made.profile, path, [])).octets == 4008
    assert len(set(target.transids)) == 2


async def test_a_pipe_leaves_nothing_behind(tmp_path: Path) -> None:
    target = Target()
    source, sink = os.pipe()
    async with (
        servers(tmp_path, smtp=target.serve) as made,
        terminal(made.profile) as uploads,
    ):
        spool = Spool.make(made.profile.directory, source)
        os.write(sink, b"one")
        with mock.patch.object(uploads._uploads, "arrived"):
            running = asyncio.ensure_future(
                uploads.spool(spool, "x.tar", lambda done, total: None)
            )
            os.write(sink, b"two")
            os.close(sink)
            await running
    os.close(source)
    assert target.message.endswith(b"\r\n\r\nonetwo")
    assert b"x.tar" in target.message
    assert list(made.profile.directory.glob("live-*")) == []


async def test_what_a_pipe_is_called_is_kept_before_its_first_octet(
    tmp_path: Path,
) -> None:
    source, sink = os.pipe()
    heads: list[bytes] = []
    async with (
        servers(tmp_path, smtp=Target().serve) as made,
        terminal(made.profile) as uploads,
    ):
        spool = Spool.make(made.profile.directory, source)

        def begin() -> None:
            kept = uploads._kept(spool)
            assert kept is not None
            heads.append(kept.begun.head)
            raise errors.StoppedError("killed")

        with (
            mock.patch.object(spool, "begin", begin),
            pytest.raises(errors.StoppedError),
        ):
            await uploads.spool(spool, "x.tar", lambda done, total: None)
        await uploads.finish_abandoned(lambda done, total: None)  # there was nothing
    os.close(source)
    os.close(sink)
    assert b"x.tar" in heads[0]
    assert list(made.profile.directory.glob("live-*")) == []


async def test_what_is_left_of_a_pipe_is_finished_by_the_next(tmp_path: Path) -> None:
    target = Target()
    target.cuts = [(3000, 2000)]
    source, sink = os.pipe()
    async with servers(tmp_path, smtp=target.serve) as made:
        async with terminal(made.profile) as uploads:
            spool = Spool.make(made.profile.directory, source)
            os.write(sink, bytes(8000))
            running = asyncio.ensure_future(
                uploads.spool(spool, "x.tar", lambda done, total: None)
            )
            await until(lambda: bool(target.held))
            running.cancel()  # a kill would not even do this
            await asyncio.gather(running, return_exceptions=True)
        os.close(sink)
        await until(lambda: spool._ended)
        spool._file.close()
        async with terminal(made.profile) as uploads:
            with mock.patch.object(uploads._uploads, "arrived") as arrived:
                await uploads.finish_abandoned(lambda done, total: None)
            arrived.assert_awaited_once()
    os.close(source)
    assert b"x.tar" in target.message
    assert target.message.endswith(bytes(8000))
    assert target.offsets[:2] == [0, 2000]
    assert list(made.profile.directory.glob("live-*")) == []


async def test_two_at_once_upload_it_once(tmp_path: Path) -> None:
    path, target, seen = tmp_path / "a.mkv", Target(), list[int]()
    async with (
        servers(tmp_path, smtp=target.serve) as made,
        terminal(made.profile) as one,
        terminal(made.profile) as two,
    ):
        with (
            mock.patch.object(one._uploads, "arrived"),
            mock.patch.object(two._uploads, "bring") as ordinary,
            mock.patch.object(two._uploads, "item"),
        ):
            with writing(path) as writer:
                writer.write(b"one")
                first = asyncio.ensure_future(
                    one.file(path, lambda done, total: seen.append(done), None)
                )
                await until(partial(reached, seen, 3))
                second = asyncio.ensure_future(two.file(path, lambda *_: None, None))
                writer.write(b"two")
                await until(partial(reached, seen, 6))
            await first
            await second
        ordinary.assert_awaited_once()  # which finds it there
    assert len(target.transids) == 1
