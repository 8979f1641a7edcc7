# SPDX-License-Identifier: Apache-2.0
"""What does one item through smtpd cost beside the cheapest way to do the same?

A ticketed push (BDAT, content on the device and its SHA-256 verified before the 250)
into a real station, plain and by TLS, against a file sent over a bare socket, received,
hashed and synced; and against the daemon of rsync with --fsync, which verifies by a
checksum of its own (xxh128, much cheaper than SHA-256).  On every side the content is
on the device when the clock stops, and no start of a process or handshake is counted:
of rsync's time, that of a dry run is taken off.  All alternate in one run, each round
beginning with another; ratios of medians travel, seconds do not.  Run it alone on the
machine:

    python -m bench.hop [MEBIBYTES] [ROUNDS]
"""

from __future__ import annotations

import hashlib
import os
import shutil
import socket
import ssl
import statistics
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from bench.dialogue import Dialogue
from bench.floor import Cost, contexts, plain_copy, tls_copy
from bench.house import RECIPIENT, SENDER, house, push_around

MIB = 2**20
PIECE = 256 * 1024
"""Octets written at once by the sender under TLS."""


@dataclass(slots=True)
class Costs:
    """What the rounds of one way have cost (seconds; octets of memory)."""

    took: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    """Of the receiving process."""
    peak: int = 0

    def add(self, cost: Cost) -> None:
        """Count one round."""
        self.took.append(cost.took)
        self.cpu.append(cost.cpu)

    @property
    def middle(self) -> float:
        """The median of the rounds."""
        return statistics.median(self.took)

    @property
    def spread(self) -> float:
        """How far the rounds lie apart, as a part of the median."""
        return (max(self.took) - min(self.took)) / self.middle


def push(file: Path, folder: Path, costs: Costs, *, tls: bool) -> Cost:
    """Push ``file`` into a fresh station, until its 250."""
    with file.open("rb") as octets:
        digest = hashlib.file_digest(octets, "sha256").hexdigest()
    size = file.stat().st_size
    head, tail = push_around(size, digest)
    total = len(head) + size + len(tail)
    with house(folder, size=size) as station, Dialogue(station.port) as dialogue:
        dialogue.ask("EHLO a.example", 250)
        if tls:
            dialogue.start_tls(_trusting())
            dialogue.ask("EHLO a.example", 250)
        before = station.cpu()
        began = time.perf_counter()
        dialogue.ask(
            f"MAIL FROM:<{SENDER}> BODY=BINARYMIME SIZE={total}"
            f" TRANSID=<{station.proof}@{SENDER.domain}>",
            250,
        )
        dialogue.ask(f"RCPT TO:<{RECIPIENT}>", 250)
        dialogue.send(f"BDAT {total} LAST")
        _send(dialogue.socket, file, head, tail)
        reply = dialogue.expect(250)
        took = time.perf_counter() - began
        assert digest in reply, reply
        cpu = station.cpu() - before
        costs.peak = max(costs.peak, station.peak())
        dialogue.ask("QUIT", 221)
    return Cost(took, cpu)


def _send(connection: socket.socket, file: Path, head: bytes, tail: bytes) -> None:
    connection.sendall(head)
    with file.open("rb", buffering=0) as octets:
        if isinstance(connection, ssl.SSLSocket):
            while piece := octets.read(PIECE):
                connection.sendall(piece)
        else:
            connection.sendfile(octets)
    connection.sendall(tail)


def _trusting() -> ssl.SSLContext:
    """Return a context for a certificate made in another process."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.minimum_version = contexts()[1].minimum_version
    return context


@contextmanager
def rsync_daemon(folder: Path) -> Iterator[int]:
    """Run rsync's daemon with one module, ``m``, in ``folder``; yield its port."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = int(listener.getsockname()[1])
    config = folder / "rsyncd.conf"
    config.write_text(
        f"use chroot = no\nuid = {os.getuid()}\ngid = {os.getgid()}\n"
        f"[m]\npath = {folder}\nread only = no\n"
    )
    command = ["rsync", "--daemon", "--no-detach", "--address=127.0.0.1"]
    process = subprocess.Popen([*command, f"--config={config}", f"--port={port}"])
    try:
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            with suppress(OSError), socket.create_connection(("127.0.0.1", port)):
                break
        yield port
    finally:
        process.terminate()
        process.wait()


def rsync_copy(file: Path, port: int, name: str) -> Cost:
    """Copy ``file`` to the daemon, synced; less what starting and greeting take."""
    target = f"rsync://127.0.0.1:{port}/m/{name}"
    command = ["rsync", "-W", "--fsync"]
    began = time.perf_counter()
    subprocess.run([*command, "--dry-run", str(file), target], check=True)
    greeted = time.perf_counter()
    subprocess.run([*command, str(file), target], check=True)
    return Cost(time.perf_counter() - greeted - (greeted - began), 0.0)


def new_file(path: Path, mebibytes: int) -> None:
    """Fill ``path`` with random octets, synced, so that no old write disturbs."""
    with path.open("wb") as out:
        for _ in range(mebibytes):
            out.write(os.urandom(MIB))
        out.flush()
        os.fsync(out.fileno())


def main() -> None:
    """Run the rounds and print the ratios."""
    size = int(sys.argv[1]) if len(sys.argv) > 1 else 1024
    rounds = int(sys.argv[2]) if len(sys.argv) > 2 else 5
    with tempfile.TemporaryDirectory() as name:
        costs = measure(Path(name), size, rounds)
    print(f"hop: {size} MiB, {rounds} rounds, medians; content synced and hashed")
    for which, floor in (("plain", "floor"), ("tls", "tls floor")):
        ours, bare = costs[which], costs[floor]
        cpu = statistics.median(ours.cpu)
        print(
            f"  {which:5} {bare.middle / ours.middle:.2f} of the {floor}'s speed"
            f" (spread {ours.spread:.0%} / {bare.spread:.0%}),"
            f" {cpu / statistics.median(bare.cpu):.2f} of its receiver's CPU"
            f" ({cpu / size * 1024:.2f} s a GiB); peak {ours.peak // MIB} MiB"
        )
    if rsync := costs.get("rsync"):
        ratio = rsync.middle / costs["plain"].middle
        print(f"  plain {ratio:.2f} x rsync --fsync (spread {rsync.spread:.0%})")
    else:
        print("  rsync: skipped, it is not installed")


def measure(folder: Path, size: int, rounds: int) -> dict[str, Costs]:
    """Take a new file every round, each way in turn."""
    file, target = folder / "file.bin", folder / "target"
    costs = {which: Costs() for which in ("floor", "plain", "tls floor", "tls")}
    ways: dict[str, Callable[[], Cost]] = {
        "floor": lambda: plain_copy(file, target),
        "plain": lambda: push(file, target, costs["plain"], tls=False),
        "tls floor": lambda: tls_copy(file, target),
        "tls": lambda: push(file, target, costs["tls"], tls=True),
    }
    with ExitStack() as stack:
        if shutil.which("rsync"):
            port = stack.enter_context(rsync_daemon(folder))
            costs["rsync"] = Costs()
            ways["rsync"] = lambda: rsync_copy(file, port, "target")
        order = deque(ways)
        for _ in range(rounds):
            new_file(file, size)
            for which in order:
                costs[which].add(ways[which]())
                if target.is_dir():
                    shutil.rmtree(target)
                else:
                    target.unlink()
                os.sync()
            order.rotate(-1)
    return costs


if __name__ == "__main__":
    main()
