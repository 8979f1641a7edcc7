# SPDX-License-Identifier: Apache-2.0
"""The programs of a demonstration as child processes, ended whatever happens."""

from __future__ import annotations

import os
import secrets
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Final

PATIENCE: Final = 30.0
"""Seconds a server gets to become ready, and to stop."""
KEPT: Final = 40
"""Log lines of a server that are shown when it fails."""


class ChildError(Exception):
    """A program did not do what it was started for; says what it said last."""


class Server:
    """One ``maild serve``; every line of its log is given to ``listener``."""

    def __init__(self, config: Path, listener: Callable[[str], None]) -> None:
        self._config = config
        self._listener = listener
        self._log: list[str] = []
        self._process: subprocess.Popen[str] | None = None
        self._reader: threading.Thread | None = None

    def start(self) -> None:
        """Start it and wait for its READY=1; raise `ChildError` when it ends first."""
        name = f"maild-{secrets.token_hex(8)}"
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
            notify.bind(f"\0{name}")
            self._process = subprocess.Popen(  # noqa: S603 - our own program
                [sys.executable, "-m", "maild", "serve", "--config", str(self._config)],
                stderr=subprocess.PIPE,
                text=True,
                errors="replace",
                env=os.environ | {"NOTIFY_SOCKET": f"@{name}"},
                start_new_session=True,  # Ctrl-C is for us; we then stop it in order
            )
            self._reader = threading.Thread(target=self._read_log, daemon=True)
            self._reader.start()
            if not self._is_ready(notify):
                self.stop()
                raise ChildError(
                    f"{self._config.name}: the server did not start\n"
                    + self.last_words()
                )

    def ask_to_stop(self) -> None:
        """Send SIGTERM, if it runs."""
        if self._process is not None:
            self._process.terminate()

    def stop(self) -> None:
        """End it: first asked, then killed."""
        self.ask_to_stop()
        if self._process is None:
            return
        try:
            self._process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if self._reader is not None:
            self._reader.join()
        if self._process.stderr is not None:
            self._process.stderr.close()
        self._process = None

    def last_words(self) -> str:
        """Return the end of its log."""
        return "\n".join(self._log)

    def _is_ready(self, notify: socket.socket) -> bool:
        notify.settimeout(0.1)
        for _ in range(int(PATIENCE / 0.1)):
            if self._process is None or self._process.poll() is not None:
                return False
            try:
                if b"READY=1" in notify.recv(4096).splitlines():
                    return True
            except TimeoutError:
                continue
        return False

    def _read_log(self) -> None:
        if self._process is None or self._process.stderr is None:
            return
        for line in self._process.stderr:
            self._log = [*self._log[-KEPT:], line.rstrip("\n")]
            self._listener(line.rstrip("\n"))


@contextmanager
def running(
    configs: Sequence[Path], listener: Callable[[str], None]
) -> Iterator[list[Server]]:
    """Run a server for each configuration; stop all of them at the end."""
    servers = [Server(config, listener) for config in configs]
    try:
        with ThreadPoolExecutor() as all_at_once:
            list(all_at_once.map(Server.start, servers))
        yield servers
    finally:
        for server in servers:
            server.ask_to_stop()
        for server in servers:
            server.stop()


def terminal_program() -> list[str]:
    """Return the command ``mshare`` that was installed with this ``maild``."""
    beside = Path(sys.executable).with_name("mshare")
    if beside.exists():
        return [str(beside)]
    return [sys.executable, "-m", "terminal_client"]


def terminal(profile: Path, *words: str | Path, stdin: str = "") -> None:
    """Run ``mshare`` so that a person sees it; raise `ChildError` when it fails."""
    # Ctrl-C is for us: a program that is only just starting would die loudly of it.
    done = subprocess.run(  # noqa: S603 - our own program
        _command(profile, words),
        input=stdin,
        text=True,
        check=False,
        process_group=0,
        env=_environment(),
    )
    _must_be_well(done.returncode, words)


@contextmanager
def terminal_beside(
    profile: Path, *words: str | Path
) -> Iterator[subprocess.Popen[bytes]]:
    """Run ``mshare`` while something else is done, then wait for its end.

    It is ended when the other thing fails, or Ctrl-C comes.
    """
    process = subprocess.Popen(  # noqa: S603 - our own program
        _command(profile, words),
        stdin=subprocess.DEVNULL,
        process_group=0,
        env=_environment(),
    )
    try:
        yield process
        _must_be_well(process.wait(2 * PATIENCE), words)
    except subprocess.TimeoutExpired as error:
        raise ChildError(f"mshare {words[0]} does not end") from error
    finally:
        process.kill()
        process.wait()


def _command(profile: Path, words: Sequence[str | Path]) -> list[str]:
    return [*terminal_program(), "--profile", str(profile), *map(str, words)]


def _environment() -> dict[str, str]:
    """Let it keep a password in its profile, never in somebody's real keyring."""
    return os.environ | {"PYTHON_KEYRING_BACKEND": "keyring.backends.null.Keyring"}


def _must_be_well(status: int, words: Sequence[str | Path]) -> None:
    if status != os.EX_OK:
        raise ChildError(f"mshare {words[0]} ended with status {status}")


def terminal_output(profile: Path, *words: str | Path) -> str:
    """Run ``mshare`` and return what it printed; raise `ChildError` when it fails."""
    command = _command(profile, words)
    done = subprocess.run(  # noqa: S603 - our own program
        command, capture_output=True, text=True, check=False, process_group=0
    )
    if done.returncode != os.EX_OK:
        raise ChildError(
            f"mshare {words[0]} ended with status {done.returncode}: {done.stderr}"
        )
    return done.stdout
