# SPDX-License-Identifier: GPL-3.0-only
"""The matching unit: whether a file is on our server already (seed steps 211, 212).

The terminal names a number of Table 1; the server returns what it holds under that
number with the random verification code it was uploaded with (Table 2).  Only when the
codes agree *and* the local file is still the one that was uploaded is nothing sent.
The code alone would be blind to a file edited in place.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


@dataclass(frozen=True, slots=True)
class Shape:
    """What a file system says about a file without reading it; times in ns.

    ``ctime_ns`` cannot be set by a program: it gives away an edit after which size and
    modification time were put back.
    """

    size: int
    mtime_ns: int
    ctime_ns: int


@dataclass(frozen=True, slots=True)
class Remembered:
    """A row of Table 1.  ``sha256`` is None until an upload was acknowledged."""

    number: str
    """``001``, ``002``, ...: unique in this terminal, one for each path."""
    code: str
    """The random verification code of the latest upload."""
    path: str
    """Absolute path, unique in this terminal."""
    sharing: bool
    """The sharing flag: whether the latest check found the content on the server."""
    shape: Shape
    sha256: str | None


@dataclass(frozen=True, slots=True)
class Held:
    """A row of Table 2, as the server shows it in the mailbox Library."""

    uid: int
    number: str
    code: str
    terminal: str
    item: str
    sha256: str | None = None
    """Hex digest when the server shows one."""
    arriving: bool = False
    """Whether the server has only a part of it yet."""


class Finding(StrEnum):
    """Why a file is, or is not, taken as uploaded; the values are for people."""

    NEVER = "never uploaded from here"
    ABSENT = "no longer on the server"
    CODE = "the server holds another upload under this number"
    ARRIVING = "not all of it is on the server yet"
    EDITED = "changed since it was uploaded"
    MATCH = "already on the server"


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result of an upload check; ``held`` only with `Finding.MATCH`."""

    finding: Finding
    held: Held | None = None

    @property
    def sharing(self) -> bool:
        """The sharing flag to write into Table 1."""
        return self.finding is Finding.MATCH


def match(entry: Remembered, terminal: str, held: Iterable[Held]) -> Outcome:
    """Compare Table 1 with Table 2 for one number: the newest upload wins.

    Numbers are per terminal, so what another terminal of the same account uploaded
    under the same number is passed over.
    """
    ours = [h for h in held if (h.terminal, h.number) == (terminal, entry.number)]
    if not ours:
        return Outcome(Finding.ABSENT)
    newest = max(ours, key=lambda h: h.uid)
    if newest.code != entry.code:
        return Outcome(Finding.CODE)
    if newest.arriving:
        return Outcome(Finding.ARRIVING)
    if entry.sha256 is None or (newest.sha256 or entry.sha256) != entry.sha256:
        return Outcome(Finding.EDITED)
    return Outcome(Finding.MATCH, newest)


def untouched(entry: Remembered, now: Shape) -> bool | None:
    """Say whether the file is still the uploaded one; None means: read it to know."""
    if entry.sha256 is None or entry.shape.size != now.size:
        return False
    return True if entry.shape == now else None
