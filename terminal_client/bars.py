# SPDX-License-Identifier: GPL-3.0-only
"""Bars on a terminal that show how far octets have come."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import TextIO

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Task,
    TaskID,
    TaskProgressColumn,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)
from rich.progress import Progress as Bars
from rich.text import Text

from maild.mail.plain import short
from terminal_client.naming import shown

STILL = 30.0
"""Seconds without an octet after which a pace of before would be a promise."""


class _Pace(TransferSpeedColumn):
    """Octets a second; none once nothing moves any more."""

    def render(self, task: Task) -> Text:
        if _stands(task):
            return Text("0 bytes/s", style="progress.data.speed")
        return super().render(task)


class _TimeToGo(TimeRemainingColumn):
    """Time to go; nobody knows while nothing moves."""

    def render(self, task: Task) -> Text:
        if _stands(task):
            return Text("-:--:--", style="progress.remaining")
        return super().render(task)


def _stands(task: Task) -> bool:
    moved = task.fields["moved"]
    return not task.finished and task.get_time() - moved >= STILL


class Board:
    """Bars that appear after ``patience`` seconds, one for each thing that moves."""

    def __init__(
        self,
        target: TextIO,
        patience: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._patience = patience
        self._clock = clock
        self._done: dict[TaskID, int] = {}
        self._bars = Bars(
            TextColumn("{task.description}"),
            BarColumn(),
            TaskProgressColumn(),
            DownloadColumn(),
            _Pace(),
            _TimeToGo(),
            console=Console(file=target),
            get_time=clock,
            redirect_stdout=sys.stdout.isatty(),  # results go where they were sent
        )
        self._began = clock()
        self._started = False

    def begin(self, name: str) -> _Bar:
        """Return the report for one bar."""
        return _Bar(self, Text(short(shown(name))).plain.replace("[", r"\["))

    def show(self, task: TaskID | None, label: str, done: int, total: int) -> TaskID:
        """Draw one bar as it is now; ``task`` is what the first call returned."""
        if task is None:  # what was there before counts for no speed
            task = self._bars.add_task(
                label, total=total, completed=done, moved=self._clock()
            )
        elif done != self._done[task]:
            self._bars.update(task, moved=self._clock())
        self._done[task] = done
        self._bars.update(task, completed=done, total=total, description=label)
        if not self._started and self._clock() - self._began >= self._patience:
            self._started = True
            self._bars.start()
        return task

    def stop(self) -> None:
        """Leave the bars as they are."""
        if self._started:
            self._bars.stop()


class _Bar:
    """The report for one bar."""

    def __init__(self, board: Board, label: str) -> None:
        self._board = board
        self._label = label
        self._task: TaskID | None = None
        self._at = (0, 0)

    def __call__(self, done: int, total: int, /) -> None:
        """Take octets done and octets in all."""
        self._at = (done, total)
        self._task = self._board.show(self._task, self._label, done, total)

    def tell(self, what: str) -> None:
        """Say it beside the name, until octets move."""
        label = f"{self._label} ({shown(what)})".replace("[", r"\[")
        self._task = self._board.show(self._task, label, *self._at)
