# SPDX-License-Identifier: GPL-3.0-only
"""The screen in a real terminal: an offer is accepted, its item got, by single keys."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import struct
import subprocess
import termios
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.flows.programs import BIN, Programs, eventually, sha256

_SEQUENCE = re.compile(
    r"\x1b(?:\[[0-?]*[ -/]*[@-~]|[PX^_\]].*?(?:\x1b\\|\x07)|[ -/]*.)"
)
"""Escape sequences (ECMA-48 §5.4, §5.6)."""


class Screen:
    """A program in a pseudo terminal of 80 by 24, and what it has written."""

    def __init__(self, words: list[str], folder: Path, **environment: str) -> None:
        self._ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("4H", 24, 80, 0, 0))
        self.before = termios.tcgetattr(theirs)
        self._theirs = theirs
        self.process = subprocess.Popen(
            words,
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            cwd=folder,
            env=os.environ | {"TERM": "xterm-256color"} | environment,
            start_new_session=True,
        )
        self.written = ""
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        while True:
            try:
                octets = os.read(self._ours, 65536)
            except OSError:
                return
            self.written += octets.decode(errors="replace")

    def press(self, keys: str) -> None:
        """Type."""
        os.write(self._ours, keys.encode())

    def forget(self) -> None:
        """Look only at what is written from now on."""
        self.written = ""

    def says(self, text: str) -> None:
        """Wait until a text is on the screen."""
        eventually(lambda: text in _SEQUENCE.sub("", self.written), f"it says {text}")

    def close(self) -> None:
        """End it if it has not ended."""
        self.process.kill()
        self.process.wait()
        os.close(self._theirs)
        os.close(self._ours)

    @property
    def after(self) -> list[object]:
        """Return how the terminal is set."""
        return termios.tcgetattr(self._theirs)


@contextmanager
def screen(programs: Programs, name: str, folder: Path, **env: str) -> Iterator[Screen]:
    profile = programs.account(name)["profile"]
    words = [str(BIN / "mshare"), "--profile", profile, "tui"]
    shown = Screen(words, folder, **env)
    try:
        yield shown
    finally:
        shown.close()


@pytest.mark.parametrize("environment", [{}, {"NO_COLOR": "1"}], ids=["plain", "grey"])
def test_accept_and_get_by_single_keys(
    programs: Programs, tmp_path: Path, environment: dict[str, str]
) -> None:
    file = tmp_path / f"key{len(environment)}.bin"
    file.write_bytes(os.urandom(3_000_000))
    here = tmp_path / "here"
    here.mkdir()
    with screen(programs, "bob", here, **environment) as shown:
        shown.says("connected")
        programs.mshare("alice", "send", file, programs.account("bob")["address"])
        shown.says(file.name)
        shown.press("a")
        shown.says(f"accepted: {file.name}")
        shown.forget()
        shown.press("2")
        shown.says(file.name)
        shown.press("\x1b[A\x1b[A")  # what was there before is still chosen
        shown.press("g")
        shown.says("it is here")
        assert sha256(here / file.name) == sha256(file)
        shown.press("q")
        assert shown.process.wait(20) == 0
        # The terminal is as it was: its settings, its screen, its cursor.
        assert shown.after == shown.before
        assert "\x1b[?1049l" in shown.written
        assert "\x1b[?25h" in shown.written


def test_a_lost_connection_is_shown_and_made_again(
    programs: Programs, tmp_path: Path
) -> None:
    with screen(programs, "bob", tmp_path) as shown:
        shown.says("bob@b.example")
        shown.says("connected")
        programs.servers["b"].stop()
        try:
            shown.says("not connected:")
            shown.forget()
        finally:
            programs.servers["b"].start()
        shown.says("connected")
        file = tmp_path / "after.bin"
        file.write_bytes(b"after")
        programs.mshare("alice", "send", file, programs.account("bob")["address"])
        shown.says("after.bin")
        shown.press("\x03")
        assert shown.process.wait(20) == 0
        assert shown.after == shown.before


def test_without_a_terminal_it_says_what_to_do(programs: Programs) -> None:
    refused = programs.mshare("bob", "tui", expect=64)
    assert "mshare offers, ls, status --watch" in refused.err
