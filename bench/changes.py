# SPDX-License-Identifier: Apache-2.0
"""What does it cost to find what has changed, beside reading both files?

One octet inserted, a MiB overwritten, both, and a file that is another one; of random
octets, where nothing but landmarks helps.  Run it alone on the machine:

    python -m bench.changes --size 1Gi
"""

from __future__ import annotations

import os
import resource
import shutil
from collections.abc import Callable
from pathlib import Path
from time import perf_counter

from bench.telling import MIB, dump, new_file, octets, parser, scratch, table
from terminal_client.differing import Sizes, plan, travelling
from terminal_client.landmarks import BLOCK, Read

Edit = Callable[[Path, int], None]


def inserted(path: Path, size: int) -> None:
    """Insert one octet after a third."""
    shifted = path.with_name("shifted")
    with path.open("rb") as old, shifted.open("wb") as new:
        for at in range(0, size, BLOCK):
            new.write(b"!" if at == size // 3 // BLOCK * BLOCK else b"")
            new.write(old.read(BLOCK))
    shifted.replace(path)


def overwritten(path: Path, size: int) -> None:
    """Overwrite a MiB in the middle."""
    with path.open("r+b") as file:
        file.seek(size // 2)
        file.write(os.urandom(MIB))


def both(path: Path, size: int) -> None:
    """Do both."""
    overwritten(path, size)
    inserted(path, size)


def another(path: Path, size: int) -> None:
    """Leave nothing of it."""
    new_file(path, size)


EDITS: tuple[Edit, ...] = (inserted, overwritten, both, another)


def reader(path: Path) -> Read:
    """Return what gives octets of a file; it is open to the end."""
    number = os.open(path, os.O_RDONLY)
    return lambda at, count: os.pread(number, count, at)


def read_both(old: Path, new: Path) -> float:
    """Return the seconds that reading and comparing both takes."""
    began = perf_counter()
    with old.open("rb", buffering=0) as one, new.open("rb", buffering=0) as other:
        differs = False
        while block := other.read(BLOCK):
            differs |= one.read(BLOCK) != block
    return perf_counter() - began


def main() -> None:
    """Measure, and tell."""
    made = parser(__doc__)
    made.add_argument("--size", type=octets, default=256 * MIB, metavar="OCTETS")
    options = made.parse_args()
    rows, facts = [], {}
    with scratch(options, 4 * options.size) as folder:
        old = new_file(folder / "old", options.size)
        for edit in EDITS:
            new = folder / "new"
            shutil.copyfile(old, new)
            edit(new, options.size)
            floor = min(read_both(old, new) for _ in range(3))
            began = perf_counter()
            sizes = Sizes(options.size, new.stat().st_size)
            found = plan(reader(old), reader(new), sizes)
            took = perf_counter() - began
            travels = travelling(found)
            rows.append(
                (edit.__name__, f"{took:.2f} s", f"{took / floor:.1f}", travels)
            )
            facts[edit.__name__] = {"seconds": took, "floor": floor, "octets": travels}
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(f"changes: {options.size >> 20} MiB, peak memory {peak} MiB")
    table(("edit", "took", "beside reading", "octets that travel"), rows)
    dump(options, facts | {"size": options.size, "peak_mib": peak})


if __name__ == "__main__":
    main()
