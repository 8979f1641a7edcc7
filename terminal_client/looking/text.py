# SPDX-License-Identifier: GPL-3.0-only
"""The beginning of a text, as lines that no terminal takes for commands (CWE-150)."""

from __future__ import annotations

import codecs
import unicodedata

from terminal_client.naming import shown

HEAD = 32 << 10
"""Octets of a text that are looked at."""
LINES = 40
"""Lines that are shown, unless more are asked for."""
WIDTH = 500
"""Characters of one line at most."""
TAB = 8
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig", "UTF-8"),
    (codecs.BOM_UTF32_LE, "utf-32", "UTF-32"),
    (codecs.BOM_UTF32_BE, "utf-32", "UTF-32"),
    (codecs.BOM_UTF16_LE, "utf-16", "UTF-16"),
    (codecs.BOM_UTF16_BE, "utf-16", "UTF-16"),
)


def decoded(octets: bytes) -> tuple[str, str] | None:
    """Return text and the name of its encoding; None for what is no text.

    ``octets`` may end in the middle of a character.  What is not Unicode is taken for
    Windows-1252 if nearly all of it can be read so.
    """
    for mark, codec, name in _MARKS:
        if octets.startswith(mark):
            text = codecs.getincrementaldecoder(codec)("replace").decode(octets)
            return (text, name) if _is_text(text) else None
    if b"\0" in octets:
        return None
    try:
        text = codecs.getincrementaldecoder("utf-8")().decode(octets)
    except UnicodeDecodeError:
        text = octets.decode("cp1252", "replace")
        return (text, "Windows-1252") if _is_text(text) else None
    return (text, "UTF-8") if _is_text(text) else None


def _is_text(text: str) -> bool:
    """Say whether it is made of letters: controls are a hundredth of it at most."""
    odd = sum(
        1
        for c in text
        if c == "\ufffd"
        or (unicodedata.category(c) == "Cc" and c not in "\t\n\r\f\x1b")
    )
    return odd * 100 <= len(text)


def lines(text: str, most: int = LINES) -> tuple[list[str], bool]:
    """Return lines that are safe to show, and whether they are all of ``text``.

    Controls, directions and escape sequences become U+FFFD, tabs become spaces.
    """
    found = text.splitlines()
    cut = [line.expandtabs(TAB)[: WIDTH + 1] for line in found[:most]]
    return [shown(line, WIDTH) for line in cut], len(found) <= most


def dump(octets: bytes) -> list[str]:
    """Return octets as lines of hexadecimal numbers and letters."""
    return [
        f"{at:08x}  {row.hex(' '):<47}  "
        + "".join(chr(o) if 0x20 <= o < 0x7F else "." for o in row)
        for at in range(0, len(octets), 16)
        for row in (octets[at : at + 16],)
    ]
