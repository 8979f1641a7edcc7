# SPDX-License-Identifier: GPL-3.0-only
"""Progress as plain lines: few, true, and none for what is over at once."""

from __future__ import annotations

import io
import re

import pytest

from maild.mail.plain import span
from terminal_client.bars import STILL, Board
from terminal_client.progress import Lines, progress_line, shown_progress

MB = 10**6


@pytest.mark.parametrize(
    ("done", "total", "rate", "line"),
    [
        (50 * MB, 100 * MB, 10 * MB, "x: 50 % of 100 MB, 10.0 MB/s, 5 s to go"),
        (0, 0, 0, "x: 100 % of 0 octets"),
        (5, None, 1, "x: 5 octets"),
        (100, 100, 7, "x: 100 % of 100 octets"),
        (99, 10**4, 0, "x: 0 % of 10.0 kB"),
    ],
)
def test_lines(done: int, total: int | None, rate: float, line: str) -> None:
    assert progress_line("x", done, total, rate) == line


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.2, "1 s"),
        (59.4, "59 s"),
        (60, "1 min"),
        (125, "2 min 5 s"),
        (7800, "2 h 10 min"),
        (7200, "2 h"),
        (3 * 86400 + 4 * 3600 + 5, "3 d 4 h"),
    ],
)
def test_spans(seconds: float, text: str) -> None:
    assert span(seconds) == text


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def move(seconds_per_percent: float) -> list[str]:
    """Report 0 to 100 percent of 100 MB at an even pace."""
    clock, written = Clock(), list[str]()
    lines = Lines("x", written.append, clock)
    for percent in range(101):
        clock.now = percent * seconds_per_percent
        lines(percent * MB, 100 * MB)
    return written


def test_what_is_over_within_a_second_is_not_shown() -> None:
    assert move(0.005) == []


def test_a_minute_gives_a_line_for_each_ten_percent() -> None:
    lines = move(0.4)
    assert [line.split(":")[1].split(" %")[0] for line in lines] == [
        f" {percent}" for percent in range(10, 101, 10)
    ]


def test_something_slow_gives_a_line_every_few_seconds() -> None:
    assert 100 <= len(move(5.0)) <= 101


def test_the_rate_counts_from_where_it_began() -> None:
    clock, written = Clock(), list[str]()
    lines = Lines("x", written.append, clock)
    lines(90 * MB, 100 * MB)
    clock.now = 6.0
    lines(96 * MB, 100 * MB)
    assert written == ["x: 96 % of 100 MB, 1.0 MB/s, 4 s to go"]


def test_a_pipe_gets_nothing_for_something_fast() -> None:
    stream = io.StringIO()
    with shown_progress("x", stream) as report:
        report(0, 10)
        report(10, 10)
    assert stream.getvalue() == ""


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("still", "shown"),
    [(STILL - 1, ("10.0 MB/s", "0:00:07")), (STILL, ("0 bytes/s", "-:--:--"))],
)
def test_a_bar_that_stands_still_promises_no_time(
    still: float, shown: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "120")
    clock, stream = Clock(), Terminal()
    board = Board(stream, 1.0, clock)
    report = board.begin("x")
    for second in range(4):
        clock.now = float(second)
        report(second * 10 * MB, 100 * MB)
    clock.now += still
    report(30 * MB, 100 * MB)
    board.stop()
    last = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", stream.getvalue()).split("\r")[-1]
    pace, left = shown
    assert pace in last
    assert left in last
