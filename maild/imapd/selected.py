# SPDX-License-Identifier: Apache-2.0
"""What one session believes its selected mailbox holds (RFC 9051 §2.3.1.2, §7.5.1).

Message numbers mean what the client has been told, not what the index holds by now:
the snapshot changes only where the protocol allows an untagged answer to say so.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass, field

from maild.store.index import Tx
from maild.store.mailboxes import Mailbox, get
from maild.store.messages import Line, expunged, lines
from maild.wire.imap_cursor import BadError
from maild.wire.imap_numbers import SequenceSet

LARGEST_REV1 = 2**32 - 1
"""Octets of the largest message that RFC 3501 can describe (§9: number)."""


@dataclass(slots=True)
class News:
    """What the client has to be told, in the order in which it is told."""

    expunged: list[int] = field(default_factory=list)
    """Message numbers, highest first, so that none shifts another."""
    count: int | None = None
    """The new number of messages, when it has grown."""
    changed: list[tuple[int, Line]] = field(default_factory=list)
    """Numbers and lines of messages whose flags have changed."""

    def __bool__(self) -> bool:
        return bool(self.expunged or self.changed or self.count is not None)


class Selected:
    """A snapshot of a mailbox, its lines in the order of UIDs."""

    def __init__(self, mailbox: Mailbox, *, read_only: bool, largest: int) -> None:
        self.mailbox = mailbox
        self.read_only = read_only
        self.lines: list[Line] = []
        self.uids: list[int] = []
        self.mod_seq = 0
        self.saved: tuple[int, ...] = ()
        """UIDs of the last SEARCH RETURN (SAVE) (RFC 5182)."""
        self._largest = largest
        self._gone: set[int] = set()

    @property
    def unseen(self) -> int | None:
        r"""The number of the first message without \\Seen, or None."""
        for number, line in enumerate(self.lines, 1):
            if "\\Seen" not in line.flags:
                return number
        return None

    def number(self, uid: int) -> int | None:
        """Return the message number of a UID, or None."""
        place = bisect_left(self.uids, uid)
        if place < len(self.uids) and self.uids[place] == uid:
            return place + 1
        return None

    def line(self, uid: int) -> Line | None:
        """Return the line of a UID, or None."""
        number = self.number(uid)
        return None if number is None else self.lines[number - 1]

    def uids_of(self, wanted: SequenceSet, *, uid: bool) -> list[int]:
        """Return the UIDs that a set of numbers (or, with ``uid``, of UIDs) means.

        A UID that is not there means nothing; a number that is not there is an error
        of the client (RFC 9051 §9: seq-number).
        """
        if wanted.saved:
            return [u for u in self.saved if self.number(u) is not None]
        if uid:
            return [self.uids[place] for place in wanted.positions(self.uids)]
        count = len(self.uids)
        for ends in wanted.ranges:
            if any((end or count) > count or not count for end in ends):
                raise BadError("there is no message of that number")
        return [self.uids[place] for place in wanted.positions(range(1, count + 1))]

    def numbered(self, uids: Iterable[int]) -> list[tuple[int, Line]]:
        """Return numbers and lines of those ``uids`` that are there."""
        found = ((self.number(uid), uid) for uid in uids)
        return [(number, self.lines[number - 1]) for number, _ in found if number]

    def load(self, tx: Tx) -> None:
        """Fill the snapshot for SELECT (a reading job): counters of the same moment."""
        self.mailbox = get(tx, self.mailbox.id)
        found, _, self.mod_seq = lines(tx, self.mailbox.id)
        self.lines = [line for line in found if line.size <= self._largest]
        self.uids = [line.uid for line in self.lines]

    def news(self, tx: Tx) -> tuple[list[Line], list[int], int]:
        """Return what has changed since the snapshot (a reading job)."""
        return lines(tx, self.mailbox.id, since=self.mod_seq)

    def vanished(self, tx: Tx) -> set[int]:
        """Return the UIDs that are gone and still have numbers here (a job)."""
        return self._gone.union(expunged(tx, self.mailbox.id, self.mod_seq))

    def take(self, news: tuple[list[Line], list[int], int], *, expunges: bool) -> News:
        """Bring the snapshot up to date and return what the client is told of it.

        Without ``expunges`` vanished messages keep their numbers for now (RFC 9051
        §7.5.1: not while FETCH, STORE or SEARCH by number is running).
        """
        changed, gone, mod_seq = news
        self.mod_seq = max(self.mod_seq, mod_seq)
        self._gone.update(uid for uid in gone if self.number(uid) is not None)
        told = News()
        if expunges:
            told.expunged = self._remove()
        for line in changed:
            if line.size <= self._largest:
                self._put(line, told)
        told.changed = self.numbered(line.uid for _, line in told.changed)
        return told

    def put(self, lines: Iterable[Line]) -> None:
        r"""Replace lines the client is told of in another way (STORE, \\Seen)."""
        told = News()
        for line in lines:
            if self.number(line.uid) is not None:
                self._put(line, told)

    def _put(self, line: Line, told: News) -> None:
        number = self.number(line.uid)
        if number is not None:
            if self.lines[number - 1].flags != line.flags:
                told.changed.append((number, line))
            self.lines[number - 1] = line
        elif not self.uids or line.uid > self.uids[-1]:
            self.lines.append(line)
            self.uids.append(line.uid)
            told.count = len(self.uids)

    def _remove(self) -> list[int]:
        numbers = sorted(filter(None, map(self.number, self._gone)), reverse=True)
        self._gone.clear()
        if numbers:
            removed = set(numbers)
            self.lines = [
                line for n, line in enumerate(self.lines, 1) if n not in removed
            ]
            self.uids = [line.uid for line in self.lines]
        return numbers
