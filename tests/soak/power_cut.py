# SPDX-License-Identifier: Apache-2.0
"""Power cuts: each server's store on a file system of its own, shut down in flight.

The ioctl GOINGDOWN (NOLOGFLUSH) of ext4 and xfs drops whatever is not on the device:
what was written and never synced is gone, as when the plug is pulled.  Then the server
is killed, the file system mounted again, the server started, and what had been
acknowledged is looked for.  ``python -m tests.soak.power_cut --cuts 50`` (root) says at
the end what was cut and what was lost; the exit status tells.
"""

from __future__ import annotations

import argparse
import ctypes
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
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tests.flows.programs import LIMIT, edit, eventually
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
CLONE_NEWNS = 0x00020000
"""unshare(2)."""
WHO = {"a": "alice", "b": "bob"}
"""Whom strangers write to at each server."""
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

    def __init__(self, kind: str, folder: Path, server: str) -> None:
        self._kind = kind
        self._image = folder / f"{server}.{kind}.image"
        self.place = folder / f"{server}.{kind}.mounted"
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
        """Unmount it, once nobody uses it any more.

        A name space that another program has made meanwhile may hold it for a while;
        mounted again too early, it would be the same, shut down file system.
        """
        if self._is_mounted:
            eventually(self._try_to_unmount, f"{self.place} is free", 30)
            eventually(self._is_detached, f"{self._image} is free", LIMIT)
            self._is_mounted = False

    def _is_detached(self) -> bool:
        words = ("losetup", "--associated", str(self._image))
        return not subprocess.run(words, capture_output=True, check=True).stdout

    def _try_to_unmount(self) -> bool:
        return subprocess.call(["umount", self.place], stderr=subprocess.DEVNULL) == 0


def _run(*words: str) -> None:
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, (words, done.stderr)


Devices = Mapping[str, Device]
"""The device of each server."""


@contextmanager
def pair_on(kind: str, folder: Path) -> Iterator[tuple[Pair, Devices]]:
    """Run two servers; the store of each is on a device."""
    devices = {name: Device(kind, folder, name) for name in ("a", "b")}

    def move(made: Path) -> None:
        for name, device in devices.items():
            device.make()
            shutil.copytree(made / name / "store", device.place / "store")
            edit(made / f"{name}.toml", "server", store=str(device.place / "store"))
        os.sync()  # that much is there before anybody acknowledges anything

    try:
        with pair(folder / "playground", change=move) as two:
            yield two, devices
    finally:
        for device in devices.values():
            device.unmount()


def cut_power(two: Pair, name: str, device: Device, chance: random.Random) -> None:
    """Pull the plug, and put it in again."""
    two.legs.interrupted(name)
    device.cut()
    threading.Event().wait(chance.random() * 0.2)  # it may still say something
    two.kill(name)
    device.unmount()
    device.mount()
    two.start(name)


def run(
    two: Pair,
    devices: Devices,
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

    Half of them hit server a, half server b, in any order.  After ``longest`` seconds
    there are no more cuts.
    """
    began = time.monotonic()
    ledger, chance = Ledger(), random.Random(seed)
    traffic = Traffic(two, ledger, folder, seed, SIZES, WEIGHTS)
    strangers = (traffic.stranger_to(who) for who in WHO.values())
    victims = ["ba"[number % 2] for number in range(cuts)]
    chance.shuffle(victims)
    done: Counter[str] = Counter()
    with traffic.going_on(*traffic.people(few=few), *strangers):
        for victim in victims:
            if time.monotonic() > began + longest:
                break
            threading.Event().wait(0.2 + chance.random() * pause)
            cut_power(two, victim, devices[victim], chance)
            done[victim] += 1
            _look_for_mails(two, ledger, WHO[victim], f"cut {done.total()}, {victim}")
        traffic.end_sending()
        ledger.wrong += checks.settle(two, settling)
    more, wrong = two.legs.claims(checks.wanted(two, ledger))
    wrong += checks.everything(two, ledger)
    did: dict[str, int | float | str] = {
        **{f"power cuts of {name}": count for name, count in sorted(done.items())},
        **{f"acknowledged {k}": n for k, n in ledger.acknowledged.items()},
        "acknowledged in all": sum(ledger.acknowledged.values()),
        **told.octets(two.legs, more),
        "seconds": round(time.monotonic() - began),
    }
    return Report(did, wrong)


def _look_for_mails(two: Pair, ledger: Ledger, who: str, when: str) -> None:
    """Look at once for what is many and small: then it is known which cut took it."""
    acknowledged = set(ledger.mails[who])
    for lost in acknowledged - checks.subjects(two, who):
        ledger.complain(f"{when}: mail {lost} was acknowledged, and it is lost")


def _cut_on(kind: str, cuts: int, seed: int, minutes: float) -> Report:
    with (
        told.scratch("power-cut") as folder,
        pair_on(kind, folder) as (two, devices),
    ):
        report = run(two, devices, folder, cuts, seed, longest=60 * minutes)
        if report.wrong:
            told.keep_logs(folder, {n: two.server(n).log for n in ("a", "b")})
    return report


def _apart() -> None:
    """Mount where nobody else looks: other programs' name spaces would hold it."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWNS):
        raise OSError(ctypes.get_errno(), "no name space of our own")
    _run("mount", "--make-rprivate", "/")


def main() -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cuts", type=int, default=50, help="on each file system")
    parser.add_argument("--seed", type=int, default=secrets.randbelow(2**32))
    parser.add_argument("--minutes", type=float, default=60.0, help="at most, each")
    parser.add_argument("--on", choices=FILE_SYSTEMS, action="append")
    options = parser.parse_args()
    if os.geteuid() == 0:
        _apart()
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
