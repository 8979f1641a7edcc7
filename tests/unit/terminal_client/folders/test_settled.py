# SPDX-License-Identifier: GPL-3.0-only
"""Whether a file is whole."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from terminal_client.errors import NoInputError
from terminal_client.folders import settled
from terminal_client.folders.settled import QUIET, State, probe
from tests.unit.privileges import kept_out


def test_nobody_has_it_open(tmp_path: Path) -> None:
    file = tmp_path / "file"
    with file.open("w") as writer:
        writer.write("x")
        writer.flush()
        assert probe(file, None, 0).state is State.WRITTEN
    found = probe(file, None, 0)
    assert found.state is State.READY
    assert found.shape is not None
    assert found.shape.size == 1


def test_where_nothing_tells_it_has_to_be_quiet(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def silent(handle: int) -> bool:
        raise PermissionError("not the owner")

    monkeypatch.setattr(settled, "nobody_writes", silent)
    file = tmp_path / "file"
    file.write_text("x")
    now = file.stat().st_mtime
    first = probe(file, None, now)
    assert first.state is State.FRESH
    assert probe(file, first.shape, now).state is State.READY
    assert probe(file, None, now + QUIET).state is State.READY
    file.write_text("xx")
    assert probe(file, first.shape, now).state is State.FRESH


def test_what_is_no_file_to_upload(tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    (tmp_path / "file").write_text("x")
    (tmp_path / "link").symlink_to("file")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder/file").write_text("x")
    (tmp_path / "round").symlink_to("folder")
    (tmp_path / "endless").symlink_to("endless")
    os.mkfifo(tmp_path / "pipe")
    expected = {
        "empty": State.OTHER,
        "link": State.OTHER,
        "pipe": State.OTHER,
        "round/file": State.OTHER,
        "endless/file": State.OTHER,
        "folder": State.FOLDER,
        "missing": State.GONE,
        "file/below": State.GONE,
    }
    assert {
        name: probe(tmp_path / name, None, 0).state for name in expected
    } == expected


def test_what_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    (tmp_path / "file").chmod(0)
    with kept_out(), pytest.raises(NoInputError, match="permission denied"):
        probe(tmp_path / "file", None, 0)
