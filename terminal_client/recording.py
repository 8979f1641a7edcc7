# SPDX-License-Identifier: GPL-3.0-only
"""A recording that is uploaded while it grows, as `mshare` shows and ends it."""

from __future__ import annotations

import asyncio
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from maild.mail.plain import amount, short
from terminal_client import screen
from terminal_client.errors import TerminalError, UsageError
from terminal_client.library import Item
from terminal_client.live_spool import Spool
from terminal_client.naming import shown, told_name
from terminal_client.people import Recipient
from terminal_client.terminal import Terminal

PAUSE = 5.0
"""Seconds between two plain lines."""
REDRAWN = 0.5
"""Seconds between two looks of a line on a terminal."""
STDIN = "-"

LiveOption = Annotated[
    bool,
    typer.Option(
        "--live",
        help="FILE is still being written (or -, a pipe): upload it while it grows, "
        "until it is closed.",
    ),
]
IdleOption = Annotated[
    float | None,
    typer.Option(
        "--idle",
        metavar="SECONDS",
        help="With --live: it is closed when it has not grown for so long, whoever "
        "has it open.",
    ),
]
NameOption = Annotated[
    str | None,
    typer.Option("--name", metavar="NAME", help="With --live -: its file name."),
]


@dataclass(frozen=True, slots=True)
class Recording:
    """What a command line says of one."""

    what: str
    idle: float | None
    name: str | None
    as_json: bool

    async def upload(self, terminal: Terminal, to: Sequence[Recipient]) -> Item:
        """Upload it until it is closed; ask first whether it could be sent."""
        pipe = self.what == STDIN
        name = self.name or time.strftime("recording-%Y-%m-%d-%H%M%S")
        if not pipe:
            name = told_name(Path(self.what))
        with _report(name, as_json=self.as_json) as report:
            await terminal.ask(*to)
            if not pipe:
                item = await terminal.record(
                    Path(self.what), idle=self.idle, progress=report
                )
            else:
                spool = await asyncio.to_thread(
                    Spool.make, terminal.profile.directory, sys.stdin.fileno()
                )
                with _ended_by_interrupt(spool, report):
                    item = await terminal.record(spool, name=name, progress=report)
        return item

    async def finish_abandoned(self, terminal: Terminal) -> None:
        """Bring what killed terminals have left of pipes into the Library.

        What does not work now is left to the next one: it is not what was asked for.
        """
        if self.what != STDIN:
            return
        try:
            found = await terminal.finish_recordings()
        except TerminalError as error:
            screen.remark(f"an earlier recording is not in your Library yet: {error}")
            return
        for item in found:
            screen.remark(
                f"an earlier recording is in your Library: {shown(item.name)}, "
                f"{amount(item.size)}, id {item.id}"
            )


def wanted(
    what: str, *, live: bool, idle: float | None, name: str | None, as_json: bool
) -> Recording | None:
    """Return the recording that a command line means; None when it means none."""
    if not live:
        if idle is not None or name is not None:
            raise UsageError("--idle and --name are about a recording: add --live")
        if what == STDIN:
            raise UsageError("a pipe is sent while it grows: add --live")
        return None
    if idle is not None and (idle <= 0 or what == STDIN):
        raise UsageError("--idle is for a file, in seconds: a pipe ends by itself")
    if name is not None and what != STDIN:
        raise UsageError("--name is for a pipe (-): a file has a name")
    return Recording(what, idle, name, as_json)


@contextmanager
def _ended_by_interrupt(spool: Spool, report: Report) -> Iterator[None]:
    """Let the first Ctrl-C end the recording; the second one interrupts.

    Whoever writes the pipe gets it, too, and may still have something to say.
    """
    before = signal.getsignal(signal.SIGINT)
    loop = asyncio.get_running_loop()

    def again() -> None:
        loop.remove_signal_handler(signal.SIGINT)
        signal.signal(signal.SIGINT, before)

    def end() -> None:
        again()
        spool.end_soon()
        report.tell("the recording ends; what has come of it is sent")

    loop.add_signal_handler(signal.SIGINT, end)
    try:
        yield
    finally:
        again()


class Report:
    """Shows how much was recorded, and how much of it the server has."""

    def __init__(
        self, name: str, pause: float, write: Callable[[dict[str, Any], str], None]
    ) -> None:
        self._name = short(shown(name))
        self._pause = pause
        self._write = write
        self._spoke = time.monotonic()
        self._last = (-1, -1)

    def __call__(self, landed: int, recorded: int, /) -> None:
        """Take octets; write a line when one is due."""
        now = time.monotonic()
        if now - self._spoke < self._pause or (landed, recorded) == self._last:
            return
        self._spoke, self._last = now, (landed, recorded)
        self._write(
            {"event": "recording", "recorded": recorded, "landed": landed},
            f"{self._name}: {amount(recorded)} recorded, {amount(landed)} landed",
        )

    def tell(self, what: str) -> None:
        """Say it at once."""
        text = shown(what)
        self._write({"event": "told", "text": text}, f"{self._name}: {text}")


@contextmanager
def _report(name: str, *, as_json: bool) -> Iterator[Report]:
    """Give lines of JSON on stdout, a line that changes on a terminal, plain ones."""
    drawn = sys.stderr.isatty() and not as_json

    def write(event: dict[str, Any], line: str) -> None:
        if as_json:
            screen.event(event)
        elif drawn:
            sys.stderr.write(f"\r\x1b[K{line}")
            sys.stderr.flush()
        else:
            screen.remark(line)

    try:
        yield Report(name, REDRAWN if drawn else PAUSE, write)
    finally:
        if drawn:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()
