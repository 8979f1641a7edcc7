# SPDX-License-Identifier: GPL-3.0-only
"""Downloads: in slices over one connection, whole and verified or not there."""

from __future__ import annotations

import hashlib
import io
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from terminal_client import download, errors
from terminal_client.library import Item
from terminal_client.session_imap import MailboxConnection
from terminal_client.tls import client_context
from tests.unit.terminal_client.fakes import PASSWORD, Talk, servers

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer as Buffer

_RANGE = re.compile(r"UID FETCH 7 \(BINARY\.PEEK\[2\]<(\d+)\.(\d+)>\)")


def item(size: int) -> Item:
    return Item("item1", 7, "2", "film.mov", "x/y", size, None, False, None, None)


async def serve_ranges(talk: Talk, content: bytes) -> None:
    """Answer slices of section 2 of message 7, as many as are asked for."""
    await talk.imap_login()
    while True:
        tag, _, command = (await talk.hear()).partition(" ")
        found = _RANGE.fullmatch(command)
        assert found, command
        start, count = int(found[1]), int(found[2])
        octets = content[start : start + count]
        talk.writer.write(
            b"* 1 FETCH (UID 7 BINARY[2]<%d> ~{%d}\r\n" % (start, len(octets)) + octets
        )
        await talk.say(")", f"{tag} OK")


async def fetch(
    folder: Path, content: bytes, size: int, seen: list[int]
) -> tuple[bytes, str]:
    sink = io.BytesIO()
    async with servers(folder, imap=lambda talk: serve_ranges(talk, content)) as made:
        connection = MailboxConnection(made.profile, client_context(made.profile))
        await connection.open(PASSWORD)
        try:
            digest = await download.content(
                connection, item(size), sink, lambda done, total: seen.append(done)
            )
        finally:
            connection.abort()
    return sink.getvalue(), digest


@pytest.mark.parametrize("size", [0, 1, 999, 1000, 10_001])
async def test_slices_make_the_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    monkeypatch.setattr(download, "SLICE", 1000)
    content = os.urandom(size)
    seen: list[int] = []
    assert await fetch(tmp_path, content, size, seen) == (
        content,
        hashlib.sha256(content).hexdigest(),
    )
    assert seen == sorted(seen)
    assert seen[-1] == size


async def test_large_slices_go_around_the_reader(tmp_path: Path) -> None:
    content = os.urandom(2 * download.SLICE + 12_345)
    octets, digest = await fetch(tmp_path, content, len(content), [])
    assert octets == content
    assert digest == hashlib.sha256(content).hexdigest()


async def test_a_sink_that_takes_a_little_at_a_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Narrow(io.BytesIO):
        def write(self, octets: Buffer, /) -> int:
            return super().write(memoryview(octets)[:7])

    sink = Narrow()
    monkeypatch.setattr(io, "BytesIO", lambda: sink)
    content = os.urandom(1000)
    octets, _ = await fetch(tmp_path, content, len(content), [])
    assert octets == content


async def test_a_cut_within_a_large_slice(tmp_path: Path) -> None:
    async def cut(talk: Talk) -> None:
        await talk.imap_login()
        await talk.hear()
        talk.writer.write(b"* 1 FETCH (UID 7 BINARY[2]<0> ~{%d}\r\n" % download.SLICE)
        talk.writer.write(bytes(300_000))
        await talk.writer.drain()
        talk.writer.close()

    async with servers(tmp_path, imap=cut) as made:
        connection = MailboxConnection(made.profile, client_context(made.profile))
        await connection.open(PASSWORD)
        with pytest.raises(errors.TryLaterError, match="was lost"):
            await download.content(
                connection, item(download.SLICE), io.BytesIO(), lambda done, total: None
            )


