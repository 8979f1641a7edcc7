# SPDX-License-Identifier: Apache-2.0
"""Real servers and real terminals for a flow, as subprocesses."""

from __future__ import annotations

import hashlib
import json
import os
import re
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from maild.mail.codes import explain
from tests.flows.ports import base_port

T = TypeVar("T")

BIN = Path(sys.executable).parent
LIMIT = 60.0
"""Seconds after which a flow that waits for something has failed."""


def eventually(look: Callable[[], T | None], what: str, limit: float = LIMIT) -> T:
    """Return the first true answer of ``look``; fail when none comes."""
    deadline = time.monotonic() + limit
    while time.monotonic() < deadline:
        found = look()
        if found:
            return found
        threading.Event().wait(0.05)
    raise AssertionError(f"never happened: {what}")


def sha256(path: Path) -> str:
    """Return the digest of a file, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@dataclass
class Server:
    """One ``maild serve`` process; its log is kept."""

    config: Path
    ports: dict[str, int]
    process: subprocess.Popen[str] | None = None
    log: list[str] = field(default_factory=list)
    peak: int = 0
    inside: tuple[str, ...] = ()
    """Words in front of every command here: what runs it in a namespace."""
    _reader: threading.Thread | None = None

    def start(self, **environment: str) -> None:
        """Start it and wait until it says that it is ready."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
            name = self.config.with_suffix(".notify")
            name.unlink(missing_ok=True)
            notify.bind(str(name))
            notify.settimeout(0.1)
            self.process = subprocess.Popen(
                [
                    *self.inside,
                    str(BIN / "maild"),
                    "serve",
                    "--config",
                    str(self.config),
                ],
                stderr=subprocess.PIPE,
                text=True,
                errors="replace",
                env=os.environ | {"NOTIFY_SOCKET": str(name)} | environment,
            )
            self._reader = threading.Thread(target=self._read_log, daemon=True)
            self._reader.start()
            self._wait_until_ready(notify)

    def _wait_until_ready(self, notify: socket.socket) -> None:
        assert self.process is not None
        deadline, said = time.monotonic() + LIMIT, b""
        while b"READY=1" not in said:
            has_ended = self.process.poll() is not None
            try:
                said = notify.recv(4096)
            except TimeoutError:
                if has_ended or time.monotonic() > deadline:
                    raise AssertionError("".join(self.log[-20:])) from None

    def _read_log(self) -> None:
        assert self.process is not None
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.log.append(line)

    def bury(self) -> int:
        """Wait for its end, read its log to the end, and return its status."""
        assert self.process is not None
        assert self._reader is not None
        status = self.process.wait(timeout=30)
        self._reader.join()
        assert self.process.stderr is not None
        self.process.stderr.close()
        self.process = None
        return status

    def stop(self) -> None:
        """Stop it; remembers its peak memory."""
        if self.process is not None:
            self.measure()
            self.process.terminate()
            self.bury()

    def measure(self) -> int:
        """Return the peak resident memory so far, in octets."""
        assert self.process is not None
        self.peak = max(self.peak, peak_of(self.process.pid))
        return self.peak

    def lines(self, pattern: str) -> list[str]:
        """Return the log lines in which ``pattern`` is found."""
        return [line for line in self.log if re.search(pattern, line)]


