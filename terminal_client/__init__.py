# SPDX-License-Identifier: GPL-3.0-only
"""The terminal: a typed, async SDK and the command `mshare`."""

from terminal_client.errors import TerminalError
from terminal_client.library import Item
from terminal_client.offers import Letter, Waiting
from terminal_client.profile import Profile
from terminal_client.terminal import Sent, Terminal
from terminal_client.transfers import Transfer

__all__ = [
    "Item",
    "Letter",
    "Profile",
    "Sent",
    "Terminal",
    "TerminalError",
    "Transfer",
    "Waiting",
]