async def test_content_that_ends_early(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(download, "SLICE", 1000)
    with pytest.raises(errors.ProtocolError, match="ends at octet 1500 of 5000"):
        await fetch(tmp_path, bytes(1500), 5000, [])


def filled(place: download.Destination, octets: bytes = b"new") -> Path:
    file = place.open(len(octets))
    file.write(octets)
    return place.keep()


def test_a_file_appears_whole(tmp_path: Path) -> None:
    place = download.destination("film.mov", tmp_path, replace=False)
    file = place.open(3)
    file.write(b"ne")
    assert [p.name for p in tmp_path.iterdir()] == ["film.mov.part"]
    file.write(b"w")
    assert place.keep() == tmp_path / "film.mov"
    place.discard()
    assert [p.name for p in tmp_path.iterdir()] == ["film.mov"]


def test_nothing_is_left_half_done(tmp_path: Path) -> None:
    place = download.destination("film.mov", tmp_path, replace=False)
    place.open(3).write(b"ne")
    place.discard()
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_exists_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "film.mov").write_text("old")
    place = download.destination("film.mov", tmp_path, replace=False)
    assert filled(place) == tmp_path / "film (2).mov"
    assert (tmp_path / "film.mov").read_text() == "old"


def test_a_file_that_comes_into_being_meanwhile_too(tmp_path: Path) -> None:
    place = download.destination("film.mov", tmp_path, replace=False)
    place.open(3).write(b"new")
    (tmp_path / "film.mov").write_text("old")
    assert place.keep() == tmp_path / "film (2).mov"
    assert (tmp_path / "film.mov").read_text() == "old"


def test_force_replaces(tmp_path: Path) -> None:
    (tmp_path / "film.mov").write_text("old")
    place = download.destination("film.mov", tmp_path, replace=True)
    assert filled(place).read_text() == "new"
    assert len(list(tmp_path.iterdir())) == 1


def test_a_name_that_was_asked_for_is_kept_or_refused(tmp_path: Path) -> None:
    wanted = tmp_path / "mine.mov"
    assert filled(download.destination("x", wanted, replace=False)) == wanted
    with pytest.raises(errors.CannotCreateError, match="--force"):
        filled(download.destination("x", wanted, replace=False))
    assert filled(download.destination("x", wanted, replace=True)) == wanted


def test_a_foreign_name_stays_in_its_directory(tmp_path: Path) -> None:
    place = download.destination("../../etc/passwd", tmp_path, replace=False)
    assert filled(place).parent == tmp_path


def test_a_link_at_the_part_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "film.mov.part").symlink_to(tmp_path / "precious")
    place = download.destination("film.mov", tmp_path, replace=False)
    with pytest.raises(errors.CannotCreateError):
        place.open(1)
    assert not (tmp_path / "precious").exists()


def test_no_room_is_known_before_any_octet(tmp_path: Path) -> None:
    place = download.destination("film.mov", tmp_path, replace=False)
    with pytest.raises(errors.CannotCreateError, match="has room for"):
        place.open(2**60)
    assert list(tmp_path.iterdir()) == []


def test_two_at_once(tmp_path: Path) -> None:
    first = download.destination("film.mov", tmp_path, replace=False)
    first.open(1)
    second = download.destination("film.mov", tmp_path, replace=False)
    with pytest.raises(errors.CannotCreateError, match="another mshare"):
        second.open(1)
    second.discard()
    first.discard()


def test_a_directory_that_is_not_there(tmp_path: Path) -> None:
    place = download.destination("x", tmp_path / "no" / "where", replace=False)
    with pytest.raises(errors.CannotCreateError):
        place.open(1)


def test_a_device_is_not_replaced(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with pytest.raises(errors.CannotCreateError, match="not a regular file"):
        download.destination("x", pipe, replace=True).open(1)
    assert pipe.is_fifo()
    assert list(tmp_path.iterdir()) == [pipe]


def test_a_part_with_another_name_is_not_written(tmp_path: Path) -> None:
    """Somebody who can link to it could read what comes."""
    (tmp_path / "eve").write_text("mine")
    os.link(tmp_path / "eve", tmp_path / "film.mov.part")
    with pytest.raises(errors.CannotCreateError, match="not ours"):
        filled(download.destination("film.mov", tmp_path, replace=False))
    assert (tmp_path / "eve").read_text() == "mine"


def test_a_part_that_was_left_is_written_again(tmp_path: Path) -> None:
    (tmp_path / "film.mov.part").write_text("half of something longer")
    place = filled(download.destination("film.mov", tmp_path, replace=False))
    assert place.read_text() == "new"
    assert len(list(tmp_path.iterdir())) == 1
