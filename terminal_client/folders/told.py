# SPDX-License-Identifier: GPL-3.0-only
"""What a watch tells of: one value for each thing that happens."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from terminal_client.library import Item


class Kind(StrEnum):
    """What happens; the values are what ``mshare watch --json`` prints."""

    WATCHING = "watching"
    UPLOADED = "uploaded"
    MOVED = "moved"
    PAUSED = "paused"
    RESUMED = "resumed"
    WAITING = "waiting"
    LEFT = "left"
    REFUSED = "refused"
    TOLD = "told"


@dataclass(frozen=True, slots=True)
class Happening:
    """One of them."""

    kind: Kind
    text: str
    """For people."""
    path: Path | None = None
    item: Item | None = None
    octets: int | None = None
    """Of the file that is cut: how many the server has acknowledged."""
    seconds: float | None = None
    """Until it is tried again."""

    def to_json(self) -> dict[str, Any]:
        """Return what ``mshare watch --json`` prints."""
        facts: dict[str, Any] = {"event": self.kind, "text": self.text}
        if self.path is not None:
            facts["path"] = str(self.path)
        if self.item is not None:
            uploaded = self.item.uploaded
            facts["item"] = {**self.item.to_json(), "uploaded": uploaded}
        if self.octets is not None:
            facts["octets"] = self.octets
        if self.seconds is not None:
            facts["seconds"] = self.seconds
        return facts


Tell = Callable[[Happening], None]


@dataclass(slots=True)
class Tally:
    """What a watch has done."""

    uploaded: int = 0
    left: int = 0
    """Files that a later run may upload."""
    refused: int = 0
    status: int = 0
    """Exit status (sysexits(3)) of the first one that was refused."""
