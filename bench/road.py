# SPDX-License-Identifier: Apache-2.0
"""What does the whole road cost beside three bare TLS copies of the same file?

Upload, push and download of one file through two real servers and two real terminals,
against the same file copied three times over a bare TLS socket into a synced file with
its SHA-256.  Both alternate in one run; ratios of medians travel, seconds do not.

    python -m bench.road [MEBIBYTES] [ROUNDS]
"""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

from bench.floor import tls_copy
from tests.flows.programs import Programs, eventually, playground, sha256
from tests.flows.story import item_at, offer_at, transfer_of

MIB = 2**20


def road(programs: Programs, file: Path, target: Path) -> dict[str, float]:
    """Take one file over the road; return seconds per leg."""
    took: dict[str, float] = {}
    began = time.perf_counter()
    programs.mshare("alice", "upload", file)
    took["upload"] = time.perf_counter() - began
    programs.mshare("alice", "send", file, "bob@b.example")
    offer = offer_at(programs, "bob", file.name)
    began = time.perf_counter()
    programs.mshare("bob", "accept", offer["id"])
    server = programs.servers["a"]
    name = rf"{transfer_of_file(programs, file)}: to=<.*status=sent"
    eventually(lambda: server.lines(name), "the push has ended", 600)
    took["push"] = time.perf_counter() - began
    item = item_at(programs, "bob", file.name)
    began = time.perf_counter()
    programs.mshare("bob", "get", item["id"], "-o", target)
    took["download"] = time.perf_counter() - began
    assert sha256(target) == sha256(file)
    transfer_of(programs, "alice", file.name, "sent")
    target.unlink()
    return took


def transfer_of_file(programs: Programs, file: Path) -> str:
    """Return the id of the newest transfer of a file."""
    found = programs.mshare("alice", "status", "--json").json
    return str([t["id"] for t in found if t["name"] == file.name][-1])


def main() -> None:
    """Run the rounds and print the ratios."""
    size = int(sys.argv[1]) if len(sys.argv) > 1 else 512
    rounds = int(sys.argv[2]) if len(sys.argv) > 2 else 5
    legs: dict[str, list[float]] = {"upload": [], "push": [], "download": []}
    floor: list[float] = []
    with (
        tempfile.TemporaryDirectory() as name,
        playground(Path(name) / "playground") as programs,
    ):
        for number in range(rounds):
            file = Path(name) / f"road-{number}.bin"
            with file.open("wb") as out:
                for _ in range(size):
                    out.write(os.urandom(MIB))
            floor.extend(tls_copy(file, Path(name) / "floor").took for _ in range(3))
            for leg, spent in road(programs, file, Path(name) / "got").items():
                legs[leg].append(spent)
            file.unlink()
        peaks = {n: s.measure() // MIB for n, s in programs.servers.items()}
    bare = statistics.median(floor)
    print(f"road: {size} MiB, {rounds} rounds; a bare TLS copy = 1.00", end="")
    print(f" (spread {(max(floor) - min(floor)) / bare:.0%})")
    for leg, seconds in legs.items():
        middle = statistics.median(seconds)
        spread = (max(seconds) - min(seconds)) / middle
        print(f"  {leg:8} {middle / bare:.2f} of a copy (spread {spread:.0%})")
    total = sum(statistics.median(seconds) for seconds in legs.values())
    print(f"  all three {total / (3 * bare):.2f} of three copies")
    print(f"  peak memory: {peaks} MiB")


if __name__ == "__main__":
    main()
