# SPDX-License-Identifier: Apache-2.0
"""Kill -9 in place of the k-th durable call of each operation, for every k there is.

Durable calls are fsync, fdatasync, rename and unlink; with ``--writes`` every write to
a file is a crash point too.  ``python -m tests.soak.crash_points`` says at the end how
many points there were and what did not recover by itself; the exit status tells.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from tests.soak import checks, told
from tests.soak.crash_point import Calls, CrashPoint, compiler
from tests.soak.operations import OPERATIONS, Operation, new_case
from tests.soak.pair import Pair, pair
from tests.soak.resumptions import RESUMPTIONS

MOST = 400
"""Crash points of one operation at most: more would be another operation's."""
EVERYTHING = OPERATIONS + RESUMPTIONS


class Cutter:
    """Cuts operations in one pair of servers, each prepared to be killed."""

    def __init__(self, two: Pair, points: dict[str, CrashPoint], folder: Path) -> None:
        self._two = two
        self._points = points
        self._folder = folder

    def cut(
        self, operation: Operation, number: int, calls: Calls
    ) -> tuple[bool, list[str]]:
        """Kill at one call; return whether there was such a call, and what is wrong."""
        two, point = self._two, self._points[operation.server]
        case = new_case(two, self._folder, operation.size)
        operation.prepare(case)
        point.kill_at(number, calls)
        with two.kept_alive(operation.server):
            acknowledged = operation.act(case)
            point.disarm()
        was_killed = point.fired > 0
        wrong = operation.judge(case, acknowledged)
        case.file.unlink()
        where = f"{operation.name}, call {number}: "
        return was_killed, [where + each for each in wrong]

    def every_call(
        self, operation: Operation, calls: Calls, only: Sequence[int] | None = None
    ) -> tuple[int, list[str]]:
        """Kill at each call (or at those named); return how many there were."""
        wrong: list[str] = []
        cuts = 0
        for number in only or range(1, MOST + 1):
            was_killed, found = self.cut(operation, number, calls)
            wrong += found
            if not was_killed:
                break
            cuts += 1
        else:
            if only is None:
                wrong.append(f"{operation.name}: there are more than {MOST}")
        wrong += checks.settle(self._two, 60.0)
        for name in ("a", "b"):
            wrong += [f"{operation.name}: {w}" for w in checks.store(self._two, name)]
        return cuts, wrong


def prepared(folder: Path) -> dict[str, CrashPoint]:
    """Make a plan for each of the two servers."""
    points = {}
    for name in ("a", "b"):
        (folder / name).mkdir()
        points[name] = CrashPoint(folder / name)
    return points


def main() -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--writes", action="store_true", help="writes are points too")
    parser.add_argument("--only", default="", help="part of an operation's name")
    options = parser.parse_args()
    if compiler() is None:
        print("crash points: skipped, there is no C compiler")
        return 0
    calls = Calls.ALL if options.writes else Calls.DURABLE
    began, did, wrong = time.monotonic(), dict[str, int | float | str](), list[str]()
    with told.scratch("crash-points") as folder:
        points = prepared(folder)
        environment = {name: point.environment for name, point in points.items()}
        with pair(folder / "playground", environment=environment) as two:
            cutter = Cutter(two, points, folder)
            for operation in EVERYTHING:
                if options.only not in operation.name:
                    continue
                cuts, found = cutter.every_call(operation, calls)
                text = f"{operation.name}: {cuts} crash points"
                print(text, *found, sep="\n  ", flush=True)
                did[f"({operation.name})"] = cuts
                wrong += found
            if wrong:
                told.keep_logs(folder, {n: two.server(n).log for n in ("a", "b")})
    did["seconds"] = round(time.monotonic() - began)
    return told.verdict("crash points", did, wrong)


if __name__ == "__main__":
    sys.exit(main())
