# SPDX-License-Identifier: Apache-2.0
"""How much memory does each process hold at its peak, for one large item and for many?

Real servers and terminals, TLS on every leg: upload, push and download of one item, and
of many at the same time.  VmHWM of each process; of the terminals the largest.  The
exit status tells whether all of them stayed below the goal.

    python -m bench.memory [--size 8Gi] [--items 100] [--each 50Mi] [--goal 80Mi]
                           [--pushes 20]

``--pushes``: how many the first server makes at once, others wait their turn; 20 is
what it makes in all where nothing is set, though not to one server.
"""

from __future__ import annotations

import compileall
import sys
import time
from collections.abc import Callable
from pathlib import Path

import maild
import terminal_client
from bench import telling
from bench.telling import MIB
from bench.world import Peaks, received, together, world
from tests.flows.programs import Programs, edit, sha256

COPIES = 3
"""Of each item on the device: two servers' and the download."""


def legs(
    programs: Programs, files: list[Path], target: Path, peaks: Peaks
) -> dict[str, float]:
    """Take files over the road, all at once; return the seconds of two legs."""
    bob = programs.account("bob")["address"]
    began = time.monotonic()
    together(programs, "alice", [("send", file, bob) for file in files], peaks)
    ids = received(programs, [file.name for file in files])
    pushed = time.monotonic()
    gets = [("get", ids[file.name], "-o", target / file.name) for file in files]
    together(programs, "bob", gets, peaks)
    peaks.servers(programs)
    took = {"upload and push": pushed - began, "download": time.monotonic() - pushed}
    for file in {files[0], files[-1]}:
        assert sha256(target / file.name) == sha256(file)
    return took


def measure(
    folder: Path, count: int, size: int, pushes: int
) -> tuple[Peaks, dict[str, float]]:
    """Take ``count`` items of ``size`` octets over the road of two fresh servers."""

    def bounded(made: Path) -> None:
        for name in ("a", "b"):
            edit(
                made / f"{name}.toml", "delivery", attempts=pushes, per_next_hop=pushes
            )

    # As installed: a start that has to compile everything holds a megabyte more.
    for package in (maild, terminal_client):
        compileall.compile_dir(package.__path__[0], quiet=1)
    folder.mkdir()
    target = folder / "target"
    target.mkdir()
    files = [
        telling.new_file(folder / f"{number}.bin", size, sparse=True)
        for number in range(count)
    ]
    peaks = Peaks()
    with world(folder / "playground", change=bounded) as programs:
        peaks.servers(programs)
        idle = {f"{name}, idle": peak for name, peak in peaks.octets.items()}
        took = legs(programs, files, target, peaks)
    peaks.octets.update(idle)
    return peaks, took


def main() -> int:
    """Measure, print the table; return the exit status."""
    parser = telling.parser(__doc__)
    parser.add_argument("--size", type=telling.octets, default=8 << 30)
    parser.add_argument("--items", type=int, default=100)
    parser.add_argument("--each", type=telling.octets, default=50 << 20)
    parser.add_argument("--goal", type=telling.octets, default=80 << 20)
    parser.add_argument("--pushes", type=int, default=20)
    parser.add_argument("--only", choices=("one", "many"))
    options = parser.parse_args()
    cases: dict[str, Callable[[Path], tuple[Peaks, dict[str, float]]]] = {
        "one": lambda folder: measure(folder, 1, options.size, options.pushes),
        "many": lambda folder: measure(
            folder, options.items, options.each, options.pushes
        ),
    }
    names = {
        "one": f"one of {options.size // MIB} MiB",
        "many": f"{options.items} of {options.each // MIB} MiB at once",
    }
    chosen = [options.only] if options.only else list(cases)
    facts: dict[str, dict[str, dict[str, float]]] = {}
    for case in chosen:
        octets = options.size if case == "one" else options.items * options.each
        with telling.scratch(options, COPIES * octets + (1 << 30)) as folder:
            peaks, took = cases[case](folder / case)
        facts[names[case]] = {"peak_octets": dict(peaks.octets), "seconds": took}
        told = ", ".join(f"{leg} {seconds:.0f} s" for leg, seconds in took.items())
        print(f"memory: {names[case]} ({told})")
        rows = [
            (kind, f"{peak / MIB:.1f}", "" if peak <= options.goal else "OVER")
            for kind, peak in sorted(peaks.octets.items())
        ]
        telling.table(("peak", "MiB", f"goal {options.goal // MIB}"), rows)
    telling.dump(options, facts)
    return int(
        any(
            peak > options.goal
            for case in facts.values()
            for peak in case["peak_octets"].values()
        )
    )


if __name__ == "__main__":
    sys.exit(main())
