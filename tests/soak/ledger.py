# SPDX-License-Identifier: Apache-2.0
"""What was acknowledged to whom: the list that must hold whatever happens."""

from __future__ import annotations

import threading
from collections import defaultdict
from dataclasses import dataclass, field


@dataclass
class File:
    """One file of alice's and what she was told about it."""

    name: str
    size: int
    sha256: str
    uploaded: bool = False
    """Whether an upload of it was acknowledged."""
    transfers: set[str] = field(default_factory=set)
    """Sending commands that were acknowledged."""


@dataclass
class Ledger:
    """Facts from several threads; what is wrong at once is noted at once."""

    files: dict[str, File] = field(default_factory=dict)
    accepted: set[str] = field(default_factory=set)
    """Offers whose acceptance was acknowledged."""
    fetched: set[str] = field(default_factory=set)
    """Items that a terminal has downloaded and found whole."""
    begun: dict[str, int] = field(default_factory=dict)
    """Items whose download was begun, and their sizes in octets."""
    followed: set[str] = field(default_factory=set)
    """Items whose download was begun while they still arrived."""
    mails: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    """Ordinary messages to each account that were acknowledged, by their Subject."""
    wrong: list[str] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, name: str, size: int, sha256: str) -> File:
        """Note a file before anything is done with it."""
        with self._lock:
            made = self.files[name] = File(name, size, sha256)
            return made

    def sent(self, file: File, transfer: str) -> None:
        """Note an acknowledged sending command: its item was uploaded too."""
        with self._lock:
            file.uploaded = True
            file.transfers.add(transfer)

    def complain(self, text: str) -> None:
        """Note what must not be."""
        with self._lock:
            self.wrong.append(text)

    @property
    def acknowledged(self) -> dict[str, int]:
        """How much was acknowledged, by kind."""
        with self._lock:
            files = list(self.files.values())
            return {
                "uploads": sum(file.uploaded for file in files),
                "sendings": sum(len(file.transfers) for file in files),
                "acceptances": len(self.accepted),
                "mails": sum(map(len, self.mails.values())),
                "downloads": len(self.fetched),
                "downloads begun while it arrived": len(self.followed & self.fetched),
            }
