# SPDX-License-Identifier: Apache-2.0
"""A slow push is watched: told each second, never less, over kills and restarts."""

from __future__ import annotations

import json
import subprocess
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.flows.programs import BIN, Programs, edit, eventually, playground
from tests.flows.proxy import CountingProxy
from tests.flows.story import offer_at
from tests.flows.test_kill import kill

MIB = 2**20
SIZE = 24 * MIB
RATE = 4 * MIB
"""Octets a second that cross the leg."""


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
    assert updates >= moving / 2
    assert ("trying again" in remarks) == (victim == "a"), remarks
