# SPDX-License-Identifier: GPL-3.0-only
"""Tables: tabs for programs, eighty readable columns for people."""

from __future__ import annotations

import io
import json
import sys

import pytest

from terminal_client import screen

COLUMNS = ("id", "state", "octets", "to", "name", "reason")
ROW = (
    "m4Y5bQK1mSpF4m",
    "failed",
    "30.0 MB",
    "bob@nowhere.example",
    "film.mov",
    "5.1.2 the recipient's domain does not exist",
)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """Make stdout a terminal of 80 columns; within a test, for the sake of capsys."""
    made = Terminal()
    monkeypatch.setattr(sys, "stdout", made)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("TERM", "dumb")
    return made


def test_tabs_where_nobody_looks(capsys: pytest.CaptureFixture[str]) -> None:
    screen.table(COLUMNS, [ROW], "nothing")
    assert capsys.readouterr().out == "\t".join(ROW) + "\n"


def test_nothing_is_nothing_for_programs(capsys: pytest.CaptureFixture[str]) -> None:
    screen.table(COLUMNS, [], "nothing")
    assert capsys.readouterr() == ("", "")


def test_eighty_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = terminal(monkeypatch)
    screen.table(COLUMNS, [ROW], "nothing")
    lines = [line.rstrip() for line in seen.getvalue().splitlines()]
    assert lines[1:] == [
        "m4Y5bQK1mSpF4m  failed  30.0 MB  bob@nowhere.example  film.mov",
        "                                                      5.1.2 the recipient's",
        "                                                      domain does not exist",
    ]


def test_an_id_is_never_broken(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = terminal(monkeypatch)
    long = "a-long-name-of-a-person@a-long-name-of-a-domain.example"
    row = (ROW[0], "transferring", "999 MB of 1.5 GB", long, "x" * 200, "")
    screen.table(COLUMNS, [row], "nothing")
    lines = seen.getvalue().splitlines()
    assert lines[1].startswith(f"{ROW[0]}  transferring  999 MB of 1.5 GB  ")
    assert max(map(len, lines)) <= 80
    assert sum(line.count("x") for line in lines) >= 200


def test_an_empty_table_is_a_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    seen = terminal(monkeypatch)
    screen.table(COLUMNS, [], "no offer waits for you")
    assert seen.getvalue() == ""
    assert capsys.readouterr().err == "no offer waits for you\n"


def test_json_does_nothing_to_a_screen(capsys: pytest.CaptureFixture[str]) -> None:
    """A name may hold what a terminal takes for a command, whatever the C set."""
    value = {"name": "\x1b[2J \x9b2J \x7f \u202egpj.exe \u2066 Grüße 日本"}
    screen.dump(value)
    screen.event(value)
    told = capsys.readouterr().out
    assert not {"\x1b", "\x9b", "\x7f", "\u202e", "\u2066"} & set(told)
    assert "Grüße 日本" in told
    assert json.loads(told.splitlines()[-1]) == value
