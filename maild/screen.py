# SPDX-License-Identifier: Apache-2.0
"""Where a demonstration is told: sentences, and delivery lines as they happen."""

from __future__ import annotations

import sys
import time

from rich.console import Console
from rich.text import Text


class Screen:
    """The terminal, or whatever stdout is."""

    def __init__(self) -> None:
        self._console = Console(highlight=False)
        self._began = time.monotonic()

    @property
    def console(self) -> Console:
        """For progress bars."""
        return self._console

    def say(self, sentence: str, style: str = "bold") -> None:
        """Tell what happens, with the seconds since the beginning."""
        seconds = time.monotonic() - self._began
        said = Text(f"\n{seconds:5.1f} s  {sentence}", style=style)
        self._console.print(said, soft_wrap=True)

    def log_line(self, line: str) -> None:
        """Show a server's line when it is about a delivery; called from threads.

        Written past the progress bar of another program: its line is cleared, and it
        draws itself again below.
        """
        if "status=" not in line:
            return
        clear, dim, end = (
            ("\r\x1b[2K", "\x1b[2m", "\x1b[0m") if self._is_tty else ("",) * 3
        )
        sys.stdout.write(f"{clear}{dim}{line}{end}\n")
        sys.stdout.flush()

    @property
    def _is_tty(self) -> bool:
        return self._console.is_terminal
