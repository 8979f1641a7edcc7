# SPDX-License-Identifier: GPL-3.0-only
"""The terminal: a typed, async SDK and the command `mshare`.

What is exported is loaded when it is first asked for: `terminal_client.entry` has to
run before anything large is.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from terminal_client.contacts import Contact
    from terminal_client.errors import TerminalError
    from terminal_client.library import Item
    from terminal_client.offers import Letter, Waiting
    from terminal_client.profile import Profile
    from terminal_client.submission import Sent
    from terminal_client.terminal import Terminal
    from terminal_client.transfers import Transfer

__all__ = [
    "Contact",
    "Item",
    "Letter",
    "Profile",
    "Sent",
    "Terminal",
    "TerminalError",
    "Transfer",
    "Waiting",
]

_HOMES = {
    "Contact": "contacts",
    "Item": "library",
    "Letter": "offers",
    "Profile": "profile",
    "Sent": "submission",
    "Terminal": "terminal",
    "TerminalError": "errors",
    "Transfer": "transfers",
    "Waiting": "offers",
}


def __getattr__(name: str) -> Any:
    """Load what is exported (PEP 562)."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
