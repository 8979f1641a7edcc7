# SPDX-License-Identifier: GPL-3.0-only
"""Which file names are content, and which only tell of work in progress."""

from __future__ import annotations

PARTIAL = (
    ".part",  # Firefox, mshare, wget
    ".partial",  # Internet Explorer, rsync
    ".crdownload",  # Chromium
    ".opdownload",  # Opera
    ".download",  # Safari
    ".filepart",  # WinSCP
    ".aria2",  # aria2: the facts about a download beside it
    ".!ut",  # µTorrent
    ".!qb",  # qBittorrent
    ".bc!",  # BitComet
    ".tmp",
    ".temp",
)
"""Endings, in lower case, of files that are not whole yet."""
_SWAP = (".swp", ".swo", ".swn", ".swx")
"""Endings of what vi keeps beside an open file."""
_DESKTOP = frozenset({"thumbs.db", "desktop.ini"})
"""What desktops keep about a folder."""


def is_content(name: str) -> bool:
    """Whether a file, or folder, of this name is to be uploaded, as it is called."""
    low = name.lower()
    return not (
        low.startswith((".", "~$"))  # hidden; the owner file of an office program
        or low.endswith(("~", *_SWAP, *PARTIAL))
        or (low.startswith("#") and low.endswith("#"))  # Emacs saves it by itself
        or low in _DESKTOP
    )
