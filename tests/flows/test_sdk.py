# SPDX-License-Identifier: GPL-3.0-only
"""The road again, told by a program of twenty lines instead of a command."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

import pytest

from terminal_client import Terminal
from terminal_client.errors import NoInputError
from tests.flows.programs import LIMIT, Programs, sha256

T = TypeVar("T")


async def soon(look: Callable[[], Awaitable[T | None]]) -> T:
    """Return the first true answer of ``look``."""
    async with asyncio.timeout(LIMIT):
        while True:
            if found := await look():
                return found
            await asyncio.sleep(0.05)


async def test_the_road_as_a_library(programs: Programs, tmp_path: Path) -> None:
    file = tmp_path / "sdk.bin"
    file.write_bytes(os.urandom(7_000_000))
    seen: list[int] = []
    async with (
        Terminal.open(programs.account("alice")["profile"]) as alice,
        Terminal.open(programs.account("bob")["profile"]) as bob,
    ):
        item = await alice.upload(file, progress=lambda done, _: seen.append(done))
        assert item.uploaded
        assert seen == sorted(seen)
        assert seen[-1] == item.size == 7_000_000
        assert item.sha256 == sha256(file)
        assert not (await alice.upload(file)).uploaded

        (sent,) = await alice.send(item, "bob@b.example", note="wie versprochen: ✓")

        async def offered() -> str | None:
            async for waiting in bob.offers():
                if waiting.offer.name == file.name:
                    assert waiting.offer.note == "wie versprochen: ✓"
                    return waiting.offer.id
            return None

        accepted = await bob.accept(await soon(offered))
        assert accepted.offer.sha256 == item.sha256
        states = []
        async with asyncio.timeout(LIMIT):
            async for (transfer,) in alice.follow(sent.id, interval=0.05):
                states.append(transfer.state)
                assert transfer.octets <= transfer.size
        assert states[-1] == "sent"

        (received,) = [i for i in await bob.items() if i.name == file.name]
        assert received.sha256 == item.sha256
        assert (received.own, received.sender) == (False, "alice@a.example")
        for number in (1, 2):
            got = await bob.get(received.id, _made(tmp_path / str(number)))
            assert got.name == file.name
            assert sha256(got) == sha256(file)


async def test_several_things_at_once(programs: Programs, tmp_path: Path) -> None:
    """One terminal, two uploads and two downloads side by side."""
    files = [tmp_path / f"at once {n}.bin" for n in range(2)]
    for file in files:
        file.write_bytes(os.urandom(2_000_000))
    async with Terminal.open(programs.account("carol")["profile"]) as carol:
        items = await asyncio.gather(*(carol.upload(file) for file in files))
        places = await asyncio.gather(
            *(carol.get(item, _made(tmp_path / item.id)) for item in items)
        )
        for file, place in zip(files, places, strict=True):
            assert sha256(place) == sha256(file)


async def test_what_is_not_there(programs: Programs, tmp_path: Path) -> None:
    async with Terminal.open(programs.account("carol")["profile"]) as carol:
        for doing in (
            carol.get("no such thing", tmp_path),
            carol.accept("no such offer"),
            carol.transfers("no such transfer"),
        ):
            with pytest.raises(NoInputError):
                await doing
    assert _names(tmp_path) == []


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True)
    return folder


def _names(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]
