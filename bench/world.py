# SPDX-License-Identifier: Apache-2.0
"""Two real servers and any number of real terminals at once, their memory watched."""

from __future__ import annotations

import re
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.flows.programs import BIN, Programs, edit, eventually, peak_of, playground

MOST = 250
"""Connections of one client, and pushes to one server, at once."""
LOOK = 0.1
"""Seconds between two looks at the memory of the terminals."""
PATIENCE = 3600.0
"""Seconds after which a bench gives a terminal up."""


def opened_up(made: Path) -> None:
    """Let many connect at once, and tries come again soon, in a playground."""
    for name in ("a", "b"):
        file = made / f"{name}.toml"
        for table in ("smtp", "submission", "imap"):
            edit(file, table, connections_per_client=MOST)
        edit(file, "delivery", attempts=MOST, per_next_hop=MOST)
        edit(file, "delivery", retry_first=0.5, retry_most=2.0)


@contextmanager
def world(
    folder: Path, *, change: Callable[[Path], None] | None = None
) -> Iterator[Programs]:
    """Run two servers for many terminals at once; bob takes whatever comes."""

    def both(made: Path) -> None:
        opened_up(made)
        if change is not None:
            change(made)

    with playground(folder, change=both) as programs:
        bob = programs.account("bob")["address"]
        programs.maild("b", "account", "policy", bob, "anyone", "--size", "1T")
        yield programs


@dataclass(slots=True)
class Peaks:
    """The most octets of memory (VmHWM) that a process of each kind has held."""

    octets: Counter[str] = field(default_factory=Counter)

    def note(self, kind: str, peak: int) -> None:
        """Count what one process has held."""
        self.octets[kind] = max(self.octets[kind], peak)

    def servers(self, programs: Programs) -> None:
        """Look at the servers, which run on."""
        for name, server in programs.servers.items():
            self.note(f"maild {name}", server.measure())


def together(
    programs: Programs,
    name: str,
    commands: Sequence[Sequence[str | Path]],
    peaks: Peaks,
) -> None:
    """Run ``mshare`` once for each command, all at once; fail when one of them does."""
    profile = programs.account(name)["profile"]
    running = [
        subprocess.Popen(
            [str(BIN / "mshare"), "--profile", profile, *map(str, words)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        for words in commands
    ]
    kinds = [f"mshare {words[0]}" for words in commands]
    deadline = time.monotonic() + PATIENCE
    try:
        while any(process.poll() is None for process in running):
            for kind, process in zip(kinds, running, strict=True):
                peaks.note(kind, peak_of(process.pid))
            assert time.monotonic() < deadline, "terminals that never end"
            threading.Event().wait(LOOK)
        for words, process in zip(commands, running, strict=True):
            said = process.communicate()[1]
            assert process.returncode == 0, (words, process.returncode, said)
    finally:
        for process in running:
            process.kill()
            process.wait()
            assert process.stderr is not None
            process.stderr.close()


def received(programs: Programs, names: Sequence[str]) -> Mapping[str, str]:
    """Wait until bob has an item of each name; return their ids."""

    def look() -> dict[str, str] | None:
        found = {
            str(item["name"]): str(item["id"])
            for item in programs.mshare("bob", "ls", "--json").json
            if not item["own"] and item["sha256"] is not None
        }
        return found if found.keys() >= set(names) else None

    return eventually(look, "bob has everything", PATIENCE)


def pushes(programs: Programs, size: int) -> int:
    """Return how many attempts of the first server have ended a push of ``size``."""
    lines = programs.servers["a"].lines(r" status=sent \(")
    found = (re.search(r"octets=(\d+), offset=(\d+)", line) for line in lines)
    return sum(int(m[1]) + int(m[2]) >= size for m in found if m)
