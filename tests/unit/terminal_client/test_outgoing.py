# SPDX-License-Identifier: GPL-3.0-only
"""Uploads through cuts and ended terminals: the same message, from where it was."""

from __future__ import annotations

import asyncio
import random
import re
import sqlite3
import tempfile
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from unittest import mock

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from terminal_client import attempts, chunks, errors, hashing, reading, upload_attempt
from terminal_client.attempts import Attempts
from terminal_client.connections import Connections
from terminal_client.memory import Memory
from terminal_client.outgoing import Outgoing
from terminal_client.profile import Profile
from tests.unit.terminal_client.fakes import PASSWORD, Talk, landed, servers


@dataclass
class Target:
    """A server that keeps what has arrived under a TRANSID, and hangs up at times.

    ``cuts``: for each connection, octets of content after which it ends, and how many
    of the octets held then are kept; None forgets the transaction.
    """

    cuts: list[tuple[int, int | None]] = field(default_factory=list)
    answers: list[str] = field(default_factory=list)
    """Said to MAIL instead, first to last; "" for nothing else."""
    held: dict[str, bytes] = field(default_factory=dict)
    transids: list[str] = field(default_factory=list)
    offsets: list[int] = field(default_factory=list)
    given_up: list[str] = field(default_factory=list)
    message: bytes = b""
    last_size: int = -1
    receipt: str = ""

    async def serve(self, talk: Talk) -> None:
        await talk.smtp_login("CHUNKING", "BINARYMIME", "CHECKPOINT", "PIPELINING")
        while not (line := await talk.hear()).startswith("QUIT"):
            if line.startswith("MAIL"):
                if not await self._transaction(talk, line):
                    talk.writer.close()
                    await talk.writer.wait_closed()
                    return
            else:
                await talk.say("250 2.0.0 ok")
        await talk.say("221 2.0.0 bye")

    async def _transaction(self, talk: Talk, mail: str) -> bool:
        found = re.search(r"TRANSID=<([^>]+)>", mail)
        assert found
        transid = found[1]
        self.transids.append(transid)
        answer = self.answers.pop(0) if self.answers else ""
        if answer:
            await talk.say(answer)
            return True
        body = self.held.get(transid, b"")
        if body:
            await talk.say(f"355 {len(body)} is the transaction offset")
        else:
            await talk.say("250 2.1.0 ok")
            await talk.hear("RCPT TO:<alice+library@a.example>")
            await talk.say("250 2.1.5 ok")
        self.offsets.append(len(body))
        return await self._content(talk, transid, body)

    async def _content(self, talk: Talk, transid: str, body: bytes) -> bool:
        left, kept = self.cuts.pop(0) if self.cuts else (2**40, None)
        while True:
            line = await talk.hear()
            if line == "RSET":  # given up (RFC 5321 §4.1.1.5)
                self.given_up.append(transid)
                self.held.pop(transid, None)
                await talk.say("250 2.0.0 ok")
                return True
            verb, size, *last = line.split(" ")
            assert verb == "BDAT"
            count = min(int(size), left)
            body += await talk.reader.readexactly(count)
            left -= count
            if left <= 0:
                self.held[transid] = body[: min(kept, len(body))] if kept else b""
                return False
            if last:
                self.message, self.last_size = body, int(size)
                content = body.partition(b"\r\n\r\n")[2]
                await talk.say(self.receipt or landed(content))
                self.receipt = ""
                return True
            await talk.say("250 2.0.0 ok")


async def upload(
    profile: Profile, path: Path, seen: list[int] | None = None
) -> upload_attempt.Receipt:
    """Upload as one run of the program does."""
    connections = Connections(profile, PASSWORD)
    outgoing = Outgoing(profile, Memory(profile.memory_file), connections)

    def progress(done: int, total: int) -> None:
        if seen is not None:
            seen.append(done)

    tries = Attempts(progress)
    try:
        async with outgoing.turn(path, tries):
            _, receipt = await outgoing.upload(path, tries)
        return receipt
    finally:
        await connections.close()


