# SPDX-License-Identifier: Apache-2.0
"""What does an interruption cost on each leg: octets sent again, seconds to go on?

Upload, push and download of one item are interrupted in the middle, while octets move,
by a cut connection and by kill -9 of each process at its ends.  Octets are those that
crossed the leg beyond what an undisturbed item takes in the same run.  The seconds run
from the cut, or from when what was killed has been started again (its ready line, or
the start of the terminal's process), to the next octets of content.  Servers try again
after 0.5 s here, after a minute by default.  Figures only, nothing is a failure.

    python -m bench.restart [--size 128Mi] [--rounds 5]
"""

from __future__ import annotations

import random
import statistics
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from bench import telling
from bench.telling import MIB
from tests.flows.programs import BIN, eventually
from tests.flows.story import item_at
from tests.soak.legs import AWAY, Leg
from tests.soak.pair import Pair, pair

MOVES = 128 * 1024
"""Octets behind an interruption that are content, whatever was said before."""
PATIENCE = 300.0
"""Seconds in which an item has to arrive."""
STILL = 0.05
"""Seconds without an octet after which nothing is under way any more."""
KINDS = {
    "upload": ("cut", "a", "terminal"),
    "push": ("cut", "a", "b"),
    "download": ("cut", "b", "terminal"),
}
"""Who can interrupt a leg; a and b are the servers, killed."""


@dataclass(slots=True)
class Cost:
    """Of the interruptions of one kind: octets again, and seconds to go on."""

    octets: list[int] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)

    def to_json(self) -> dict[str, float]:
        """Return medians and the most."""
        return {
            "octets_median": statistics.median(self.octets),
            "octets_most": max(self.octets),
            "seconds_median": statistics.median(self.seconds),
            "seconds_most": max(self.seconds),
        }


class Trials:
    """Items that take one leg each, disturbed or not."""

    def __init__(self, two: Pair, folder: Path, size: int) -> None:
        self._two = two
        self._folder = folder
        self._size = size
        self._number = 0
        self.legs: dict[str, Leg] = {
            "upload": two.legs.upload,
            "push": two.legs.push,
            "download": two.legs.download,
        }

    def take(self, which: str, kind: str | None) -> tuple[int, float]:
        """Take an item over a leg; return what crossed it, and seconds to go on."""
        self._number += 1
        file = self._folder / f"{which}-{self._number}.bin"
        telling.new_file(file, self._size)
        ways: dict[str, Callable[[Path, Run], None]] = {
            "upload": self._upload,
            "push": self._push,
            "download": self._download,
        }
        run = Run(self._two, self.legs[which], kind, self._offset())
        ways[which](file, run)
        file.unlink()
        return run.moved, run.seconds

    def _offset(self) -> int:
        return int(self._size * random.uniform(0.3, 0.7))

    def _upload(self, file: Path, run: Run) -> None:
        run.begin()
        run.terminal("alice", "upload", file)

    def _push(self, file: Path, run: Run) -> None:
        programs = self._two.programs
        programs.mshare("alice", "upload", file)
        run.begin()
        programs.mshare("alice", "send", file, self._two.address("bob"))
        run.disturb(None, None)
        run.seconds_from_now()
        eventually(lambda: self._arrived(file), "it has been pushed", PATIENCE)

    def _arrived(self, file: Path) -> bool:
        items = self._two.ask("bob", "ls")
        return any(item["name"] == file.name and item["sha256"] for item in items)

    def _download(self, file: Path, run: Run) -> None:
        programs = self._two.programs
        programs.mshare("alice", "send", file, self._two.address("bob"))
        eventually(lambda: self._arrived(file), "it has arrived", PATIENCE)
        item = item_at(programs, "bob", file.name)
        target = file.with_suffix(".got")
        run.begin()
        run.terminal(AWAY, "get", item["id"], "-o", target)
        target.unlink()


