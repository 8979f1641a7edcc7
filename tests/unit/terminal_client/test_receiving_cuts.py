# SPDX-License-Identifier: GPL-3.0-only
"""Downloads through cuts and ended terminals: the same file, hardly an octet twice."""

from __future__ import annotations

import asyncio
import hashlib
import io
import random
import re
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from unittest import mock

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from terminal_client import attempts, download, errors, hashing
from terminal_client.connections import Connections
from terminal_client.destination import destination
from terminal_client.library import Item
from terminal_client.memory import Memory
from terminal_client.receiving import Receiving
from tests.unit.terminal_client.fakes import PASSWORD, Talk, servers

SLICE = 1000
_RANGE = re.compile(r"UID FETCH 7 \(BINARY\.PEEK\[2\]<(\d+)\.(\d+)>\)")


@dataclass
class Source:
    """A server of one item that hangs up after so many octets of content."""

    content: bytes
    cuts: list[int] = field(default_factory=list)
    served: int = 0
    asked: list[int] = field(default_factory=list)
    """The offset that each connection asked for first."""

    async def serve(self, talk: Talk) -> None:
        await talk.imap_login()
        left = self.cuts.pop(0) if self.cuts else 2**40
        first = True
        while True:
            tag, _, command = (await talk.hear()).partition(" ")
            found = _RANGE.fullmatch(command)
            if command == "LOGOUT":
                return
            if found is None:
                assert command.startswith("EXAMINE")
                await talk.say("* OK [UIDVALIDITY 3] v", f"{tag} OK")
                continue
            start, count = int(found[1]), int(found[2])
            if first:
                self.asked.append(start)
                first = False
            octets = self.content[start : start + count]
            head = b"* 1 FETCH (UID 7 BINARY[2]<%d> ~{%d}\r\n" % (start, len(octets))
            self.served += min(left, len(octets))
            talk.writer.write(head + octets[:left])
            if left <= len(octets):
                talk.writer.close()
                await talk.writer.wait_closed()
                return
            left -= len(octets)
            await talk.say(")", f"{tag} OK")


def item_of(content: bytes, digest: str | None = "") -> Item:
    if digest == "":
        digest = hashlib.sha256(content).hexdigest()
    return Item("i1", 7, "2", "f.bin", "x/y", len(content), digest, False, None, None)


async def run(
    folder: Path, source: Source, item: Item, *, alone: bool
) -> tuple[Path, list[list[int]]]:
    """Get the item; unless ``alone``, every cut ends a run and a person begins anew."""
    runs: list[list[int]] = []
    waits = (0.0,) * 8 if alone else ()
    async with servers(folder, imap=source.serve) as made:
        target = folder / "here"
        target.mkdir()
        memory = Memory(made.profile.memory_file)
        with (
            mock.patch.object(download, "SLICE", SLICE),
            mock.patch.object(attempts, "WAITS", waits),
            mock.patch.multiple(hashing, PIECE=512, STEP=2048),
        ):
            while True:
                connections = Connections(made.profile, PASSWORD)
                runs.append([])
                place = destination(item, target, made.profile.address, replace=False)
                try:
                    kept = await Receiving(
                        connections, memory, item, lambda d, t: runs[-1].append(d)
                    ).into_file(place)
                except errors.TryLaterError:
                    assert not alone
                else:
                    return kept, runs
                finally:
                    await connections.close()


@settings(max_examples=40, deadline=None)
@given(
    size=st.integers(0, 15_000),
    cuts=st.lists(st.integers(1, 6000), max_size=6),
    alone=st.booleans(),
)
def test_any_cuts_give_the_same_file(size: int, cuts: list[int], alone: bool) -> None:
    content = random.Random(size).randbytes(size)
    source = Source(content, list(cuts))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        kept, runs = asyncio.run(run(folder, source, item_of(content), alone=alone))
        assert kept.read_bytes() == content
        assert [p.name for p in kept.parent.iterdir()] == ["f.bin"]
    happened = len(cuts) - len(source.cuts)
    assert source.served <= size + happened * SLICE
    assert source.asked == sorted(source.asked)
    seen = [done for one in runs for done in one]
    assert seen == sorted(seen)  # not even over a new run
    assert seen[-1] == size


async def test_what_was_left_and_is_wrong_is_got_again(tmp_path: Path) -> None:
    """A power cut may leave zeros where octets were: the digest tells."""
    content = random.Random(1).randbytes(5000)
    source, item = Source(content), item_of(content)
    async with servers(tmp_path, imap=source.serve) as made:
        place = destination(item, tmp_path, made.profile.address, replace=False)
        place.open(item.size).sink.write(bytes(3000))
        place.close()
        connections = Connections(made.profile, PASSWORD)
        place = destination(item, tmp_path, made.profile.address, replace=False)
        memory = Memory(made.profile.memory_file)
        getting = Receiving(connections, memory, item, lambda d, t: None)
        kept = await getting.into_file(place)
        await connections.close()
    assert kept.read_bytes() == content
    assert source.served == 2000 + 5000


async def test_wrong_from_the_beginning_is_wrong(tmp_path: Path) -> None:
    source, item = Source(bytes(5000)), item_of(b"x" * 5000)
    with pytest.raises(errors.ContentError, match="not what was sent"):
        await run(tmp_path, source, item, alone=True)
    assert source.served == 5000
    assert list((tmp_path / "here").iterdir()) == []


async def test_without_a_digest_nothing_is_trusted(tmp_path: Path) -> None:
    content = random.Random(2).randbytes(5000)
    source = Source(content, [2500])
    kept, _ = await run(tmp_path, source, item_of(content, None), alone=False)
    assert kept.read_bytes() == content
    assert source.asked == [0, 0]


async def test_a_stream_goes_on_too(tmp_path: Path) -> None:
    content = random.Random(3).randbytes(9000)
    source, sink = Source(content, [2500, 100, 3000]), io.BytesIO()
    async with servers(tmp_path, imap=source.serve) as made:
        with (
            mock.patch.object(download, "SLICE", SLICE),
            mock.patch.object(attempts, "WAITS", (0.0,) * 3),
        ):
            connections = Connections(made.profile, PASSWORD)
            memory = Memory(made.profile.memory_file)
            item = item_of(content)
            await Receiving(connections, memory, item, lambda d, t: None).into(sink)
            await connections.close()
    assert sink.getvalue() == content
