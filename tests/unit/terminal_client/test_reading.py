# SPDX-License-Identifier: GPL-3.0-only
"""Reading local files: whole and unchanged, or not at all."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from terminal_client import reading
from terminal_client.errors import ContentError, NoInputError, TerminalError


async def read(path: Path) -> tuple[bytes, str]:
    with reading.open_file(path) as file:
        octets = b"".join([piece async for piece in file.pieces()])
        return octets, file.digest


@pytest.mark.parametrize("size", [0, 1, reading.PIECE, reading.PIECE * 2 + 1])
async def test_everything_once(tmp_path: Path, size: int) -> None:
    path = tmp_path / "x"
    path.write_bytes(os.urandom(size))
    octets, digest = await read(path)
    assert octets == path.read_bytes()
    assert digest == hashlib.sha256(octets).hexdigest()


@pytest.mark.parametrize("size", [reading.PIECE // 2, reading.PIECE * 3])
async def test_a_file_that_shrinks(tmp_path: Path, size: int) -> None:
    path = tmp_path / "x"
    path.write_bytes(bytes(reading.PIECE * 4))
    with reading.open_file(path) as file:
        os.truncate(path, size)
        with pytest.raises(ContentError, match=r"shorter|changed"):
            async for _ in file.pieces():
                pass


async def test_a_file_that_changes_is_never_read_to_its_end(tmp_path: Path) -> None:
    """The last piece is kept back: without it no upload is complete."""
    path = tmp_path / "x"
    path.write_bytes(bytes(reading.PIECE * 3))
    came: list[int] = []

    async def read_and_edit(file: reading.LocalFile) -> None:
        async for piece in file.pieces():
            came.append(len(piece))
            with path.open("r+b") as other:
                other.write(os.urandom(8))
            os.utime(path)

    with reading.open_file(path) as file:
        with pytest.raises(ContentError, match="changed"):
            await read_and_edit(file)
        assert sum(came) < file.shape.size


async def test_a_file_that_vanishes(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(b"content")
    with reading.open_file(path) as file:
        path.unlink()
        with pytest.raises(NoInputError, match="vanished"):
            async for _ in file.pieces():
                pass


@pytest.mark.parametrize(
    ("name", "complaint"),
    [
        ("absent", "there is no file"),
        ("folder", "is a directory"),
        ("pipe", "is not a regular file"),
        ("loop", "cannot be read"),
        ("x" * 300, "cannot be read"),
    ],
)
def test_what_is_no_file(tmp_path: Path, name: str, complaint: str) -> None:
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    with pytest.raises(TerminalError, match=complaint) as caught:
        reading.open_file(tmp_path / name)
    assert caught.value.status == os.EX_NOINPUT


def test_links_lead_to_one_path(tmp_path: Path) -> None:
    (tmp_path / "x").touch()
    (tmp_path / "y").symlink_to("x")
    with reading.open_file(tmp_path / "y") as file:
        assert file.path == (tmp_path / "x").resolve()


@pytest.mark.parametrize("what", ["link", "pipe"])
async def test_what_takes_its_place_meanwhile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    """Neither is a link followed, nor is a pipe waited for."""
    path, secret = tmp_path / "x", tmp_path / "secret"
    path.write_text("x")
    secret.write_text("secret")
    flags = os.O_RDONLY

    def swap(name: Path, how: int) -> int:
        nonlocal flags
        flags = how
        path.unlink()
        if what == "link":
            path.symlink_to(secret)
        else:
            os.mkfifo(path)
        return real(name, how)

    real = os.open
    monkeypatch.setattr(os, "open", swap)
    with pytest.raises(NoInputError):
        reading.open_file(path)
    monkeypatch.undo()
    assert flags & os.O_NOFOLLOW
    assert flags & os.O_NONBLOCK