class Run:
    """One item on one leg: where it is disturbed, what has crossed, and the clock."""

    def __init__(self, two: Pair, leg: Leg, kind: str | None, offset: int) -> None:
        self._two = two
        self._leg = leg
        self._kind = kind
        self._offset = offset
        self._before = 0
        self._stood = 0
        self._since = 0.0
        self.seconds = 0.0

    @property
    def moved(self) -> int:
        """Octets that have crossed since it began."""
        return self._leg.moved - self._before

    def begin(self) -> None:
        """Count from here."""
        self._before = self._leg.moved

    def terminal(self, name: str, *words: str | Path) -> None:
        """Run a terminal to its end, disturbed on the way; again if it is killed."""
        process = self._start(name, words)
        self.disturb(process, lambda: self._start(name, words))
        self.seconds_from_now()
        process = self._again or process
        assert process.wait(PATIENCE) == 0, words

    _again: subprocess.Popen[bytes] | None = None

    def _start(
        self, name: str, words: tuple[str | Path, ...]
    ) -> subprocess.Popen[bytes]:
        profile = self._two.programs.account(name)["profile"]
        return subprocess.Popen(
            [str(BIN / "mshare"), "--profile", profile, *map(str, words)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def disturb(
        self,
        process: subprocess.Popen[bytes] | None,
        again: Callable[[], subprocess.Popen[bytes]] | None,
    ) -> None:
        """Wait for the offset, interrupt, start again what was killed."""
        if self._kind is None:
            return
        deadline = time.monotonic() + PATIENCE
        while self.moved < self._offset:
            assert time.monotonic() < deadline, "it does not move"
            time.sleep(0.001)
        if self._kind == "cut":
            self._leg.cut()
        elif self._kind == "terminal":
            assert process is not None
            assert again is not None
            process.kill()
            process.wait()
        else:
            self._two.kill(self._kind)
        if self._kind != "cut":
            self._settle()
        self._stood = self._leg.moved
        if self._kind in ("a", "b"):
            self._two.start(self._kind)
        self._since = time.monotonic()
        if self._kind == "terminal" and again is not None:
            self._again = again()

    def _settle(self) -> None:
        """Wait until what the kernel still held for the dead has crossed."""
        before = -1
        while before != self._leg.moved:
            before = self._leg.moved
            time.sleep(STILL)

    def seconds_from_now(self) -> None:
        """Take the seconds until octets move again."""
        if self._kind is None:
            return
        deadline = time.monotonic() + PATIENCE
        while self._leg.moved < self._stood + MOVES:
            assert time.monotonic() < deadline, "it does not go on"
            time.sleep(0.001)
        self.seconds = time.monotonic() - self._since


def main() -> None:
    """Run the rounds and print the table."""
    parser = telling.parser(__doc__)
    parser.add_argument("--size", type=telling.octets, default=128 << 20)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    trials = sum(map(len, KINDS.values())) * options.rounds + 3 * len(KINDS)
    costs: dict[tuple[str, str], Cost] = {}
    with (
        telling.scratch(options, 2 * trials * options.size) as folder,
        pair(folder / "playground") as two,
    ):
        anyone = ("account", "policy", two.address("bob"), "anyone", "--size", "1T")
        two.programs.maild("b", *anyone)
        ways = Trials(two, folder, options.size)
        for leg, kinds in KINDS.items():
            plain = min(ways.take(leg, None)[0] for _ in range(2))
            for _ in range(options.rounds):
                for kind in kinds:
                    moved, seconds = ways.take(leg, kind)
                    cost = costs.setdefault((leg, kind), Cost())
                    cost.octets.append(max(0, moved - plain))
                    cost.seconds.append(seconds)
    print(f"restart: items of {options.size // MIB} MiB, {options.rounds} rounds")
    facts = {
        f"{leg}, {kind if kind in ('cut', 'terminal') else f'server {kind}'}"
        + ("" if kind == "cut" else " killed"): cost.to_json()
        for (leg, kind), cost in costs.items()
    }
    rows = [
        (
            name,
            f"{fact['octets_median'] / MIB:.2f}",
            f"{fact['octets_most'] / MIB:.2f}",
            f"{fact['seconds_median']:.2f}",
            f"{fact['seconds_most']:.2f}",
        )
        for name, fact in facts.items()
    ]
    telling.table(("", "MiB again", "most", "seconds to go on", "most"), rows)
    telling.dump(options, facts)


if __name__ == "__main__":
    main()