async def run(folder: Path, target: Target, content: bytes, *, alone: bool) -> None:
    path = folder / "film.mov"
    path.write_bytes(content)
    async with servers(folder, smtp=target.serve) as made:
        with (
            mock.patch.multiple(
                chunks, CHUNK_FIRST=3000, CHUNK_LEAST=3000, CHUNK_MOST=3000
            ),
            mock.patch.object(reading, "PIECE", 700),
            mock.patch.object(attempts, "WAITS", (0.0,) * 20 if alone else ()),
            mock.patch.multiple(hashing, PIECE=512, STEP=2048),
        ):
            seen: list[int] = []
            while True:
                try:
                    await upload(made.profile, path, seen)
                except errors.TryLaterError:
                    assert not alone
                else:
                    break
            assert seen == sorted(seen)  # not even over a new run
            assert seen[-1] == len(content)
    assert target.message.partition(b"\r\n\r\n")[2] == content


@settings(max_examples=40, deadline=None)
@given(
    size=st.integers(0, 12_000),
    cuts=st.lists(
        st.tuples(st.integers(1, 6000), st.one_of(st.none(), st.integers(1, 15_000))),
        max_size=6,
    ),
    alone=st.booleans(),
)
def test_any_cuts_give_the_same_message(
    size: int, cuts: list[tuple[int, int | None]], alone: bool
) -> None:
    target = Target(list(cuts))
    content = random.Random(size).randbytes(size)
    with tempfile.TemporaryDirectory() as name:
        asyncio.run(run(Path(name), target, content, alone=alone))
    assert len(set(target.transids)) == 1


async def test_a_lost_last_reply_costs_no_octet(tmp_path: Path) -> None:
    path, target = tmp_path / "film.mov", Target()
    path.write_bytes(bytes(9000))
    async with servers(tmp_path, smtp=target.serve) as made:
        await begun(made.profile, path, target)
        (transid,) = target.transids
        with closing(sqlite3.connect(made.profile.memory_file)) as base:
            (head,) = base.execute("SELECT head FROM uploads").fetchone()
        target.held[transid] = head + bytes(9000)
        await upload(made.profile, path)
    assert target.last_size == 0
    assert target.offsets == [0, len(head) + 9000]


async def begun(profile: Profile, path: Path, target: Target) -> None:
    """Begin an upload that is cut after 3,000 octets, of which 2,000 are kept."""
    target.cuts = [(3000, 2000)]
    with mock.patch.object(attempts, "WAITS", ()), pytest.raises(errors.TryLaterError):
        await upload(profile, path)


CHANGED = errors.ContentError("it changed")


async def test_a_file_that_changed_is_another_upload(tmp_path: Path) -> None:
    path, target = tmp_path / "film.mov", Target()
    path.write_bytes(bytes(9000))
    async with servers(tmp_path, smtp=target.serve) as made:
        await begun(made.profile, path, target)
        path.write_bytes(b"x" * 9000)
        await upload(made.profile, path)
    first, again, second = target.transids
    assert first == again != second
    assert target.given_up == [first]  # it was shown, and will never be whole
    assert target.offsets == [0, 2000, 0]
    assert target.message.endswith(b"x" * 9000)


async def test_a_file_that_went_away_is_given_up(tmp_path: Path) -> None:
    path, target = tmp_path / "film.mov", Target()
    path.write_bytes(bytes(9000))
    async with servers(tmp_path, smtp=target.serve) as made:
        await begun(made.profile, path, target)
        path.unlink()
        connections = Connections(made.profile, PASSWORD)
        outgoing = Outgoing(made.profile, Memory(made.profile.memory_file), connections)
        for _ in range(2):  # once is enough
            await outgoing.abandon(path)
        await connections.close()
    assert target.given_up == target.transids[:1]


async def test_a_file_that_changes_meanwhile_is_given_up(tmp_path: Path) -> None:
    path, target = tmp_path / "film.mov", Target()
    path.write_bytes(bytes(9000))
    async with servers(tmp_path, smtp=target.serve) as made:
        await begun(made.profile, path, target)
        with (
            mock.patch.object(reading.LocalFile, "_next", side_effect=CHANGED),
            pytest.raises(errors.ContentError),
        ):
            await upload(made.profile, path)
        assert len(set(target.transids)) == 1
        assert target.given_up == target.transids[:1]
        await upload(made.profile, path)
    assert len(set(target.transids)) == 2
    assert target.message.endswith(bytes(9000))


