# SPDX-License-Identifier: GPL-3.0-only
"""``mshare tui``: offers, items and transfers on one screen."""

from __future__ import annotations

import os
import sys
from functools import partial
from pathlib import Path

import typer

from terminal_client import errors, screen
from terminal_client.screen import ProfileOption
from terminal_client.terminal import Terminal


def tui(context: typer.Context, named: ProfileOption = None) -> None:
    """Show offers, items and transfers on one screen, kept up to date.

    Accept, decline, get, preview and cancel by single keys; ? shows them.  Works on 80
    by 24 characters, over ssh, and without colours.  Whatever it does the other
    commands do as well, and these suit a screen reader.
    """
    can_draw = sys.stdin.isatty() and sys.stdout.isatty()
    if not can_draw or os.environ.get("TERM", "dumb") == "dumb":
        raise errors.UsageError(
            "this needs a terminal with a cursor; the other commands do the same "
            "without one: mshare offers, ls, status --watch"
        )
    failure = screen.run(_show(screen.chosen(context, named)))
    if failure is not None:
        raise failure


async def _show(who: str | None) -> errors.TerminalError | None:
    from terminal_client.tui.desk import Desk  # Textual takes long to load

    async with Terminal.open(who) as terminal:
        another = partial(Terminal.open, terminal.profile)
        desk = Desk(terminal, another, Path.cwd())
        await desk.run_async()
        return desk.failure
