# SPDX-License-Identifier: GPL-3.0-only
"""What the system tells of folders: real folders, real events."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from terminal_client.folders import events
from terminal_client.folders.events import Changes, FolderEvents


class Told:
    """What was told, gathered."""

    def __init__(self, source: FolderEvents) -> None:
        self._source = source.changes()
        self.remarks: list[str] = []

    async def next(self) -> Changes:
        async with asyncio.timeout(30):
            return await anext(self._source)

    async def until(self, path: Path) -> set[Path]:
        """Return what was told up to an event of a path."""
        found: set[Path] = set()
        while path not in found:
            found |= await self.next() or set()
        return found


@asynccontextmanager
async def watched(*roots: Path, every: float = 3600.0) -> AsyncIterator[Told]:
    told = Told(FolderEvents(roots, [], lambda text: None, every))
    assert await told.next() is None  # everything, at first
    try:
        yield told
    finally:
        await told._source.aclose()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "root" / "deep").mkdir(parents=True)
    (tmp_path / "outside").mkdir()
    (tmp_path / "root" / "link").symlink_to(tmp_path / "outside")
    return tmp_path / "root"


async def test_files(root: Path) -> None:
    async with watched(root) as told:
        (root / "deep" / "a").write_text("x")
        await told.until(root / "deep" / "a")
        (root / "deep" / "a").rename(root / "b")
        assert root / "deep" / "a" in await told.until(root / "b")


async def test_links_lead_nowhere(root: Path) -> None:
    async with watched(root) as told:
        (root / "link" / "secret").write_text("x")
        (root / "a").write_text("x")
        assert await told.until(root / "a") == {root / "a"}


async def test_new_folders_are_watched(root: Path) -> None:
    async with watched(root) as told:
        (root / "new").mkdir()
        await told.until(root / "new")
        (root / "new" / "a").write_text("x")
        await told.until(root / "new" / "a")
        (root / "new").rename(root / "newer")
        await told.until(root / "newer")
        (root / "newer" / "b").write_text("x")
        await told.until(root / "newer" / "b")


async def test_names_that_are_no_text(root: Path) -> None:
    name = os.fsdecode(b"\xff.bin")
    async with watched(root) as told:
        (root / "deep" / name).write_text("x")
        assert await told.next() is None
        (root / "a").write_text("x")
        await told.until(root / "a")
    (root / os.fsdecode(b"\xfe")).mkdir()
    async with watched(root):
        pass


async def test_everything_is_looked_at_now_and_then(root: Path) -> None:
    async with watched(root, every=0.001) as told:
        assert await told.next() is None


async def test_so_many_that_some_may_be_lost(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events, "MANY", 100)
    async with watched(root) as told:
        for number in range(3000):
            (root / str(number)).write_text("x")
        while await told.next() is not None:
            pass


async def test_a_folder_that_cannot_be_watched(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(folders: list[Path]) -> None:
        raise OSError("OS file watch limit reached. about [x]")

    monkeypatch.setattr(events, "_watcher", full)
    monkeypatch.setattr(events, "AGAIN", 0.0)
    remarks: list[str] = []
    told = Told(FolderEvents([root], [], remarks.append))
    for _ in range(3):
        assert await told.next() is None
    await told._source.aclose()
    assert remarks == [
        "the system does not watch these folders (os file watch limit reached): "
        "they are looked through every 0 s"
    ]


async def test_a_root_that_comes_later(tmp_path: Path) -> None:
    root = tmp_path / "later"
    async with watched(root, every=0.001) as told:
        root.mkdir()
        (root / "a").write_text("x")
        assert await told.next() is None