@pytest.mark.parametrize(
    "answer",
    ["550 5.7.1 not yours", "355 99999999 is the transaction offset", "355 soon"],
)
async def test_what_cannot_go_on_begins_anew(tmp_path: Path, answer: str) -> None:
    path, target = tmp_path / "film.mov", Target()
    path.write_bytes(bytes(9000))
    async with servers(tmp_path, smtp=target.serve) as made:
        await begun(made.profile, path, target)
        target.answers = [answer]
        await upload(made.profile, path)
    first, again, anew = target.transids
    assert first == again != anew
    assert target.offsets == [0, 0]


async def test_what_was_removed_while_it_arrived_is_over(tmp_path: Path) -> None:
    """It does not begin anew by itself; the next run does."""
    path, target = tmp_path / "film.mov", Target()
    path.write_bytes(bytes(9000))
    async with servers(tmp_path, smtp=target.serve) as made:
        await begun(made.profile, path, target)
        target.answers = ["554 5.6.0 it was removed while it arrived"] * 2
        with pytest.raises(errors.ContentError, match="it was removed while"):
            await upload(made.profile, path)
        assert len(set(target.transids)) == 1
        await upload(made.profile, path)
    assert len(set(target.transids)) == 2
    assert target.message.endswith(bytes(9000))


async def test_other_octets_there_begin_anew(tmp_path: Path) -> None:
    path, target = tmp_path / "film.mov", Target()
    path.write_bytes(bytes(9000))
    async with servers(tmp_path, smtp=target.serve) as made:
        await begun(made.profile, path, target)
        target.receipt = landed(b"something else", 9000)
        receipt = await upload(made.profile, path)
    assert target.offsets == [0, 2000, 0]
    assert receipt.octets == 9000


async def test_a_server_that_has_not_noticed_yet(tmp_path: Path) -> None:
    path, target = tmp_path / "film.mov", Target()
    path.write_bytes(bytes(9000))
    async with servers(tmp_path, smtp=target.serve) as made:
        await begun(made.profile, path, target)
        target.answers = ["450 4.3.2 another connection sends it"] * 3
        with mock.patch.object(attempts, "WAITS", (0.0,) * 5):
            await upload(made.profile, path)
    assert len(set(target.transids)) == 1
    assert target.offsets == [0, 2000]


async def test_another_account_begins_anew(tmp_path: Path) -> None:
    path, target = tmp_path / "film.mov", Target()
    path.write_bytes(bytes(9000))
    async with servers(tmp_path, smtp=target.serve) as made:
        await begun(made.profile, path, target)
        memory = made.profile.memory_file
        with closing(sqlite3.connect(memory)) as base, base:
            base.execute("UPDATE uploads SET account = 'eve@a.example'")
        await upload(made.profile, path)
    assert len(set(target.transids)) == 2


async def test_two_at_once_take_turns(tmp_path: Path) -> None:
    path, target = tmp_path / "film.mov", Target()
    path.write_bytes(bytes(9000))
    async with servers(tmp_path, smtp=target.serve) as made:
        connections = Connections(made.profile, PASSWORD)
        memory = Memory(made.profile.memory_file)
        first = Outgoing(made.profile, memory, connections)
        second = Outgoing(made.profile, memory, connections)
        tries = Attempts(lambda done, total: None)

        async def wait() -> bool:
            async with second.turn(path, tries) as waited:
                return waited

        async with first.turn(path, tries) as waited:
            assert not waited
            heard = asyncio.Event()
            with mock.patch.object(tries, "tell", side_effect=lambda _: heard.set()):
                waiting = asyncio.ensure_future(wait())
                await heard.wait()
        assert await waiting
        assert list(made.profile.directory.glob("*.lock")) == []
        await connections.close()
