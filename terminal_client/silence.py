# SPDX-License-Identifier: GPL-3.0-only
"""What a program passes that wants to be told nothing: no progress, no news."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

from terminal_client.attempts import Progress
from terminal_client.folders.told import Happening
from terminal_client.submission import Sent


def nobody_waits(sent: list[Sent]) -> None:
    """Need no word before the end."""


def in_silence() -> None:
    """Say nothing."""


def unshown(done: int, total: int) -> None:
    """Show no progress."""


def nothing_happens(what: Happening) -> None:
    """Need no word of what a watch does."""


def unseen(name: str) -> AbstractContextManager[Progress]:
    """Show no progress of a file."""
    return nullcontext(unshown)


def untold(text: str) -> None:
    """Tell nobody why nothing moves."""
