# SPDX-License-Identifier: GPL-3.0-only
"""Table 1: its columns, its numbers, and who may read it."""

from __future__ import annotations

import os
import sqlite3
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from terminal_client.errors import LocalInputOutputError
from terminal_client.matching import Shape
from terminal_client.memory import Memory, fresh_code

SHAPE = Shape(size=5, mtime_ns=10, ctime_ns=11)
DIGEST = "ab" * 32


@pytest.fixture
def memory(tmp_path: Path) -> Memory:
    return Memory(tmp_path / "profile" / "memory.sqlite")


def test_only_the_owner_can_read_it(tmp_path: Path, memory: Memory) -> None:
    memory.begin(Path("/x"), SHAPE)
    (file,) = (tmp_path / "profile").iterdir()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700


def test_the_journal_has_the_files_permissions(tmp_path: Path, memory: Memory) -> None:
    memory.begin(Path("/x"), SHAPE)
    base = sqlite3.connect(tmp_path / "profile" / "memory.sqlite")
    with base:
        base.execute("UPDATE table1 SET sharing = 1")
        for file in (tmp_path / "profile").iterdir():
            assert stat.S_IMODE(file.stat().st_mode) == 0o600, file
    base.close()


def test_numbers_are_the_seeds(memory: Memory) -> None:
    assert memory.begin(Path("/one"), SHAPE).number == "001"
    assert memory.begin(Path("/two"), SHAPE).number == "002"
    assert memory.begin(Path("/one"), SHAPE).number == "001"
    assert [row.path for row in memory.everything()] == ["/one", "/two"]


def test_a_new_upload_has_a_new_code_and_no_flag(memory: Memory) -> None:
    first = memory.begin(Path("/one"), SHAPE)
    memory.finish(first, DIGEST)
    kept = memory.by_path(Path("/one"))
    assert kept is not None
    assert (kept.sharing, kept.sha256, kept.code) == (True, DIGEST, first.code)
    second = memory.begin(Path("/one"), SHAPE)
    assert (second.sharing, second.sha256) == (False, None)
    assert second.code != first.code


def test_the_end_of_an_older_upload_says_nothing(memory: Memory) -> None:
    older = memory.begin(Path("/one"), SHAPE)
    memory.begin(Path("/one"), SHAPE)
    memory.finish(older, DIGEST)
    kept = memory.by_path(Path("/one"))
    assert kept is not None
    assert not kept.sharing


def test_the_flag_is_what_the_check_found(memory: Memory) -> None:
    entry = memory.begin(Path("/one"), SHAPE)
    memory.finish(entry, DIGEST)
    memory.set_sharing(entry, False)
    kept = memory.by_path(Path("/one"))
    assert kept is not None
    assert (kept.sharing, kept.sha256) == (False, DIGEST)


def test_new_times_of_the_same_content_are_kept(memory: Memory) -> None:
    entry = memory.begin(Path("/one"), SHAPE)
    memory.touch(entry, Shape(5, 20, 21))
    kept = memory.by_path(Path("/one"))
    assert kept is not None
    assert kept.shape == Shape(5, 20, 21)


def test_the_terminals_id_stays(memory: Memory) -> None:
    assert memory.terminal() == memory.terminal()
    assert len(memory.terminal()) == 16


def test_codes_are_long_and_differ() -> None:
    codes = {fresh_code() for _ in range(1000)}
    assert len(codes) == 1000
    assert all(len(code) == 12 and code.isalnum() for code in codes)


def test_a_broken_file_is_told(tmp_path: Path) -> None:
    file = tmp_path / "memory.sqlite"
    file.write_bytes(b"no data base" * 1000)
    with pytest.raises(LocalInputOutputError, match=r"memory\.sqlite"):
        Memory(file).terminal()


def test_two_at_once_are_one_terminal(memory: Memory, tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        seen = set(pool.map(lambda _: memory.terminal(), range(8)))
    assert len(seen) == 1
    base = sqlite3.connect(tmp_path / "profile" / "memory.sqlite")
    assert base.execute("SELECT count(*) FROM terminal").fetchone() == (1,)
    base.close()


def test_a_path_need_not_be_utf8(memory: Memory) -> None:
    path = Path(os.fsdecode(b"/tmp/\xff.txt"))
    entry = memory.begin(path, SHAPE)
    assert memory.by_path(path) == entry
    assert memory.by_path(Path("/tmp/\ufffd.txt")) is None


@pytest.mark.parametrize("number", ["", "002", "x", "٣", "9" * 30, "-1"])
def test_a_number_of_somebody_else_is_no_row(memory: Memory, number: str) -> None:
    entry = memory.begin(Path("/one"), SHAPE)
    assert memory.by_number(number, entry.code) is None
    assert memory.by_number("001", "other") is None
    assert memory.by_number("1", entry.code) == entry


def test_a_file_that_moved_keeps_its_number(memory: Memory) -> None:
    entry = memory.begin(Path("/one"), SHAPE)
    memory.finish(entry, DIGEST)
    other = memory.begin(Path("/three"), SHAPE)
    moved = Shape(SHAPE.size, SHAPE.mtime_ns, 99)
    assert [row.path for row in memory.alike(moved)] == ["/one", "/three"]
    memory.move(entry, Path("/two"), moved)
    found = memory.by_paths([Path("/one"), Path("/two"), Path("/three")])
    assert {path: row.number for path, row in found.items()} == {
        Path("/two"): entry.number,
        Path("/three"): other.number,
    }
    assert found[Path("/two")].shape == moved
    memory.move(entry, Path("/three"), moved)  # somebody was faster
    assert memory.by_path(Path("/two")) is not None
