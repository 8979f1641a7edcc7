# SPDX-License-Identifier: Apache-2.0
"""What does the whole road cost beside three bare TLS copies of the same file?

Upload, push and download of one file through two real servers and two real terminals,
against the same file copied three times over a bare TLS socket into a synced file with
its SHA-256.  Both alternate in one run; ratios of medians travel, seconds do not.

    python -m bench.road [MEBIBYTES] [ROUNDS]

With ``--narrow`` the three legs are equally narrow, and the question is what the whole
road costs beside one of them (`bench.narrow`): 1 where everything flows at once, 3
where each leg waits for the one before.

    python -m bench.road --narrow [--rate 20M] [--size 1Gi] [--reader mshare|imaplib]
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from pathlib import Path

from bench import telling
from bench.floor import tls_copy
from bench.narrow import Found, narrow_world, way
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


def wide(size: int, rounds: int) -> None:
    """Run the rounds and print the ratios; ``size`` in MiB."""
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


def narrow(options: argparse.Namespace) -> None:
    """Take one file per reader over three narrow legs, and print the ratios."""
    rate, size = options.rate, options.size
    readers = ("mshare", "imaplib") if options.reader == "both" else (options.reader,)
    found: list[Found] = []
    with (
        telling.scratch(options, (3 * len(readers) + 1) * size) as folder,
        narrow_world(folder / "playground", rate) as (programs, leg),
    ):
        for reader in readers:
            for _ in range(options.rounds):
                path = folder / f"narrow-{reader}-{len(found)}.bin"
                file = telling.new_file(path, size)
                found.append(way(programs, leg, file, reader, rate))
    legs = f"three legs of {rate / 1e6:.1f} MB/s"
    print(f"road: {size // MIB} MiB over {legs}; one leg: {size / rate:.1f} s")
    head = (
        "reader",
        "seconds",
        "of one leg",
        "of a measured leg",
        "upload, of one leg",
    )
    rows = [
        (
            each.reader,
            f"{each.whole:.1f}",
            f"{each.ratio:.3f}",
            f"{each.measured_ratio:.3f}",
            f"{each.uploaded / each.one_leg:.3f}",
            f"{each.first_octet:.2f}",
        )
        for each in found
    ]
    telling.table((*head, "acceptance to first octet, s"), rows)
    telling.dump(options, {"runs": [each.to_json() for each in found]})


def main() -> None:
    """Run one of the two modes."""
    parser = telling.parser(__doc__)
    parser.add_argument("mebibytes", type=int, nargs="?", default=512)
    parser.add_argument("rounds", type=int, nargs="?", default=0)
    parser.add_argument("--narrow", action="store_true", help="three narrow legs")
    parser.add_argument(
        "--rate", type=telling.rate, default=20_000_000, help="octets a second: 20M"
    )
    parser.add_argument("--size", type=telling.octets, default=1 << 30)
    parser.add_argument(
        "--reader", choices=("mshare", "imaplib", "both"), default="both"
    )
    options = parser.parse_args()
    if options.narrow:
        options.rounds = options.rounds or 1
        narrow(options)
    else:
        wide(options.mebibytes, options.rounds or 5)


if __name__ == "__main__":
    main()
