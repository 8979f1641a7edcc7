# SPDX-License-Identifier: Apache-2.0
"""Power cuts: server b's store on a file system of its own that is shut down in flight.

The ioctl GOINGDOWN (NOLOGFLUSH) of ext4 and xfs drops whatever is not on the device:
what was written and never synced is gone, as when the plug is pulled.  Then the server
is killed, the file system mounted again, the server started, and what had been
acknowledged is looked for.  ``python -m tests.soak.power_cut --cuts 50`` (root) says at
the end what was cut and what was lost; the exit status tells.
"""

from __future__ import annotations

import argparse
import fcntl
import os
import random
import secrets
import shutil
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.flows.programs import edit, eventually
from tests.soak import checks, told
from tests.soak.kills import SETTLING, Report
from tests.soak.ledger import Ledger
from tests.soak.pair import Pair, pair
from tests.soak.traffic import MiB, Traffic

FILE_SYSTEMS = {"ext4": ("mkfs.ext4", "-q", "-F"), "xfs": ("mkfs.xfs", "-q", "-f")}
CAPACITY = 4096 * MiB
"""Octets of the device; its file is sparse."""
GOING_DOWN = 0x8004587D
"""EXT4_IOC_SHUTDOWN and XFS_IOC_GOINGDOWN: _IOR('X', 125, __u32)."""
NO_LOG_FLUSH = 2
SIZES = (0, 1000, 64 * 1024 + 1, MiB, 5 * MiB, 16 * MiB + 1)
WEIGHTS = (1, 2, 4, 4, 3, 2)


def missing(kind: str) -> str:
    """Return why there can be no power cuts here; "" when there can."""
    if os.geteuid() != 0:
        return "it takes root"
    if not Path("/dev/loop-control").exists():
        return "there are no loop devices"
    if shutil.which(FILE_SYSTEMS[kind][0]) is None:
        return f"{FILE_SYSTEMS[kind][0]} is not installed"
    return ""


class Device:
    """A file system in a file, mounted on a directory."""

    def __init__(self, kind: str, folder: Path) -> None:
        self._kind = kind
        self._image = folder / f"{kind}.image"
        self.place = folder / f"{kind}.mounted"
        self._is_mounted = False

    def make(self) -> None:
        """Make the file system and mount it."""
        with self._image.open("wb") as file:
            file.truncate(CAPACITY)
        _run(*FILE_SYSTEMS[self._kind], str(self._image))
        self.place.mkdir()
        self.mount()

    def mount(self) -> None:
        """Mount it; what its journal holds is replayed."""
        _run("mount", "-t", self._kind, "-o", "loop", str(self._image), str(self.place))
        self._is_mounted = True

    def cut(self) -> None:
        """Pull the plug: nothing reaches the device from now on."""
        descriptor = os.open(self.place, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.ioctl(descriptor, GOING_DOWN, struct.pack("I", NO_LOG_FLUSH))
        finally:
            os.close(descriptor)

    def unmount(self) -> None:
        """Unmount it, once nobody uses it any more."""
        if self._is_mounted:
            eventually(self._try_to_unmount, f"{self.place} is free", 30)
            self._is_mounted = False

    def _try_to_unmount(self) -> bool:
        return subprocess.call(["umount", self.place], stderr=subprocess.DEVNULL) == 0


def _run(*words: str) -> None:
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, (words, done.stderr)


@contextmanager
def pair_on(device: Device, folder: Path) -> Iterator[Pair]:
    """Run two servers; the store of b is on the device."""

    def move(made: Path) -> None:
        shutil.copytree(made / "b" / "store", device.place / "store")
        edit(made / "b.toml", "server", store=str(device.place / "store"))
        os.sync()  # that much is there before anybody acknowledges anything

    device.make()
    try:
        with pair(folder / "playground", change=move) as two:
            yield two
    finally:
        device.unmount()


def cut_power(two: Pair, device: Device, chance: random.Random) -> None:
    """Pull the plug, and put it in again."""
    device.cut()
    threading.Event().wait(chance.random() * 0.2)  # it may still say something
    two.kill("b")
    device.unmount()
    device.mount()
    two.start("b")


def run(
    two: Pair,
    device: Device,
    folder: Path,
    cuts: int,
    seed: int,
    *,
    pause: float = 3.0,
    settling: float = SETTLING,
    few: bool = False,
    longest: float = 3600.0,
) -> Report:
    """Cut ``cuts`` times, up to ``pause`` seconds apart; then wait and look.

    After ``longest`` seconds there are no more cuts.
    """
    began = time.monotonic()
    ledger, chance = Ledger(), random.Random(seed)
    traffic = Traffic(two, ledger, folder, seed, SIZES, WEIGHTS)
    with traffic.going_on(*traffic.people(few=few), traffic.stranger):
        number = 0
        while number < cuts and time.monotonic() < began + longest:
            number += 1
            threading.Event().wait(0.2 + chance.random() * pause)
            cut_power(two, device, chance)
            _look_for_mails(two, ledger, number)
        traffic.end_sending()
        ledger.wrong += checks.settle(two, settling)
    wrong = checks.everything(two, ledger)
    did: dict[str, int | float | str] = {
        "power cuts": number,
        **{f"acknowledged {k}": n for k, n in ledger.acknowledged.items()},
        "acknowledged in all": sum(ledger.acknowledged.values()),
        "seconds": round(time.monotonic() - began),
    }
    return Report(did, wrong)


def _look_for_mails(two: Pair, ledger: Ledger, number: int) -> None:
    """Look at once for what is many and small: then it is known which cut took it."""
    acknowledged = set(ledger.mails)
    for lost in acknowledged - checks.subjects(two):
        ledger.complain(f"cut {number}: mail {lost} was acknowledged, and it is lost")


def _cut_on(kind: str, cuts: int, seed: int, minutes: float) -> Report:
    with told.scratch("power-cut") as folder:
        device = Device(kind, folder)
        with pair_on(device, folder) as two:
            report = run(two, device, folder, cuts, seed, longest=60 * minutes)
            if report.wrong:
                told.keep_logs(folder, {n: two.server(n).log for n in ("a", "b")})
    return report


def main() -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cuts", type=int, default=50, help="on each file system")
    parser.add_argument("--seed", type=int, default=secrets.randbelow(2**32))
    parser.add_argument("--minutes", type=float, default=60.0, help="at most, each")
    parser.add_argument("--on", choices=FILE_SYSTEMS, action="append")
    options = parser.parse_args()
    status = 0
    for kind in options.on or FILE_SYSTEMS:
        if reason := missing(kind):
            print(f"power cuts on {kind}: skipped, {reason}")
            continue
        print(f"power cuts on {kind}: seed {options.seed}", flush=True)
        report = _cut_on(kind, options.cuts, options.seed, options.minutes)
        status |= told.verdict(f"power cuts on {kind}", report.did, report.wrong)
    return status


if __name__ == "__main__":
    sys.exit(main())
