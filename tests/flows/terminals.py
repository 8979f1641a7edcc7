# SPDX-License-Identifier: Apache-2.0
"""Programs in a pseudo terminal, as a person would sit before one."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import struct
import subprocess
import termios
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.flows.programs import BIN, Programs, eventually

_SEQUENCE = re.compile(
    r"\x1b(?:\[[0-?]*[ -/]*[@-~]|[PX^_\]].*?(?:\x1b\\|\x07)|[ -/]*.)"
)
"""Escape sequences (ECMA-48 §5.4, §5.6)."""


class Screen:
    """A program in a pseudo terminal of 80 by 24, and what it has written."""

    def __init__(self, words: Sequence[str], folder: Path, **environment: str) -> None:
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

    def says(self, text: str, *, while_pressing: str = "") -> None:
        """Wait until a text is on the screen; press keys until it is."""

        def look() -> bool:
            found = text in _SEQUENCE.sub("", self.written)
            if not found and while_pressing:
                self.press(while_pressing)
            return found

        try:
            eventually(look, f"it says {text}")
        except AssertionError as error:
            shown = _SEQUENCE.sub("", self.written)[-3000:]
            raise AssertionError(f"{error}; the screen: {shown}") from None

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
def screen(
    programs: Programs, name: str, folder: Path, *words: str, **env: str
) -> Iterator[Screen]:
    """Run an account's ``mshare`` in a terminal of its own."""
    profile = programs.account(name)["profile"]
    words = (str(BIN / "mshare"), "--profile", profile, *words)
    shown = Screen(words, folder, **env)
    try:
        yield shown
    finally:
        shown.close()
