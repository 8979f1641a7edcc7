# SPDX-License-Identifier: Apache-2.0
"""What is slow is watched: told each second, never less, over kills and restarts."""

from __future__ import annotations

import imaplib
import json
import os
import re
import subprocess
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.flows.plain import mailbox
from tests.flows.programs import (
    BIN,
    Programs,
    edit,
    eventually,
    playground,
    sha256,
)
from tests.flows.proxy import CountingProxy
from tests.flows.story import offer_at
from tests.flows.test_kill import kill

MIB = 2**20
SIZE = 24 * MIB
RATE = 4 * MIB
"""Octets a second that cross the leg."""
AT_LEAST = 0.4
"""Updates for each second in which octets moved: 1, less what a busy machine misses."""


class Watcher:
    """``mshare status ID --watch --json`` in a process of its own."""

    def __init__(self, programs: Programs, name: str, transfer: str) -> None:
        self.told: list[dict[str, Any]] = []
        self.process = subprocess.Popen(
            [
                str(BIN / "mshare"),
                "--profile",
                programs.account(name)["profile"],
                *("status", transfer, "--watch", "--json"),
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._reading = threading.Thread(target=self._read, daemon=True)
        self._reading.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.told.append(json.loads(line))

    @property
    def octets(self) -> list[int]:
        """What was shown, in the order in which it was."""
        return [each["octets"] for each in self.told]

    def moved(self, more_than: int = 0) -> bool:
        """Whether it was told of so many octets."""
        return any(octets > more_than for octets in self.octets)

    def end(self) -> tuple[int, str]:
        """Wait for its end; return its exit status and what it remarked."""
        assert self.process.stderr is not None
        remarks = self.process.stderr.read()
        status = self.process.wait(timeout=60)
        self._reading.join()
        self.stop()
        return status, remarks

    def stop(self) -> None:
        """End it, if it has not ended."""
        self.process.kill()
        self.process.wait()
        for stream in (self.process.stdout, self.process.stderr):
            assert stream is not None
            stream.close()


@contextmanager
def watched(
    folder: Path, file: Path
) -> Iterator[tuple[Programs, CountingProxy, Watcher]]:
    """Yield while alice watches how a file of hers crosses a slow leg to bob."""
    proxies: list[CountingProxy] = []

    def change(made: Path) -> None:
        facts = json.loads((made / "playground.json").read_text())
        proxies.append(CountingProxy(facts["servers"]["b"]["smtp"], rate=RATE))
        address = f"127.0.0.1:{proxies[0].port}"
        edit(made / "a.toml", 'peer."b.example"', address=address)
        edit(made / "a.toml", "delivery", retry_first=0.5, retry_most=1.0)

    with ExitStack() as stack:
        programs = stack.enter_context(playground(folder, change=change))
        proxy = stack.enter_context(proxies[0])
        bob = programs.account("bob")["address"]
        sent = programs.mshare("alice", "send", file, bob, "--json").json
        watcher = Watcher(programs, "alice", sent["transfers"][0]["id"])
        stack.callback(watcher.stop)
        eventually(lambda: watcher.told, "the watcher sees it")
        programs.mshare("bob", "accept", offer_at(programs, "bob", file.name)["id"])
        yield programs, proxy, watcher


def queued(programs: Programs) -> dict[str, Any]:
    """Return what a's operator sees of the transfer."""
    (found,) = json.loads(programs.maild("a", "queue", "ls", "--all", "--json").out)
    return dict(found)


@pytest.mark.parametrize("victim", ["a", "b"])
def test_progress_is_told_each_second_and_never_less(
    tmp_path: Path, victim: str
) -> None:
    file = tmp_path / "slow.bin"
    file.write_bytes(bytes(range(256)) * (SIZE // 256))
    with watched(tmp_path / "playground", file) as (programs, proxy, watcher):
        eventually(lambda: watcher.moved(SIZE // 4), "a quarter is acknowledged")
        before = queued(programs)
        assert before["octets"] >= SIZE // 4
        assert before["percent"] >= 25
        assert before["rate"] is None or 0 < before["rate"] < 20 * RATE
        kill(programs.servers[victim])
        proxy.cut()
        held = max(watcher.octets)
        programs.servers[victim].start()
        assert queued(programs)["octets"] >= held
        eventually(lambda: watcher.moved(held), "it goes on")
        assert queued(programs)["octets"] >= held
        status, remarks = watcher.end()
        updates, moving = len(set(watcher.octets)), proxy.moving
        print(f"{victim} killed: {updates} updates in {moving} moving seconds")
    assert status == 0, remarks
    assert watcher.octets == sorted(watcher.octets)
    assert watcher.told[-1]["state"] == "sent"
    assert watcher.told[-1]["octets"] == SIZE
    assert updates >= AT_LEAST * moving
    assert ("trying again" in remarks) == (victim == "a"), remarks


@contextmanager
def slow_upload(
    programs: Programs, file: Path
) -> Iterator[tuple[CountingProxy, subprocess.Popen[str]]]:
    """Yield while carol uploads a file over a slow leg."""
    profile = Path(programs.account("carol")["profile"]) / "profile.toml"
    text, port = profile.read_text(), programs.port("carol", "submission")
    with CountingProxy(port, rate=RATE) as proxy:
        profile.write_text(text.replace(f":{port}", f":{proxy.port}"))
        words = ("--profile", str(profile.parent), "upload", str(file))
        try:
            with subprocess.Popen(
                [str(BIN / "mshare"), *words], stdout=subprocess.PIPE, text=True
            ) as process:
                yield proxy, process
        finally:
            profile.write_text(text)


def told_in_idle(box: imaplib.IMAP4_SSL) -> str:
    """Wait in IDLE for the name of an item's entry that has changed."""
    tag = box._new_tag()
    box.send(tag + b" IDLE\r\n")
    found = None
    while found is None:
        found = re.match(rb'\* METADATA Library "(.+/item/[^"]+)"', box.readline())
    box.send(b"DONE\r\n")
    while not box.readline().startswith(tag):
        pass
    return found[1].decode()


def entry(box: imaplib.IMAP4_SSL, name: str) -> dict[str, Any]:
    """Return what an entry of Library says."""
    tag = box._new_tag()
    box.send(tag + f" GETMETADATA Library {name}\r\n".encode())
    found: dict[str, Any] = {}
    while not (line := box.readline()).startswith(tag):
        value = re.search(rb' "(.*)"\)\r\n$', line)
        assert value, line
        found = json.loads(value[1].replace(b"\\", b""))
    return found


def test_an_item_that_arrives_is_told_each_second(
    programs: Programs, tmp_path: Path
) -> None:
    file = tmp_path / "arriving.bin"
    file.write_bytes(os.urandom(SIZE))
    box = mailbox(programs, "carol")
    box.sock.settimeout(60)
    assert box.enable("METADATA")[0] == "OK"
    told: list[dict[str, Any]] = []
    with slow_upload(programs, file) as (proxy, process):
        while not told or told[-1]["state"] != "whole":
            told.append(entry(box, told_in_idle(box)))
        assert process.wait(timeout=60) == 0
    octets = [each["octets"] for each in told]
    print(f"arriving: {len(set(octets))} updates in {proxy.moving} moving seconds")
    assert octets == sorted(octets)
    assert octets[-1] == SIZE
    assert told[-1]["sha256"] == sha256(file)
    assert {each["sha256"] for each in told[:-1]} == {None}
    assert {each["size"] for each in told} == {SIZE}
    assert len(set(octets)) >= AT_LEAST * proxy.moving
    box.logout()
