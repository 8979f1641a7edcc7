# SPDX-License-Identifier: GPL-3.0-only
"""Items that are called alike: which one a name means, and who is told."""

from __future__ import annotations

from collections.abc import Sequence

from terminal_client import screen
from terminal_client.errors import UsageError
from terminal_client.library import Item
from terminal_client.naming import shown
from terminal_client.terminal import Terminal

MOST = 10
"""Items that are named in one sentence."""


async def newest(terminal: Terminal, name: str, *, else_file: bool = False) -> Item:
    """Return the newest item of a name, and say so if there are several."""
    found = await terminal.meant(name, else_file=else_file)
    if len(found) > 1:
        screen.remark(
            f"mshare: {len(found)} items are called {shown(name)}; the newest is "
            f"taken, {_described(found[-1])}; `mshare ls` shows the ids of all"
        )
    return found[-1]


async def only(terminal: Terminal, name: str) -> Item:
    """Return the one item of a name; who changes something must say which one."""
    found = await terminal.meant(name)
    if len(found) > 1:
        raise UsageError(
            f"{len(found)} items are called {shown(name)}; name one by its id: "
            f"{_listed(found)}"
        )
    return found[0]


def _listed(items: Sequence[Item]) -> str:
    listed = "; ".join(_described(item) for item in items[-MOST:])
    return f"{listed}; ..." if len(items) > MOST else listed


def _described(item: Item) -> str:
    origin = "own upload" if item.own else f"from {shown(item.sender or 'unknown')}"
    return f"{item.id} ({origin}, {screen.moment(item.date)})"
