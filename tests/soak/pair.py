# SPDX-License-Identifier: Apache-2.0
"""Two servers that can be killed at any time, and terminals that can be killed too."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from maild.store import transfers
from maild.store.gc import is_orphan, orphan_candidates
from maild.store.house import Store
from maild.store.transfers import Transfer
from tests.flows.programs import BIN, HOMES, Programs, Server, edit, sha256
from tests.soak.legs import Legs, facts_of, legs_of

QUICK = {"retry_first": 0.5, "retry_most": 2.0}
"""Seconds between attempts: what takes hours in the world must not here."""
PATIENCE = 120.0
"""Seconds after which a terminal that does nothing hangs."""


@dataclass(frozen=True)
class Said:
    """How a terminal ended; a negative status is the signal that killed it."""

    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Its output as JSON."""
        return json.loads(self.out)


@dataclass
class Pair:
    """Two servers and the terminals that run just now."""

    programs: Programs
    legs: Legs
    environment: dict[str, Mapping[str, str]] = field(default_factory=dict)
    """What each server is started with."""
    kills: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _lives: threading.RLock = field(default_factory=threading.RLock)
    """Whoever ends or starts a server."""
    _running: list[tuple[str, subprocess.Popen[str]]] = field(default_factory=list)

    def server(self, name: str) -> Server:
        """Return a server."""
        return self.programs.servers[name]

    def is_alive(self, name: str) -> bool:
        """Whether a server's process runs."""
        process = self.server(name).process
        return process is not None and process.poll() is None

    def kill(self, name: str) -> None:
        """End a server with -9, unless it has ended already."""
        with self._lives:
            process = self.server(name).process
            if process is not None:
                self.legs.interrupted(name)
                process.kill()
                self.kills += 1
                self.server(name).bury()

    def start(self, name: str) -> None:
        """Start a server that does not run."""
        self.server(name).start(**self.environment.get(name, {}))

    def restart(self, name: str) -> None:
        """Kill a server and start it again."""
        with self._lives:
            self.kill(name)
            self.start(name)

    def revive(self, name: str) -> int | None:
        """Start a server that is not alive; return the status it had ended with."""
        with self._lives:
            if self.is_alive(name):
                return None
            had_process = self.server(name).process is not None
            status = self.server(name).bury() if had_process else 0
            self.start(name)
            return status

    @contextmanager
    def kept_alive(self, name: str) -> Iterator[list[int]]:
        """Start a server again whenever it ends: terminals wait for it to come back.

        Yields the statuses it ends with.  One that was stopped is left alone.
        """
        ends: list[int] = []
        over = threading.Event()

        def look() -> None:
            while not over.wait(0.05):
                if self.server(name).process is not None:
                    self._note(ends, name)

        with ThreadPoolExecutor(1) as aside:
            looking = aside.submit(look)
            try:
                yield ends
            finally:
                over.set()
                looking.result()
        self._note(ends, name)

    def _note(self, ends: list[int], name: str) -> None:
        status = self.revive(name)
        if status is not None:
            ends.append(status)

    def terminal(self, name: str, *words: str | Path) -> Said:
        """Run ``mshare`` as an account; it may be killed meanwhile."""
        profile = self.programs.account(name)["profile"]
        process = subprocess.Popen(
            [str(BIN / "mshare"), "--profile", profile, *map(str, words)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        with self._lock:
            self._running.append((name, process))
        try:
            out, err = _communicate(process)
        finally:
            with self._lock:
                self._running.remove((name, process))
        return Said(process.returncode, out, err)

    def ask(self, name: str, *words: str | Path, limit: float = 60.0) -> Any:
        """Return what a terminal prints as JSON; repeat while servers come back."""
        deadline = time.monotonic() + limit
        while True:
            said = self.terminal(name, *words, "--json")
            if said.status == os.EX_OK:
                return said.json
            if time.monotonic() > deadline:
                raise AssertionError(f"mshare {words}: {said.status} {said.err}")

    def kill_a_terminal(self, chosen: float, of: str | None = None) -> bool:
        """Kill one of the terminals that run; ``chosen`` is in [0, 1).

        ``of``: one of this account's.
        """
        with self._lock:
            running = [each for each in self._running if of in (None, each[0])]
            if not running:
                return False
            name, process = running[int(chosen * len(running))]
            process.kill()
        self.legs.interrupted(name)
        self.kills += 1
        return True

    def address(self, name: str) -> str:
        """Return the mail address of an account."""
        return self.programs.account(name)["address"]

    def store_of(self, name: str) -> Path:
        """Return the directory of a server's store."""
        for line in self.server(name).config.read_text().splitlines():
            if line.startswith("store = "):
                return self.programs.folder / str(json.loads(line.partition("= ")[2]))
        raise AssertionError("no store is configured")

    def operator(self, name: str, *words: str) -> Said:
        """Run an operator's verb for a server, however it ends."""
        done = subprocess.run(
            [str(BIN / "maild"), "--config", str(self.server(name).config), *words],
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )
        return Said(done.returncode, done.stdout, done.stderr)

    def queue(self, name: str) -> list[Transfer]:
        """Return every transfer of a server, finished ones too."""
        with opened(self.store_of(name)) as store:
            return store.index.read_here(transfers.everything, final=True)


def _communicate(process: subprocess.Popen[str]) -> tuple[str, str]:
    """Wait for the end of a terminal, as long as it does anything at all."""
    spent, idle_since = -1, time.monotonic()
    while True:
        try:
            return process.communicate(timeout=1.0)
        except subprocess.TimeoutExpired:
            before, spent = spent, _ticks(process.pid)
            if spent != before:
                idle_since = time.monotonic()
            elif time.monotonic() > idle_since + PATIENCE:
                process.kill()
                said = process.communicate()
                raise AssertionError(f"{process.args!r} hung: {said!r}") from None


def _ticks(pid: int) -> int:
    """Return the processor time that a process has spent (proc(5), utime and stime)."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0
    return int(fields[11]) + int(fields[12])


@contextmanager
def opened(root: Path) -> Iterator[Store]:
    """Open a store, beside a daemon or without."""
    store = Store(root)
    store.open()
    try:
        yield store
    finally:
        store.close()


def sweep(root: Path) -> list[str]:
    """Collect garbage of any age in a store that no daemon has open.

    Returns what is wrong afterwards: orphan files, and what fsck finds.
    """
    with opened(root) as store:
        store.blobs.collect(store.clock() + 1, older_than=0)
        files = orphan_candidates(store.blobs._disk, store.clock() + 1)
        orphans = [f.name for f in files if store.index.read_here(is_orphan, f)]
        wrong = [f"after gc, fsck: {finding}" for finding in store.blobs.check()]
    return wrong + [f"after gc, an orphan: {name}" for name in orphans]


@contextmanager
def pair(
    folder: Path,
    *,
    change: Callable[[Path], None] | None = None,
    environment: Mapping[str, Mapping[str, str]] | None = None,
) -> Iterator[Pair]:
    """Make a playground that tries again within seconds, and run its servers."""

    def quick(made: Path) -> None:
        for name in ("a", "b"):
            edit(made / f"{name}.toml", "delivery", **QUICK)
        if change is not None:
            change(made)

    subprocess.run(
        [str(BIN / "maild"), "playground", str(folder)],
        check=True,
        stdout=subprocess.DEVNULL,
        timeout=120,
    )
    quick(folder)
    facts = facts_of(folder)
    ports = facts["servers"]
    servers = {n: Server(folder / f"{n}.toml", ports[n]) for n in HOMES}
    with legs_of(folder, facts) as legs:
        made = Pair(Programs(folder, facts, servers), legs, dict(environment or {}))
        try:
            with ThreadPoolExecutor() as both:
                list(both.map(made.start, servers))
            yield made
        finally:
            made.programs.stop()


def new_file(folder: Path, name: str, size: int) -> Path:
    """Make a file that no other is like."""
    path = folder / name
    block = os.urandom(min(size, 1 << 20))
    with path.open("wb") as file:
        for start in range(0, size, 1 << 20):
            file.write(block[: size - start])
    return path


def digest(path: Path) -> str:
    """Return the SHA-256 of a file, in hex."""
    return sha256(path)


def fresh_name(size: int) -> str:
    """Return a file name that tells the size and is used once."""
    return f"{secrets.token_hex(6)}-{size}.bin"
