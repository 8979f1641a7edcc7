# SPDX-License-Identifier: Apache-2.0
"""One item all the way, while every leg is cut and everything is killed on the way.

    python -m tests.soak.long_way [--size 4G] [--cuts 10] [--kills 2] [--seed N]

Says at the end what crossed each leg and whether all of it arrived, once; the exit
status tells.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.flows.programs import BIN, edit, sha256
from tests.flows.proxy import CountingProxy
from tests.flows.story import transfer_of
from tests.soak.pair import Pair, pair

MIB = 2**20
WATERMARK = 16 * MIB
"""Octets at most that one interruption costs a leg."""
FRAMING = 1.005
"""What TLS, commands and replies add to the octets of a leg, at most."""
STILL = 120.0
"""Seconds without an octet on any leg after which the item has got stuck."""
LEGS = ("upload", "push", "download")


@dataclass
class Leg:
    """One leg, and where it is broken."""

    proxy: CountingProxy
    direction: str
    cuts: list[int]
    done: int = 0

    @property
    def octets(self) -> int:
        """What has crossed, in the direction of the content."""
        return int(getattr(self.proxy, self.direction))

    def cut_if_due(self) -> None:
        """Cut every connection when the next offset has been passed."""
        if self.cuts and self.octets >= self.cuts[0]:
            self.cuts.pop(0)
            self.done += 1
            self.proxy.cut()


@dataclass
class Journey:
    """An item on its way from alice to bob."""

    two: Pair
    file: Path
    target: Path
    legs: dict[str, Leg]
    kills: list[tuple[float, str]]
    """At which part of the whole way who is killed."""
    killed: dict[str, int] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)
    _terminals: dict[str, subprocess.Popen[str]] = field(default_factory=dict)
    _over: threading.Event = field(default_factory=threading.Event)

    @property
    def size(self) -> int:
        """Octets of the item."""
        return self.file.stat().st_size

    def run(self) -> None:
        """Send, accept and fetch, with everything that goes wrong meanwhile."""
        bob = self.two.address("bob")
        anyone = ("account", "policy", bob, "anyone", "--size", "1T")
        self.two.programs.maild("b", *anyone)
        with ExitStack() as stack:
            for work in (
                lambda: self._insist("alice", "send", str(self.file), bob),
                lambda: self._insist(
                    "bob", "get", "--follow", self.file.name, "-o", str(self.target)
                ),
            ):
                thread = threading.Thread(target=work)
                thread.start()
                stack.callback(thread.join)
            breaking = threading.Thread(target=self._break)
            breaking.start()
            stack.callback(breaking.join)
            stack.callback(self._over.set)
            try:
                self._wait()
            except BaseException:
                self._over.set()
                for process in list(self._terminals.values()):
                    process.kill()
                raise

    def _wait(self) -> None:
        """Wait until bob has it, as long as anything moves."""
        before, since = -1, time.monotonic()
        while not self.target.exists() or "alice" in self._terminals:
            now = sum(leg.octets for leg in self.legs.values())
            if now != before:
                before, since = now, time.monotonic()
            if time.monotonic() - since > STILL:
                raise AssertionError(f"it got stuck: {self._crossed()}")
            threading.Event().wait(0.2)

    def _crossed(self) -> dict[str, int]:
        return {name: leg.octets for name, leg in self.legs.items()}

    def _insist(self, name: str, *words: str) -> None:
        """Run a terminal again and again until it says that it is done."""
        profile = self.two.programs.account(name)["profile"]
        while not self._over.is_set():
            process = subprocess.Popen(
                [str(BIN / "mshare"), "--profile", profile, *words],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                text=True,
            )
            self._terminals[name] = process
            _, said = process.communicate()
            if process.returncode == os.EX_OK:
                break
            if process.returncode not in (-9, os.EX_TEMPFAIL, os.EX_UNAVAILABLE):
                self.wrong.append(f"{words[0]}: {process.returncode} {said[-500:]}")
                if len(self.wrong) > 20:
                    break
            self._over.wait(0.2)
        self._terminals.pop(name, None)

    def _break(self) -> None:
        while not self._over.wait(0.005):
            for leg in self.legs.values():
                leg.cut_if_due()
            crossed = sum(min(leg.octets, self.size) for leg in self.legs.values())
            if self.kills and crossed >= self.kills[0][0] * 3 * self.size:
                self._kill(self.kills.pop(0)[1])

    def _kill(self, victim: str) -> None:
        self.killed[victim] = self.killed.get(victim, 0) + 1
        if victim in self.two.programs.servers:
            self.two.restart(victim)
        elif victim in self._terminals:
            self._terminals[victim].kill()
        else:
            self.killed[victim] -= 1

    def check(self) -> None:
        """Look at what came out of it."""
        if sha256(self.target) != sha256(self.file):
            self.wrong.append("bob has other octets")
        programs = self.two.programs
        transfer_of(programs, "alice", self.file.name, "sent")
        breaks = sum(leg.done for leg in self.legs.values()) + sum(self.killed.values())
        for name, leg in self.legs.items():
            if leg.octets > self.size * FRAMING + breaks * WATERMARK:
                self.wrong.append(
                    f"{name}: {leg.octets} octets, {breaks} interruptions"
                )
        held = programs.mshare("bob", "ls", "--json").json
        if len([each for each in held if each["name"] == self.file.name]) != 1:
            self.wrong.append(f"bob holds {len(held)} copies")
        sent = programs.servers["a"].lines(r"to=<bob@.*octets=.*status=sent")
        content = [line for line in sent if f"octets={self.size}" in line]
        if len(content) > 1:
            self.wrong.append(f"{len(content)} lines say that it was sent")
        for name in ("a", "b"):
            if "sound" not in programs.maild(name, "fsck").out:
                self.wrong.append(f"server {name} is not sound")

    def report(self) -> dict[str, Any]:
        """Return what was done and found."""
        return {
            "size": self.size,
            "crossed": self._crossed(),
            "more": {n: leg.octets - self.size for n, leg in self.legs.items()},
            "cuts": {n: leg.done for n, leg in self.legs.items()},
            "kills": self.killed,
            "wrong": self.wrong,
        }


@contextmanager
def journey(
    folder: Path, size: int, cuts: int, kills: int, seed: int
) -> Iterator[Journey]:
    """Two servers with proxies on every leg, and a file of ``size`` octets."""
    chance = random.Random(seed)
    proxies: dict[str, CountingProxy] = {}

    def change(made: Path) -> None:
        facts = json.loads((made / "playground.json").read_text())
        ports = facts["servers"]
        proxies["push"] = CountingProxy(ports["b"]["smtp"])
        edit(
            made / "a.toml",
            'peer."b.example"',
            address=f"127.0.0.1:{proxies['push'].port}",
        )
        for name, leg, listener in (
            ("alice", "upload", "submission"),
            ("bob", "download", "imap"),
        ):
            account = facts["accounts"][name]
            port = ports[account["server"]][listener]
            proxies[leg] = CountingProxy(port)
            profile = Path(account["profile"]) / "profile.toml"
            text = profile.read_text()
            profile.write_text(text.replace(f":{port}", f":{proxies[leg].port}"))

    with ExitStack() as stack:
        two = stack.enter_context(pair(folder / "playground", change=change))
        for proxy in proxies.values():
            stack.enter_context(proxy)
        file = folder / "long way.bin"
        write(file, size, chance)
        legs = {
            name: Leg(
                proxies[name],
                "down" if name == "download" else "up",
                sorted(chance.randrange(size) for _ in range(cuts)),
            )
            for name in LEGS
        }
        victims = [v for v in ("a", "b", "alice", "bob") for _ in range(kills)]
        chance.shuffle(victims)
        parts = sorted(chance.uniform(0.02, 0.9) for _ in victims)
        yield Journey(
            two, file, folder / "here.bin", legs, list(zip(parts, victims, strict=True))
        )


def write(file: Path, size: int, chance: random.Random) -> None:
    """Write octets that nothing compresses, a piece at a time."""
    with file.open("wb") as out:
        while size:
            out.write(chance.randbytes(min(size, MIB)))
            size -= min(size, MIB)


def octets_of(text: str) -> int:
    """Return the octets that "64M" or "4G" mean."""
    units = {"K": 2**10, "M": MIB, "G": 2**30}
    return int(text[:-1]) * units[text[-1]] if text[-1] in units else int(text)


def main() -> int:
    """Make the journey; return 0 when all is well."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--size", type=octets_of, default=4 << 30)
    parser.add_argument("--cuts", type=int, default=10)
    parser.add_argument("--kills", type=int, default=2)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--folder", type=Path)
    asked = parser.parse_args()
    with (
        tempfile.TemporaryDirectory(dir=asked.folder) as folder,
        journey(Path(folder), asked.size, asked.cuts, asked.kills, asked.seed) as one,
    ):
        try:
            one.run()
            one.check()
        except AssertionError as error:
            one.wrong.append(str(error))
        print(json.dumps(one.report(), indent=1))
    return 1 if one.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
