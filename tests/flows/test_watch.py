# SPDX-License-Identifier: Apache-2.0
"""The seed: "Automatically upload content to the cloud server when WIFI is enabled"."""

from __future__ import annotations

import json
import os
import queue
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from signal import SIGKILL, SIGTERM
from typing import Any

import pytest

from tests.flows.legs import leg
from tests.flows.network_manager import (
    GUESS_YES,
    NO,
    YES,
    FakeNetworkManager,
    bus,
    has_dbus,
)
from tests.flows.programs import BIN, Programs, eventually, sha256
from tests.flows.proxy import CountingProxy

MIB = 2**20
SIZE = 64 * MIB
RATE = 16 * MIB
"""Octets a second that a way lets pass."""
WATERMARK = 16 * MIB
"""Octets at most that a server has taken and not recorded yet."""
ON_THE_WAY = 6 * MIB
"""Octets at most in socket buffers and pieces when a connection breaks."""
OVERHEAD = 1.01
"""What TLS and commands add, at most."""
SHARE = 8 * 1024
"""Octets on the terminal's leg that the share of an uploaded file may cost."""

needs_dbus = pytest.mark.skipif(not has_dbus, reason="dbus-daemon is not installed")


class Watching:
    """An account's ``mshare watch --json`` beside us; what it tells, in order."""

    def __init__(
        self, programs: Programs, name: str, *words: str | Path, bus: str = ""
    ) -> None:
        profile = programs.account(name)["profile"]
        address = bus or "unix:path=/nowhere"
        self.process = subprocess.Popen(
            [
                str(BIN / "mshare"),
                *("--profile", profile, "watch", "--json"),
                *map(str, words),
            ],
            env=os.environ | {"DBUS_SYSTEM_BUS_ADDRESS": address},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._told: queue.Queue[dict[str, Any]] = queue.Queue()
        self.everything: list[dict[str, Any]] = []
        self._passed: list[dict[str, Any]] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._told.put(json.loads(line))
        self._told.put({"event": "ended"})

    def until(self, event: str, name: str = "") -> dict[str, Any]:
        """Return the next event of a kind, about a file of this name.

        What is passed over may be waited for later: files take no turns.
        """
        for told in self._passed:
            if told["event"] == event and told.get("path", "").endswith(name):
                self._passed.remove(told)
                return told
        while True:
            told = self._told.get(timeout=60)
            self.everything.append(told)
            if told["event"] == event and told.get("path", "").endswith(name):
                return told
            self._passed.append(told)
            assert told["event"] != "ended", self.everything

    def end(self, signal: int = SIGTERM) -> tuple[int, str]:
        """End it; return status and complaint."""
        self.process.send_signal(signal)
        _, said = self.process.communicate(timeout=30)
        return self.process.returncode, said


@contextmanager
def watching(
    programs: Programs, name: str, *words: str | Path, bus: str = ""
) -> Iterator[Watching]:
    """Run one, and end it whatever happens."""
    found = Watching(programs, name, *words, bus=bus)
    with found.process:
        try:
            yield found
        finally:
            found.process.kill()


def names(programs: Programs, name: str) -> list[str]:
    """Return what an account's Library holds."""
    return [item["name"] for item in programs.mshare(name, "ls", "--json").json]


@needs_dbus
def test_upload_when_wifi_is_enabled(programs: Programs, tmp_path: Path) -> None:
    """It pauses when the network becomes metered, and goes on at the offset."""
    folder = tmp_path / "videos"
    folder.mkdir()
    film = folder / "wifi.bin"
    film.write_bytes(os.urandom(SIZE))
    with ExitStack() as stack:
        address = stack.enter_context(bus(tmp_path / "dbus"))
        network = stack.enter_context(FakeNetworkManager(address))
        way = stack.enter_context(throttled(programs, "alice"))
        watch = stack.enter_context(watching(programs, "alice", folder, bus=address))
        eventually(lambda: way.up >= SIZE // 2, "half of it is on its way")
        began = time.monotonic()
        network.say(YES)
        paused = watch.until("paused")
        delay = time.monotonic() - began
        at_pause = way.up
        print(f"paused {delay * 1000:.0f} ms after the signal, {at_pause:,} octets")
        assert paused["path"] == str(film)
        assert 0 < paused["octets"] < SIZE
        # Metered all the same: nothing begins, also not what appears now.
        connections = way.accepted
        (folder / "later.bin").write_bytes(os.urandom(MIB))
        network.say(GUESS_YES)
        assert way.accepted == connections
        assert way.up - at_pause <= ON_THE_WAY
        network.say(NO)
        watch.until("resumed")
        assert watch.until("uploaded")["item"]["sha256"] == sha256(film)
        watch.until("uploaded", "later.bin")
        assert way.accepted == connections + 1
        print(f"{way.up:,} octets went for {SIZE + MIB:,}")
        assert way.up <= (SIZE + MIB + WATERMARK + ON_THE_WAY) * OVERHEAD
        assert watch.end() == (
            130,
            "mshare: stopped; it goes on when it is run again\n",
        )
    assert not any(told["event"] == "told" for told in watch.everything)


@contextmanager
def throttled(programs: Programs, name: str) -> Iterator[CountingProxy]:
    """Let an account's uploads pass a way that is not fast."""
    profile = Path(programs.account(name)["profile"]) / "profile.toml"
    text = profile.read_text()
    port = programs.port(name, "submission")
    with CountingProxy(port, rate=RATE) as proxy:
        profile.write_text(text.replace(f":{port}", f":{proxy.port}"))
        try:
            yield proxy
        finally:
            profile.write_text(text)


def test_the_share_of_what_was_watched_costs_nothing(
    programs: Programs, tmp_path: Path
) -> None:
    folder = tmp_path / "videos"
    folder.mkdir()
    film = folder / "shared-later.bin"
    film.write_bytes(os.urandom(8 * MIB))
    with watching(programs, "carol", "--once", folder) as watch:
        watch.until("uploaded", film.name)
        assert watch.until("done")["uploaded"] == 1
        assert watch.process.wait(30) == 0
    with (
        leg(programs, "carol", "submission") as up,
        leg(programs, "carol", "imap") as look,
    ):
        programs.mshare("carol", "send", film, "bob@b.example")
        print(f"{up.total + look.total:,} octets for a share of 8 MiB")
        assert up.total + look.total < SHARE


def test_what_comes_and_what_does_not(programs: Programs, tmp_path: Path) -> None:
    folder, elsewhere = tmp_path / "inbox", tmp_path / "elsewhere"
    for each in (folder, elsewhere, folder / ".git", folder / "deep"):
        each.mkdir()
    (elsewhere / "secret.txt").write_text("nobody's business")
    (folder / "way-out").symlink_to(elsewhere)
    (folder / "secret.link").symlink_to(elsewhere / "secret.txt")
    for name in (".hidden", "half.mov.part", "half.crdownload", "edit.txt~", "none"):
        (folder / name).write_text("" if name == "none" else "not whole")
    (folder / ".git" / "config").write_text("hidden, too")
    (folder / "deep" / "there.txt").write_text("it was there")
    before = set(names(programs, "alice"))
    with watching(programs, "alice", folder) as watch:
        told = watch.until("uploaded", "there.txt")
        assert "NetworkManager" in watch.everything[1]["text"]
        with (folder / "grown.txt").open("w") as growing:
            growing.write("not all of it")
            growing.flush()
            # A folder with something in it, renamed from a name that is not content.
            (tmp_path / "new" / "er").mkdir(parents=True)
            (tmp_path / "new" / "er" / "moved-in.txt").write_text("all of it")
            (tmp_path / "new").rename(folder / "new")
            watch.until("uploaded", "moved-in.txt")
            growing.write(", now")
        watch.until("uploaded", "grown.txt")
        (folder / "half.mov.part").rename(folder / "whole.mov")
        watch.until("uploaded", "whole.mov")
        (folder / "new").rename(folder / "old")
        watch.until("moved", "old/er/moved-in.txt")
        (elsewhere / "late.txt").write_text("outside")
        (folder / "deep" / "there.txt").write_text("edited")
        again = watch.until("uploaded", "there.txt")["item"]
        assert again["number"] == told["item"]["number"]
        assert again["sha256"] != told["item"]["sha256"]
        watch.end()
    events = [(each["event"], each.get("path")) for each in watch.everything]
    assert len(events) == len(set(events)) + 1, events  # there.txt, twice
    fresh = set(names(programs, "alice")) - before
    assert fresh == {"there.txt", "grown.txt", "moved-in.txt", "whole.mov"}


def test_it_outlives_its_server_and_a_kill(programs: Programs, tmp_path: Path) -> None:
    """Even the file may be moved meanwhile: to another folder, not to another name."""
    folder = tmp_path / "steady"
    folder.mkdir()
    film = folder / "steady.bin"
    film.write_bytes(os.urandom(SIZE))
    with throttled(programs, "bob") as way:
        with watching(programs, "bob", folder) as watch:
            eventually(lambda: way.up >= SIZE // 2, "half of it is on its way")
            watch.end(SIGKILL)
        (folder / "deeper").mkdir()
        film = film.rename(folder / "deeper" / film.name)
        with watching(programs, "bob", folder) as watch:
            eventually(lambda: way.accepted == 2, "it goes on")
            programs.servers["b"].stop()
            (folder / "more.txt").write_text("meanwhile")
            watch.until("waiting")
            programs.servers["b"].start()
            watch.until("uploaded", film.name)
            watch.until("uploaded", "more.txt")
            watch.end()
        print(f"{way.up:,} octets went for {SIZE:,}")
        assert way.up <= (SIZE + 2 * (WATERMARK + ON_THE_WAY)) * OVERHEAD
    items = programs.mshare("bob", "ls", "--json").json
    (item,) = [i for i in items if i["name"] == film.name]
    assert item["sha256"] == sha256(film)


@needs_dbus
def test_once_does_not_wait(programs: Programs, tmp_path: Path) -> None:
    """On a metered network, and for what is being written, there is a next time."""
    folder = tmp_path / "once"
    folder.mkdir()
    (folder / "once.txt").write_text("once")
    with bus(tmp_path / "dbus") as address, FakeNetworkManager(address) as network:
        network.say(YES)
        with watching(programs, "alice", "--once", folder, bus=address) as watch:
            status, said = watch.process.wait(30), watch.end()[1]
            assert status == os.EX_TEMPFAIL
            assert "--on-metered" in said
        with (folder / "written.txt").open("w") as written:
            written.write("not all of it")
            written.flush()
            words = ("--once", "--on-metered", folder)
            with watching(programs, "alice", *words, bus=address) as watch:
                assert watch.until("done") == {
                    "event": "done",
                    "uploaded": 1,
                    "left": 1,
                    "refused": 0,
                }
                assert watch.process.wait(30) == os.EX_TEMPFAIL


def test_no_room_for_one_is_room_for_others(programs: Programs, tmp_path: Path) -> None:
    folder = tmp_path / "full"
    folder.mkdir()
    (folder / "large.bin").write_bytes(os.urandom(4 * MIB))
    (folder / "small.bin").write_bytes(os.urandom(MIB))
    quota = ("account", "quota", "bob@b.example")
    used = programs.maild("b", *quota, "--json").json["used"]
    programs.maild("b", *quota, str(used + 3 * MIB))
    try:
        with watching(programs, "bob", "--once", folder) as watch:
            told = watch.until("done")
            assert (told["uploaded"], told["left"], told["refused"]) == (1, 1, 0)
            assert watch.process.wait(30) == os.EX_TEMPFAIL
            (waiting,) = (e for e in watch.everything if e["event"] == "waiting")
            assert waiting["path"] == str(folder / "large.bin")
            assert "make room" in waiting["text"]
        programs.maild("b", *quota, str(used + 9 * MIB))
        with watching(programs, "bob", "--once", folder) as watch:
            assert watch.until("done")["uploaded"] == 1
    finally:
        programs.maild("b", *quota, "none")
