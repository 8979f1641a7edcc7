# SPDX-License-Identifier: GPL-3.0-only
"""Showing how far octets have come: bars on a terminal, plain lines elsewhere.

Nothing is shown for what takes less than a second.  Everything goes to stderr: results
are on stdout.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol, TextIO

from maild.mail.plain import amount, short, span
from terminal_client.naming import shown

PATIENCE = 1.0
"""Seconds that pass before anything is shown."""
STEP = 10
"""Percent between two plain lines."""
PAUSE = 5.0
"""Seconds between two plain lines of something slow."""


class Report(Protocol):
    """Shows how far one thing has come."""

    def __call__(self, done: int, total: int, /) -> None:
        """Take octets done and octets in all."""

    def tell(self, what: str) -> None:
        """Say in a few words why nothing moves."""


Begin = Callable[[str], Report]
"""Begins the report of one named thing."""


def progress_line(name: str, done: int, total: int | None, rate: float) -> str:
    """Return one line; ``done`` and ``total`` in octets, ``rate`` in octets a second.

    ``total`` is None while the size is unknown: then there is no percentage and no
    time to go, rather than an invented one.
    """
    if total is None:
        return f"{name}: {amount(done)}"
    percent = 100 * done // total if total else 100
    line = f"{name}: {percent} % of {amount(total)}"
    if rate > 0 and done < total:
        line += f", {amount(int(rate))}/s, {span((total - done) / rate)} to go"
    return line


class Lines:
    """Plain lines for one thing that moves: about one for each `STEP` or `PAUSE`."""

    def __init__(
        self, name: str, write: Callable[[str], None], clock: Callable[[], float]
    ) -> None:
        self._name = name
        self._write = write
        self._clock = clock
        self._began = self._spoke = self._moved = clock()
        self._from: int | None = None
        self._step = 0
        self._shown = False

    def __call__(self, done: int, total: int) -> None:
        """Take the octets done and in all; write a line when one is due."""
        now = self._clock()
        if self._from is None:  # what was there before has not moved now
            self._from, self._moved = done, now
            self._step = 100 * done // total // STEP if total else 0
        passed = now - self._began
        step = 100 * done // total // STEP if total else 100 // STEP
        due = step > self._step or now - self._spoke >= PAUSE
        if done >= total:
            due = self._shown and step > self._step
        if passed < PATIENCE or not due:
            return
        moving = now - self._moved
        rate = (done - self._from) / moving if moving else 0.0
        self._write(progress_line(self._name, done, total, rate))
        self._step, self._spoke, self._shown = step, now, True

    def tell(self, what: str) -> None:
        """Write a line at once."""
        self._write(f"{self._name}: {shown(what)}")


class Nothing:
    """Shows nothing."""

    def __call__(self, done: int, total: int, /) -> None:
        """Take octets done and octets in all."""

    def tell(self, what: str) -> None:
        """Take why nothing moves."""


@contextmanager
def shown_progress(
    name: str, stream: TextIO | None = None, *, lines: bool = True
) -> Iterator[Report]:
    """Give a `Report` for one named thing, shown as fits the stream (stderr).

    ``lines``: whether plain lines are welcome where no bar can be drawn.
    """
    if not lines and not (stream or sys.stderr).isatty():
        yield Nothing()
        return
    with shown_together(stream) as begin:
        yield begin(name)


@contextmanager
def shown_together(
    stream: TextIO | None = None,
) -> Iterator[Begin]:
    """Give a function that begins one `Report` for each of several things."""
    target = stream or sys.stderr
    if not target.isatty():
        yield lambda name: Lines(
            short(shown(name)), lambda line: _write(target, line), time.monotonic
        )
        return
    from terminal_client.bars import Board  # drawing takes long to load

    board = Board(target, PATIENCE)
    try:
        yield board.begin
    finally:
        board.stop()


def _write(target: TextIO, line: str) -> None:
    target.write(f"{line}\n")
    target.flush()
