# SPDX-License-Identifier: GPL-3.0-only
"""A systemctl that says what a test wants, and a profile for it."""

from __future__ import annotations

from pathlib import Path

from maild.mail.address import parse_address
from terminal_client.profile import Place, Profile


def profile(directory: Path) -> Profile:
    directory.mkdir(parents=True, exist_ok=True)
    place = Place("a.example", 1)
    return Profile(directory, parse_address("alice@a.example"), place, place)


class Systemctl:
    """One on the path that writes down its words, and may say no."""

    def __init__(self, folder: Path) -> None:
        self._log = folder / "log"
        self._program = folder / "systemctl"
        self.say("exit 0")

    def say(self, script: str) -> None:
        self._program.write_text(f'#!/bin/sh\necho "$*" >> {self._log}\n{script}\n')
        self._program.chmod(0o755)

    @property
    def heard(self) -> list[str]:
        if not self._log.exists():
            return []
        return [
            line.removeprefix("--user --quiet ")
            for line in self._log.read_text().splitlines()
        ]
