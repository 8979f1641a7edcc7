# SPDX-License-Identifier: GPL-3.0-only
"""What `mshare` says at the command line: ``cli/*.cli`` files, word for word.

    # comment
    $ mshare status --profile nobody    a command line, as a shell would cut it
    > text                              a line on stdout; * is a wildcard
    ! text                              a line on stderr
    ? 78                                the exit status (0 when not said)

Nothing may be said that is not in the file.  No server is needed: these are the
conversations that end before one is asked.
"""

from __future__ import annotations

import fnmatch
import io
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import keyring
import keyring.backends.null
import pytest

from terminal_client.cli import main

FILES = sorted((Path(__file__).parent / "cli").glob("*.cli"))


@dataclass
class Exchange:
    """One command line and what is expected of it."""

    words: list[str]
    out: list[str] = field(default_factory=list)
    err: list[str] = field(default_factory=list)
    status: int = 0


def read(text: str) -> Iterator[Exchange]:
    """Yield the exchanges of a transcript."""
    current: Exchange | None = None
    for line in text.splitlines():
        mark, said = line[:1], line[2:]
        if mark == "$":
            if current is not None:
                yield current
            current = Exchange(shlex.split(said)[1:])
        elif mark in {">", "!", "?"}:
            assert current is not None, line
            if mark == "?":
                current.status = int(said)
            else:
                (current.out if mark == ">" else current.err).append(said)
        else:
            assert mark == "#", line
    assert current is not None
    yield current


def matches(expected: list[str], said: str) -> bool:
    lines = [line.rstrip() for line in said.splitlines()]
    return len(lines) == len(expected) and all(
        fnmatch.fnmatchcase(line, re.sub(r"([?\[])", r"[\1]", wanted))
        for line, wanted in zip(lines, expected, strict=True)
    )


@pytest.fixture
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A home of one's own, without a keyring, 80 columns wide."""
    monkeypatch.setenv("MSHARE_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("MSHARE_PROFILE", raising=False)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setattr("sys.stdin", io.StringIO())
    monkeypatch.chdir(tmp_path)
    before = keyring.get_keyring()
    none = keyring.backends.null.Keyring()  # type: ignore[no-untyped-call] # keyring is half typed
    keyring.set_keyring(none)
    yield
    keyring.set_keyring(before)


@pytest.mark.usefixtures("_home")
@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_transcript(file: Path, capfd: pytest.CaptureFixture[str]) -> None:
    for exchange in read(file.read_text()):
        status = main(exchange.words)
        said = capfd.readouterr()
        assert matches(exchange.out, said.out), said.out
        assert matches(exchange.err, said.err), said.err
        assert status == exchange.status, said.err
