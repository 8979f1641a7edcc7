# SPDX-License-Identifier: Apache-2.0
"""The three legs of an item, each through a proxy that counts, stalls, cuts or refuses.

A claim about a leg is: what crossed it is what had to cross it, and at most one
watermark more for each stream that was interrupted.
"""

from __future__ import annotations

import json
import shutil
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.flows.programs import edit
from tests.flows.proxy import CountingProxy

MiB = 1 << 20
WATERMARK = 16 * MiB
"""Octets that an interruption may cost: what had come and was not yet recorded."""
UNDER_WAY = 8 * MiB
"""Octets that the kernel and a proxy may hold besides, on one connection."""
OVERHEAD = 1.01
"""What TLS adds, and more."""
TALK = 32 * 1024
"""Octets of a connection that carries commands only, or of an offer."""


AWAY = "bob-away"
"""Bob at another terminal: whatever it gets crosses the leg of downloads."""


class Leg(CountingProxy):
    """One leg; ``moved`` are the octets in the direction in which content goes."""

    def __init__(self, target: int, direction: str) -> None:
        super().__init__(target, holding=direction)
        self._refuses = False
        self.interrupted = 0
        """Streams that were under way when something was killed or cut."""

    @property
    def moved(self) -> int:
        """Octets that have crossed in the direction of the content."""
        with self._lock:
            return int(getattr(self, self._holding))

    def hold(self, octets: int) -> None:
        """Stall a connection after so many octets of its own."""
        self._released.clear()
        self.held.clear()
        self._hold_after = octets

    def release(self) -> None:
        """Let what is stalled, and all that comes, go on."""
        self._hold_after = None
        super().release()

    def refuse(self) -> None:
        """Break what is open, and take no more connections."""
        self._refuses = True
        self.cut()
        self.release()

    def admit(self) -> None:
        """Take connections again."""
        self._refuses = False

    def interrupt(self) -> None:
        """Count what is open now as interrupted; at least one is."""
        with self._lock:
            self.interrupted += max(1, len(self._sockets) // 2)

    def _join(self, client: socket.socket) -> None:
        if self._refuses:
            client.close()
        else:
            super()._join(client)


@dataclass(frozen=True)
class Legs:
    """The way of an item: alice's upload, the push from a to b, bob's download."""

    upload: Leg
    push: Leg
    download: Leg

    def interrupted(self, victim: str) -> None:
        """Count what the end of a server, or of a terminal, interrupts."""
        of: dict[str, tuple[Leg, ...]] = {
            "a": (self.upload, self.push),
            "b": (self.push, self.download),
            "alice": (self.upload,),
            AWAY: (self.download,),
        }
        for leg in of.get(victim, ()):
            leg.interrupt()

    def moved(self) -> dict[str, int]:
        """Return the octets that have crossed each leg."""
        return {name: leg.moved for name, leg in self._named().items()}

    def _named(self) -> dict[str, Leg]:
        return {"upload": self.upload, "push": self.push, "download": self.download}

    def claims(self, wanted: dict[str, int]) -> tuple[dict[str, float], list[str]]:
        """Compare with the octets that had to cross each leg.

        Returns how many MiB more crossed it for each interruption, and what is too
        much.
        """
        more: dict[str, float] = {}
        wrong = []
        for name, leg in self._named().items():
            least = wanted[name] * OVERHEAD + leg.accepted * TALK
            extra = max(0.0, leg.moved - wanted[name])
            more[name] = round(extra / max(1, leg.interrupted) / MiB, 2)
            if leg.moved > least + leg.interrupted * (WATERMARK + UNDER_WAY):
                wrong.append(
                    f"{name}: {leg.moved} octets for {wanted[name]},"
                    f" with {leg.interrupted} interruptions"
                )
        return more, wrong


@contextmanager
def legs_of(folder: Path, facts: dict[str, Any]) -> Iterator[Legs]:
    """Put a proxy in each leg of a playground whose servers do not run yet."""
    ports = facts["servers"]
    made = Legs(
        Leg(ports["a"]["submission"], "up"),
        Leg(ports["b"]["smtp"], "up"),
        Leg(ports["b"]["imap"], "down"),
    )
    away = folder / "profiles" / AWAY
    shutil.copytree(folder / "profiles" / "bob", away)
    facts["accounts"][AWAY] = {**facts["accounts"]["bob"], "profile": str(away)}
    _through(away, ports["b"]["imap"], made.download)
    _through(folder / "profiles" / "alice", ports["a"]["submission"], made.upload)
    address = f"127.0.0.1:{made.push.port}"
    edit(folder / "a.toml", 'peer."b.example"', address=address)
    with ExitStack() as stack:
        for leg in (made.upload, made.push, made.download):
            stack.enter_context(leg)
        yield made


def _through(profile: Path, port: int, leg: Leg) -> None:
    file = profile / "profile.toml"
    text = file.read_text()
    assert f":{port}" in text
    file.write_text(text.replace(f":{port}", f":{leg.port}"))


def facts_of(folder: Path) -> dict[str, Any]:
    """Return what a playground says of itself."""
    found: dict[str, Any] = json.loads((folder / "playground.json").read_text())
    return found