def peak_of(pid: int) -> int:
    """Return VmHWM of a process, in octets; 0 when it is gone."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    found = re.search(r"VmHWM:\s+(\d+) kB", status)
    return int(found[1]) * 1024 if found else 0


@dataclass(frozen=True)
class Ran:
    """What a command did; ``peak`` is its resident memory in octets."""

    status: int
    out: str
    err: str
    peak: int

    @property
    def json(self) -> Any:
        """Its output as JSON."""
        return json.loads(self.out)


@dataclass
class Programs:
    """A playground with its servers running."""

    folder: Path
    facts: dict[str, Any]
    servers: dict[str, Server]

    @property
    def tls(self) -> ssl.SSLContext:
        """A client context that trusts the playground's CA."""
        return ssl.create_default_context(cafile=self.facts["ca"])

    def account(self, name: str) -> dict[str, str]:
        """Return address, password, server, profile and number of an account."""
        found: dict[str, str] = self.facts["accounts"][name]
        return found

    def port(self, name: str, listener: str) -> int:
        """Return a port of the server an account (or the server named) lives on."""
        known = self.facts["servers"]
        server = name if name in known else self.account(name)["server"]
        return int(self.facts["servers"][server][listener])

    def mshare(
        self, name: str, *words: str | Path, expect: int | None = 0, stdin: str = ""
    ) -> Ran:
        """Run ``mshare`` as an account; check its exit status unless None."""
        process = subprocess.Popen(
            [
                *self._inside(name),
                str(BIN / "mshare"),
                "--profile",
                self.account(name)["profile"],
                *map(str, words),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        peak = [0]
        watcher = threading.Thread(target=_watch_memory, args=(process, peak))
        watcher.start()
        out, err = process.communicate(stdin, timeout=900)
        watcher.join()
        if expect is not None and process.returncode != expect:
            log = "".join(
                f"{n}: {line}" for n, s in self.servers.items() for line in s.log[-15:]
            )
            raise AssertionError(
                f"mshare {words}: {process.returncode}\n{out}\n{err}\n{log}"
            )
        return Ran(process.returncode, out, err, peak[0])

    def log_in_number(self, name: str) -> str:
        """Log an account's terminal in to the rendezvous; return its number."""
        facts = self.account(name)
        ports = self.facts["servers"]["r"]
        self.mshare(
            name,
            "number",
            "login",
            facts["number"],
            "--submission",
            f"127.0.0.1:{ports['submission']}",
            "--imap",
            f"127.0.0.1:{ports['imap']}",
            "--ca",
            self.facts["ca"],
            "--password-stdin",
            stdin=facts["number_password"] + "\n",
        )
        return facts["number"].partition("@")[0]

    def _inside(self, name: str) -> tuple[str, ...]:
        home = self.servers.get(self.account(name)["server"])
        return () if home is None else home.inside

    def maild(self, server: str, *words: str, expect: int = 0) -> Ran:
        """Run an operator's verb for a server."""
        done = subprocess.run(
            [
                str(BIN / "maild"),
                *words[:1],
                "--config",
                str(self.servers[server].config),
                *words[1:],
            ],
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == expect, (words, done.stdout, done.stderr)
        return Ran(done.returncode, done.stdout, done.stderr, 0)

    def stop(self) -> None:
        """Stop the servers."""
        for server in self.servers.values():
            server.stop()


def _watch_memory(process: subprocess.Popen[str], peak: list[int]) -> None:
    while process.poll() is None:
        peak[0] = max(peak[0], peak_of(process.pid))
        threading.Event().wait(0.02)


_CODE = re.compile(r"\bdsn=([245]\.\d+\.\d+)|(?:^|\()(?:[245]\d\d )?([45]\.\d+\.\d+) ")
"""Enhanced codes in a delivery line, or at the beginning of a reply."""


def codes_of(lines: Iterable[str]) -> set[str]:
    """Return the enhanced status codes (RFC 3463) in log lines and replies."""
    found = (pair for line in lines for pair in _CODE.findall(line))
    return {code for pair in found for code in pair if code}


def unexplained(lines: Iterable[str]) -> set[str]:
    """Return those codes that `maild explain` does not know."""
    return {code for code in codes_of(lines) if explain(code) is None}


def edit(path: Path, table: str, **keys: object) -> None:
    """Set ``keys`` in one table of a configuration file (added when missing)."""
    text = path.read_text()
    for key, value in keys.items():
        line = f"{key} = {json.dumps(value)}"
        head = f"[{table}]"
        found = re.search(
            rf"(?ms)^{re.escape(head)}\n(?:(?!^\[).)*?^(?P<line>{key} = .*?)$", text
        )
        if found:
            text = text[: found.start("line")] + line + text[found.end("line") :]
        elif f"{head}\n" in text:
            text = text.replace(f"{head}\n", f"{head}\n{line}\n", 1)
        else:
            text += f"\n{head}\n{line}\n"
    path.write_text(text)


HOMES = ("a", "b")
"""The servers that hold content."""
WITH_RENDEZVOUS = (*HOMES, "r")


@contextmanager
def playground(
    folder: Path,
    *,
    change: Callable[[Path], None] | None = None,
    servers: Sequence[str] = HOMES,
) -> Iterator[Programs]:
    """Make a playground in ``folder``, start ``servers``, stop them afterwards.

    ``change`` gets the folder before the servers start, to edit their files.
    """
    subprocess.run(
        [
            str(BIN / "maild"),
            "playground",
            str(folder),
            "--base-port",
            str(base_port()),
        ],
        check=True,
        stdout=subprocess.DEVNULL,
        timeout=120,
    )
    facts = json.loads((folder / "playground.json").read_text())
    if change is not None:
        change(folder)
    programs = Programs(
        folder,
        facts,
        {n: Server(folder / f"{n}.toml", facts["servers"][n]) for n in servers},
    )
    try:
        for server in programs.servers.values():
            server.start()
        yield programs
    finally:
        programs.stop()
    logs = (line for server in programs.servers.values() for line in server.log)
    assert not (unknown := unexplained(logs)), f"nothing explains {unknown}"
