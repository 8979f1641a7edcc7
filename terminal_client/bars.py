# SPDX-License-Identifier: GPL-3.0-only
"""Bars on a terminal that show how far octets have come."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TextIO

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
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


class Board:
    """Bars that appear after ``patience`` seconds, one for each thing that moves."""

    def __init__(self, target: TextIO, patience: float) -> None:
        self._patience = patience
        self._bars = Bars(
            TextColumn("{task.description}"),
            BarColumn(),
            TaskProgressColumn(),
            DownloadColumn(),
            TransferSpeedColumn(),
            TimeRemainingColumn(),
            console=Console(file=target),
        )
        self._began = time.monotonic()
        self._started = False

    def begin(self, name: str) -> Callable[[int, int], None]:
        """Return the report for one bar."""
        label = Text(short(shown(name))).plain.replace("[", r"\[")
        task: TaskID | None = None

        def report(done: int, total: int) -> None:
            nonlocal task
            if task is None:
                task = self._bars.add_task(label, total=total, completed=done)
            self._bars.update(task, completed=done, total=total)
            if not self._started and time.monotonic() - self._began >= self._patience:
                self._started = True
                self._bars.start()

        return report

    def stop(self) -> None:
        """Leave the bars as they are."""
        if self._started:
            self._bars.stop()
