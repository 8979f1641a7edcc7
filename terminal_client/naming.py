# SPDX-License-Identifier: GPL-3.0-only
"""Local file names for what others named: never a path, never a surprise (CWE-22)."""

from __future__ import annotations

import itertools
import os
import unicodedata
from pathlib import Path

MAX_NAME = 200
"""Octets of a local name: file systems take 255, ``.part`` and `` (2)`` need some."""

_FORBIDDEN = frozenset('<>:"/\\|?*')
"""Separators here, and what other systems refuse in a name."""
_RESERVED = frozenset(
    {"con", "prn", "aux", "nul"}
    | {f"{port}{n}" for port in ("com", "lpt") for n in range(1, 10)}
)
"""Names that are devices on Windows, whatever their extension."""


def safe_name(name: str) -> str:
    """Return a name that stays in its directory and shows what it is.

    Control and formatting characters (U+202E would show ``exe.txt`` for ``txt.exe``)
    become ``_``, leading dots go, the extension outlives the cut to `MAX_NAME`, and no
    name is an option to the next command.
    """
    clean = "".join(_character(c) for c in unicodedata.normalize("NFC", name))
    clean = clean.strip().lstrip(".").rstrip(". ")
    stem, dot, extension = clean.rpartition(".")
    if not stem or len(extension.encode()) > 20:
        stem, dot, extension = clean, "", ""
    if stem.startswith("-") or stem.split(".")[0].casefold() in _RESERVED:
        stem = f"_{stem}"
    stem = _cut(stem, MAX_NAME - len((dot + extension).encode()))
    return stem + dot + extension or "unnamed"


def told_name(path: Path) -> str:
    """Return what others are told a file is called; a name need not be UTF-8 here."""
    return os.fsencode(path.name).decode(errors="replace")


def shown(text: str, most: int = 300) -> str:
    """Return foreign text as one printable line for a terminal (CWE-150)."""
    line = "".join(
        c if c == " " or unicodedata.category(c)[0] not in "CZ" else "\ufffd"
        for c in text
    )
    return line if len(line) <= most else line[: most - 1] + "…"


def free_place(directory: Path, name: str) -> Path:
    """Return ``directory/name``, or with `` (2)`` and so on when that exists."""
    wanted = directory / name
    for count in itertools.count(2):
        if not wanted.exists() and not wanted.is_symlink():
            return wanted
        suffix = "" if name.startswith(".") else Path(name).suffix
        wanted = directory / f"{name.removesuffix(suffix)} ({count}){suffix}"
    raise AssertionError("count() ends")


def _character(character: str) -> str:
    if character in _FORBIDDEN or character == "\ufffd":
        return "_"
    # Cc control, Cf format (directions), Cs surrogate, Zl and Zp line ends.  Joiners
    # and variation selectors are what emoji are made of.
    if character == "\u200d":
        return character
    if unicodedata.category(character) in {"Cc", "Cf", "Cs", "Zl", "Zp"}:
        return "_"
    return character


def _cut(text: str, octets: int) -> str:
    return text.encode()[:octets].decode(errors="ignore").rstrip()
