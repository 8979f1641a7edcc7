# SPDX-License-Identifier: GPL-3.0-only
"""Going through folders: everything once, nothing outside."""

from __future__ import annotations

import os
from pathlib import Path

from terminal_client.folders.walk import Walk, folders
from tests.unit.privileges import kept_out


def tree(folder: Path) -> Path:
    for each in ("root/a/b", "root/.git", "root/spared", "outside"):
        (folder / each).mkdir(parents=True)
    for each in ("root/1", "root/a/2", "root/a/b/3", "outside/no", "root/spared/no"):
        (folder / each).write_text("x")
    (folder / "root/.git/no").write_text("x")
    (folder / "root/link").symlink_to(folder / "outside")
    (folder / "root/no").symlink_to(folder / "outside/no")
    (folder / "root/round").symlink_to(folder / "root")
    os.mkfifo(folder / "root/pipe")
    return folder / "root"


def test_files(tmp_path: Path) -> None:
    root = tree(tmp_path)
    walk = Walk([root], [root / "spared"])
    found = walk.some()
    assert sorted(path.name for path, _ in found) == ["1", "2", "3"]
    assert {shape.size for _, shape in found} == {1}
    assert walk.some() == []


def test_a_few_at_a_time(tmp_path: Path) -> None:
    for number in range(25):
        (tmp_path / str(number)).write_text("x")
    walk = Walk([tmp_path])
    sizes = [len(walk.some(10)) for _ in range(4)]
    assert sizes == [10, 10, 5, 0]


def test_folders_to_watch(tmp_path: Path) -> None:
    root = tree(tmp_path)
    found = folders([root, tmp_path / "missing"], [root / "spared"])
    assert sorted(found) == [root, root / "a", root / "a" / "b"]


def test_what_cannot_be_read_is_counted(tmp_path: Path) -> None:
    (tmp_path / "closed").mkdir(mode=0)
    (tmp_path / "file").write_text("x")
    walk = Walk([tmp_path])
    with kept_out():
        assert len(walk.some()) == 1
    assert walk.unreadable == 1
