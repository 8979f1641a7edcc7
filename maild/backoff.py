# SPDX-License-Identifier: Apache-2.0
"""How long somebody who guesses passwords has to wait, per source and per account.

No clock and no sleeping here: callers say when it is, and wait themselves.
"""

from __future__ import annotations

import ipaddress
from collections import OrderedDict
from dataclasses import dataclass, field

MAX_KEYS = 10_000
"""Sources and accounts remembered; the ones quiet for longest are forgotten."""


@dataclass(frozen=True, slots=True)
class Delays:
    """Seconds, and how many failures are free.  ``NO_DELAYS`` switches it off."""

    free: int = 5
    """Failures that cost nothing: people mistype."""
    first: float = 1.0
    """Delay of the next attempt; then doubled."""
    most: float = 30.0
    """Longest delay; who would have to wait longer behind others is refused."""
    forget: float = 900.0
    """Seconds without a failure after which a key is forgotten."""


NO_DELAYS = Delays(first=0.0, most=0.0)
"""For tests: failures are counted, nobody waits."""


@dataclass(slots=True)
class _Entry:
    failures: int = 0
    last: float = 0.0
    """When the last failure was, Unix seconds."""
    next: float = 0.0
    """When the next attempt may begin, Unix seconds."""


@dataclass(slots=True)
class BackOff:
    """The failures of the recent past, in bounded memory."""

    delays: Delays
    _entries: OrderedDict[str, _Entry] = field(default_factory=OrderedDict)
    _proven: OrderedDict[tuple[str, str], None] = field(default_factory=OrderedDict)

    def reserve(self, source: str, account: str, now: float) -> float | None:
        """Return the seconds until this attempt may begin; None: refuse it.

        Attempts at once queue behind each other, so a thousand connections guess no
        faster than one.  A source that has proven itself for this account waits for
        nobody: guessing elsewhere locks no owner out.
        """
        if (network(source), account) in self._proven:
            return 0.0
        keys = (f"source {network(source)}", f"account {account}")
        waits = [self._wait(key, now) for key in keys]
        if max(waits) > self.delays.most:
            return None
        for key, wait in zip(keys, waits, strict=True):
            if key in self._entries:
                self._entries[key].next = now + wait
        return max(waits)

    def _wait(self, key: str, now: float) -> float:
        entry = self._entries.get(key)
        if entry is None or entry.failures < self.delays.free:
            return 0.0
        if now - entry.last > self.delays.forget:
            del self._entries[key]
            return 0.0
        if entry.last > now:  # the clock was ahead: nobody waits for that
            entry.last = entry.next = now
        doubled = min(entry.failures - self.delays.free, 30)
        delay = min(self.delays.first * 2.0**doubled, self.delays.most)
        return max(max(entry.next, entry.last) + delay - now, 0.0)

    def failed(self, source: str, account: str, now: float) -> None:
        """Count a failure."""
        self._proven.pop((network(source), account), None)
        for key in (f"source {network(source)}", f"account {account}"):
            entry = self._entries.setdefault(key, _Entry())
            if now - entry.last > self.delays.forget:
                entry.failures = 0
            entry.failures += 1
            entry.last = now
            self._entries.move_to_end(key)
        while len(self._entries) > MAX_KEYS:
            self._entries.popitem(last=False)

    def succeeded(self, source: str, account: str) -> None:
        """Forget the account's failures; trust this source with this account."""
        self._entries.pop(f"account {account}", None)
        self._proven[network(source), account] = None
        self._proven.move_to_end((network(source), account))
        while len(self._proven) > MAX_KEYS:
            self._proven.popitem(last=False)


def network(source: str) -> str:
    """Return what one guesser has at hand: an IPv4 address, an IPv6 /64."""
    try:
        address = ipaddress.ip_address(source.partition("%")[0])
    except ValueError:
        return source[:64]
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return str(address.ipv4_mapped)
        return str(ipaddress.IPv6Network((int(address) >> 64 << 64, 64)))
    return str(address)
