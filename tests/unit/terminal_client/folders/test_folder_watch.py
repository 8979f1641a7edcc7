# SPDX-License-Identifier: GPL-3.0-only
"""The watch, with a fake clock, fake events and a fake server."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from terminal_client import errors
from terminal_client.folders import finder as finding
from terminal_client.folders.agenda import Agenda
from terminal_client.folders.network import Network
from terminal_client.folders.told import Kind
from tests.unit.terminal_client.folders.rig import METERED, UNMETERED, Rig


def write(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).write_text(name)


async def test_what_is_there_is_uploaded_once(tmp_path: Path) -> None:
    write(tmp_path, "a", "b", ".hidden")
    rig = Rig(tmp_path, once=True)
    rig.gate.heard(UNMETERED)
    tally = await rig.run_once()
    assert sorted(rig.carrier.tried) == ["a", "b"]
    assert (tally.uploaded, tally.left, tally.refused) == (2, 0, 0)
    again = Rig(tmp_path, once=True)
    again.carrier.known = rig.carrier.known
    again.gate.heard(UNMETERED)
    assert (await again.run_once()).uploaded == 0
    assert again.carrier.tried == []


async def test_nothing_flows_before_the_network_is_known(tmp_path: Path) -> None:
    write(tmp_path, "a")
    rig = Rig(tmp_path)
    async with rig.running():
        await asyncio.sleep(0)
        assert rig.carrier.tried == []
        rig.gate.heard(UNMETERED)
        await rig.until(Kind.UPLOADED, "a")


async def test_it_pauses_in_the_middle_and_goes_on(tmp_path: Path) -> None:
    write(tmp_path, "film")
    rig = Rig(tmp_path)
    rig.carrier.held["film"] = asyncio.Event()
    rig.gate.heard(UNMETERED)
    async with rig.running():
        await rig.carrier.began.wait()
        rig.gate.heard(METERED)
        paused = await rig.until(Kind.PAUSED, "film")
        assert paused.octets == 2  # half of it
        rested = rig.carrier.rested
        await rig.eventually(lambda: rig.carrier.rested >= rested)
        assert rig.carrier.tried == ["film"]
        rig.carrier.held["film"].set()
        rig.gate.heard(UNMETERED)
        await rig.until(Kind.RESUMED)
        await rig.until(Kind.UPLOADED, "film")
    assert [each.kind for each in rig.told].count(Kind.PAUSED) == 1


async def test_once_ends_on_a_metered_network(tmp_path: Path) -> None:
    write(tmp_path, "a")
    rig = Rig(tmp_path, once=True)
    rig.gate.heard(METERED)
    with pytest.raises(errors.TryLaterError, match="--on-metered"):
        await rig.run_once()
    assert rig.carrier.tried == []


async def test_one_bad_file_stops_no_other(tmp_path: Path) -> None:
    names = ("bug", "content", "large", "ok", "quota", "restart")
    write(tmp_path, *names)
    (tmp_path / "quota").write_text("larger than the others")
    rig = Rig(tmp_path, once=True)
    rig.carrier.errors = {
        "bug": [ZeroDivisionError()],
        "content": [errors.ContentError("name refused")],
        "large": [errors.UnavailableError("too large")],
        "quota": [errors.NoRoomError("no room")],
        "restart": [errors.RestartError("again")],
    }
    rig.gate.heard(UNMETERED)
    tally = await rig.run_once()
    assert (tally.uploaded, tally.left, tally.refused) == (1, 1, 4)
    assert tally.status != 0
    assert rig.carrier.verified == 1  # known for a while
    assert sorted(rig.carrier.tried) == sorted(names)


async def test_what_was_refused_is_tried_when_it_changes(tmp_path: Path) -> None:
    write(tmp_path, "a")
    rig = Rig(tmp_path)
    rig.carrier.errors["a"] = [errors.ContentError("refused"), errors.ContentError("x")]
    rig.gate.heard(UNMETERED)
    async with rig.running():
        await rig.until(Kind.REFUSED, "a")
        write(tmp_path, "b")
        await rig.happens("a", "b")
        await rig.pass_time()
        await rig.until(Kind.UPLOADED, "b")
        assert rig.carrier.tried == ["a", "b"]
        (tmp_path / "a").write_text("other")
        await rig.happens("a")
        await rig.pass_time()
        await rig.until(Kind.REFUSED, "a", 2)
        assert rig.carrier.tried == ["a", "b", "a"]


async def test_the_server_is_away(tmp_path: Path) -> None:
    write(tmp_path, "a")
    rig = Rig(tmp_path)
    away = errors.UnreachableError("no way; check")
    rig.carrier.errors["a"] = [away] * 30
    rig.gate.heard(UNMETERED)
    async with rig.running():
        told = await rig.until(Kind.WAITING)
        assert told.text == "no way; trying again"
        while rig.root / "a" not in rig.carrier.known:
            await rig.pass_time(1000)
            rig.gate.heard(Network(reachable=False))
            rig.gate.heard(UNMETERED)  # it has come back: no need to wait
        await rig.until(Kind.UPLOADED, "a")
        await rig.until(Kind.RESUMED)
    kinds = [each.kind for each in rig.told]
    assert kinds.count(Kind.WAITING) == 1  # said once


async def test_once_gives_up_some_time(tmp_path: Path) -> None:
    write(tmp_path, *(str(n) for n in range(10)))
    rig = Rig(tmp_path, once=True)
    away = errors.UnreachableError("no way; check")
    rig.carrier.errors = {str(n): [away] * 9 for n in range(10)}
    rig.gate.heard(UNMETERED)
    with pytest.raises(errors.TryLaterError, match="5 times in a row"):
        await rig.run_once()


async def test_a_password_that_changed_ends_it(tmp_path: Path) -> None:
    write(tmp_path, "a")
    rig = Rig(tmp_path)
    no = errors.NotAllowedError("535; log in")
    rig.carrier.errors["a"] = [no]
    rig.carrier.door = [no]
    rig.gate.heard(UNMETERED)
    with pytest.raises(errors.NotAllowedError):
        await rig.run_once()


async def test_a_file_that_may_not_be_sent_is_refused_alone(tmp_path: Path) -> None:
    write(tmp_path, "a", "b")
    rig = Rig(tmp_path, once=True)
    rig.carrier.errors["a"] = [errors.NotAllowedError("550 5.7.1 not this")]
    rig.gate.heard(UNMETERED)
    tally = await rig.run_once()
    assert (tally.uploaded, tally.refused, tally.status) == (1, 1, os.EX_NOPERM)


async def test_no_room_waits_and_smaller_ones_go_on(tmp_path: Path) -> None:
    (tmp_path / "1large").write_text("x" * 100)
    rig = Rig(tmp_path)
    rig.carrier.errors["1large"] = [errors.NoRoomError("full")]
    rig.gate.heard(UNMETERED)
    async with rig.running():
        waiting = await rig.until(Kind.WAITING, "1large")
        assert waiting.seconds is not None
        (tmp_path / "2small").write_text("x")
        await rig.happens("2small")
        await rig.pass_time(2)
        await rig.until(Kind.UPLOADED, "2small")
        assert rig.carrier.tried == ["1large", "2small"]
        await rig.pass_time(waiting.seconds)
        await rig.until(Kind.UPLOADED, "1large")


async def test_an_edit_in_the_middle_begins_anew_later(tmp_path: Path) -> None:
    write(tmp_path, "film")
    rig = Rig(tmp_path)
    rig.carrier.held["film"] = asyncio.Event()
    rig.gate.heard(UNMETERED)
    async with rig.running():
        await rig.carrier.began.wait()
        (tmp_path / "film").write_text("another one")
        await rig.happens("film")
        await rig.eventually(lambda: rig.watch._now is None)
        rig.carrier.held["film"].set()
        await rig.pass_time(10)
        await rig.until(Kind.UPLOADED, "film")
        assert rig.carrier.tried == ["film", "film"]
        assert rig.finder.restless.quiet(rig.root / "film", rig.now) > 1


async def test_a_look_alone_cuts_nothing(tmp_path: Path) -> None:
    write(tmp_path, "film")
    rig = Rig(tmp_path)
    rig.carrier.held["film"] = asyncio.Event()
    rig.gate.heard(UNMETERED)
    async with rig.running():
        await rig.carrier.began.wait()
        await rig.happens("film")
        await rig.look()
        rig.carrier.held["film"].set()
        await rig.until(Kind.UPLOADED, "film")
        assert rig.carrier.tried == ["film"]


async def test_a_file_that_went_away_is_given_up(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    rig.gate.heard(UNMETERED)
    async with rig.running():
        await rig.happens("gone")
        await rig.pass_time(1.5)
        await rig.eventually(lambda: rig.finder.agenda.wait(0) == rig.now + 1)
        assert rig.carrier.abandoned == []  # it may be somewhere else now
        await rig.pass_time(1.5)
        await rig.eventually(lambda: rig.carrier.abandoned == ["gone"])


async def test_a_disk_that_was_taken_out_takes_nothing_back(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    rig = Rig(disk)
    rig.gate.heard(UNMETERED)
    async with rig.running():
        await rig.eventually(lambda: rig.finder.is_here(disk / "film"))
        away = disk.rename(tmp_path / "away")
        assert not rig.finder.is_here(disk / "film")
        disk.mkdir()
        await rig.look()
        await rig.eventually(lambda: rig.finder._look_at is None)
        assert not rig.finder.is_here(disk / "film")
        disk.rmdir()
        away.rename(disk)
        assert rig.finder.is_here(disk / "film")


async def test_what_cannot_be_read_is_told_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def scandir(path: Path) -> object:
        if path.name == "closed":
            raise PermissionError(path)
        return real(path)

    real = os.scandir
    monkeypatch.setattr(os, "scandir", scandir)
    (tmp_path / "closed").mkdir()
    rig = Rig(tmp_path)
    rig.gate.heard(UNMETERED)
    async with rig.running():
        await rig.until(Kind.TOLD)
        for name in ("a", "b"):
            write(tmp_path, name)
            await rig.look()
            await rig.until(Kind.UPLOADED, name)
        await rig.eventually(lambda: rig.finder._walk is None)
    assert [each.kind for each in rig.told].count(Kind.TOLD) == 1


async def test_what_is_written_waits_and_once_leaves_it(tmp_path: Path) -> None:
    with (tmp_path / "a").open("w") as writer:
        writer.write("x")
        writer.flush()
        rig = Rig(tmp_path, once=True)
        rig.gate.heard(UNMETERED)
        assert (await rig.run_once()).left == 1
        assert rig.told[-1].kind is Kind.LEFT
        rig = Rig(tmp_path)
        rig.gate.heard(UNMETERED)
        async with rig.running():
            await rig.eventually(lambda: len(rig.finder.agenda) == 1)
            writer.close()
            await rig.pass_time(10)
            await rig.until(Kind.UPLOADED, "a")


async def test_what_there_is_no_room_to_remember_is_found_again(
    tmp_path: Path,
) -> None:
    rig = Rig(tmp_path)
    rig.finder.agenda = Agenda(10)
    rig.gate.heard(UNMETERED)
    async with rig.running():
        await rig.eventually(lambda: not rig.finder._look_at and rig.carrier.rested > 0)
        names = [str(n) for n in range(100)]
        write(tmp_path, *names)
        await rig.happens(*names)
        await rig.pass_time(finding.CROWDED + 1)
        await rig.eventually(lambda: len(rig.carrier.known) == 100)
        assert sorted(rig.carrier.tried) == sorted(names)


async def test_thousands_of_files(tmp_path: Path) -> None:
    """Each is tried once, and few are in memory at a time."""
    for folder in range(10):
        (tmp_path / str(folder)).mkdir()
        for number in range(200):
            (tmp_path / str(folder) / f"{folder}-{number}").write_bytes(b"x")
    rig = Rig(tmp_path, once=True)
    rig.gate.heard(UNMETERED)
    most = 0
    bring = rig.carrier.bring

    async def counted(path: Path, progress: object) -> object:
        nonlocal most
        most = max(most, len(rig.finder._found) + len(rig.finder.agenda))
        return await bring(path, progress)  # type: ignore[arg-type] # passed on

    rig.carrier.bring = counted  # type: ignore[method-assign, assignment] # counted
    async with asyncio.timeout(100):
        tally = await rig.watch.run(rig._events())
    assert tally.uploaded == 2_000
    assert len(set(rig.carrier.tried)) == len(rig.carrier.tried) == 2_000
    assert most < 300


async def test_names_outside_are_not_looked_at(tmp_path: Path) -> None:
    rig = Rig(tmp_path / "root")
    for name in ("../other", ".git/config", "a/.b/c", "a/b.part", "."):
        rig.finder.take({rig.root / name})
    assert len(rig.finder.agenda) == 1  # the root itself
