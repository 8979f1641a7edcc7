# SPDX-License-Identifier: GPL-3.0-only
"""What a look into content has shown: facts for programs, lines for people."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any


class Kind(StrEnum):
    """What content is, roughly; the values are what ``mshare preview`` prints."""

    IMAGE = "image"
    VIDEO = "video"
    AUDIO = "audio"
    DOCUMENT = "document"
    ARCHIVE = "archive"
    TEXT = "text"
    DATA = "data"


@dataclass(frozen=True, slots=True)
class Entry:
    """One member of an archive; sizes in octets."""

    name: str
    """As the archive has it: foreign text, and no path of ours."""
    size: int
    packed: int
    """Octets that it takes in the archive."""
    changed: datetime | None = None
    """In the time of whoever packed it; nobody knows which."""
    is_directory: bool = False

    def to_json(self) -> dict[str, Any]:
        """Return what ``mshare preview --json`` prints."""
        when = self.changed.isoformat() if self.changed else None
        return {
            "name": self.name,
            "size": self.size,
            "packed": self.packed,
            "changed": when,
            "directory": self.is_directory,
        }


@dataclass(frozen=True, slots=True)
class Facts:
    """What the headers of content tell; None where they say nothing."""

    width: int | None = None
    """Pixels."""
    height: int | None = None
    """Pixels."""
    duration: float | None = None
    """Seconds."""
    codecs: tuple[str, ...] = ()
    channels: int | None = None
    rate: int | None = None
    """Samples a second."""
    pages: int | None = None
    members: int | None = None
    """Entries of an archive, where it says how many."""

    def to_json(self) -> dict[str, Any]:
        """Return what is known."""
        return {k: v for k, v in asdict(self).items() if v not in (None, ())}


@dataclass(slots=True)
class Seen:
    """What was seen; readers add to it as they go, so that what failed late stays."""

    kind: Kind = Kind.DATA
    format: str = ""
    """As people call it: PNG, MP4, "tar, zstd"."""
    facts: Facts = field(default_factory=Facts)
    text: list[str] = field(default_factory=list)
    """Lines of a text's beginning, safe to show."""
    entries: list[Entry] = field(default_factory=list)
    is_whole: bool = True
    """Whether text or entries are all there are."""
    remarks: list[str] = field(default_factory=list)
    """What could not be seen, and why."""

    def to_json(self) -> dict[str, Any]:
        """Return what ``mshare preview --json`` prints."""
        return {
            "kind": self.kind,
            "format": self.format or None,
            "facts": self.facts.to_json(),
            "text": self.text or None,
            "entries": [entry.to_json() for entry in self.entries]
            if self.kind is Kind.ARCHIVE
            else None,
            "whole": self.is_whole,
            "remarks": self.remarks,
        }


Members = Iterator[Entry]
"""Members of an archive in its order, read as they are asked for."""
