# SPDX-License-Identifier: GPL-3.0-only
"""What Table 1 says of files that were moved, edited and uploaded before."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from terminal_client.connections import Connections
from terminal_client.errors import NoInputError
from terminal_client.folders.carrier import Carrier
from terminal_client.folders.refusals import shape_now
from terminal_client.library import Item
from terminal_client.matching import Remembered
from terminal_client.memory import Memory
from terminal_client.reading import shape_of
from terminal_client.uploading import Uploads
from tests.unit.terminal_client.folders.rig import item


class Rig:
    """A carrier with a real memory; its uploads are those of a test."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.memory = Memory(folder / "memory.sqlite")
        uploads = object.__new__(Uploads)
        self.carrier = Carrier(uploads, self.memory, object.__new__(Connections))

        async def bring(
            path: Path, progress: object, *, begin: Callable[[Remembered], None]
        ) -> Item:
            begin(self._begun(path))
            return item(path)

        monkeypatch.setattr(uploads, "bring", bring)

    def _begun(self, path: Path) -> Remembered:
        return self.memory.begin(path.resolve(), shape_of(path.stat()))

    def uploaded(self, path: Path, *, whole: bool = True) -> str:
        entry = self.memory.begin(path, shape_of(path.stat()))
        if whole:
            digest = hashlib.sha256(path.read_bytes()).hexdigest()
            self.memory.finish(entry, digest)
        return entry.number

    async def moved(self, path: Path) -> bool:
        shape = shape_now(path)
        assert shape is not None
        return await self.carrier.moved(path, shape)

    def unknown(self, *paths: Path) -> list[Path]:
        return self.carrier.unknown([(path, shape_of(path.stat())) for path in paths])


@pytest.fixture
def rig(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Rig:
    (tmp_path / "old").mkdir()
    (tmp_path / "new").mkdir()
    return Rig(tmp_path, monkeypatch)


def test_what_was_uploaded_is_known_until_it_changes(rig: Rig, tmp_path: Path) -> None:
    whole, half, never = (tmp_path / name for name in ("whole", "half", "never"))
    for path in (whole, half, never):
        path.write_text("x")
    rig.uploaded(whole)
    rig.uploaded(half, whole=False)
    assert rig.unknown(whole, half, never) == [half, never]
    whole.write_text("y")
    assert rig.unknown(whole) == [whole]


async def test_another_folder_is_no_other_file(rig: Rig, tmp_path: Path) -> None:
    old, new = tmp_path / "old" / "film", tmp_path / "new" / "film"
    old.write_text("x")
    number = rig.uploaded(old)
    old.rename(new)
    assert await rig.moved(new)
    entry = rig.memory.by_path(new)
    assert entry is not None
    assert entry.number == number
    assert rig.unknown(new) == []
    assert rig.memory.by_path(old) is None
    assert not await rig.moved(new)  # it is where it was


async def test_half_an_upload_moves_too(rig: Rig, tmp_path: Path) -> None:
    old, new = tmp_path / "old" / "film", tmp_path / "new" / "film"
    old.write_text("x")
    number = rig.uploaded(old, whole=False)
    old.rename(new)
    assert not await rig.moved(new)  # the rest is still to come
    entry = rig.memory.by_path(new)
    assert entry is not None
    assert (entry.number, entry.sha256) == (number, None)
    assert entry.shape == shape_of(new.stat())


async def test_what_is_another_file(rig: Rig, tmp_path: Path) -> None:
    old, new = tmp_path / "old" / "film", tmp_path / "new" / "film"
    old.write_text("x")
    rig.uploaded(old)
    renamed = tmp_path / "old" / "other name"
    old.rename(renamed)
    assert not await rig.moved(renamed)  # recipients would see the old name
    renamed.rename(old)
    new.write_bytes(old.read_bytes())
    stat = old.stat()

    def same_times() -> None:
        os.utime(new, ns=(stat.st_atime_ns, stat.st_mtime_ns))

    same_times()
    assert not await rig.moved(new)  # a copy: the other one is still there
    old.unlink()
    new.write_text("y")
    same_times()
    assert not await rig.moved(new)  # as large and as old, but not the same
    new.write_text("x")
    same_times()
    assert await rig.moved(new)


async def test_a_link_that_came_in_between_is_refused(rig: Rig, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("x")
    link = tmp_path / "link"
    link.symlink_to("secret")
    with pytest.raises(NoInputError, match="symbolic link"):
        await rig.carrier.bring(link, lambda done, total: None)
