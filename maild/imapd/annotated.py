# SPDX-License-Identifier: Apache-2.0
"""What a client has been told of its account's annotations (RFC 5464 §4.4.2).

Only names are told, and only to who asked for it with ENABLE METADATA (§4.1); from then
on nothing is left out, also not what changes between two IDLEs.  However many entries
there are, a connection remembers one number, and those items that still arrive.
"""

from __future__ import annotations

import math

from maild.store import item_view, mailboxes, metadata
from maild.store.index import Index, Tx
from maild.store.item_view import Arriving
from maild.store.metadata import Changed
from maild.wire.imap_write import encode_mailbox, string

NAMES_A_LINE = 50
"""Entries named in one METADATA answer, so that no line grows with them."""
NAMES_AT_ONCE = 1000
"""Entries named in one go; the rest follows with the next."""


class Annotated:
    """Of one connection; begins when the client asks."""

    def __init__(self, index: Index, account_id: int) -> None:
        self._index = index
        self._account_id = account_id
        self._last = 0
        self._arriving: dict[str, Arriving] = {}
        self._stubs = ""
        self.told_at = -math.inf
        """When IDLE told something last, by the clock of the event loop (seconds)."""

    async def begin(self) -> None:
        """Take what there is now for known: the client asks for the values itself."""

        def job(tx: Tx) -> tuple[int, dict[str, Arriving], int]:
            stubs = mailboxes.find(tx, self._account_id, item_view.STUBS)
            last = metadata.last_change(tx, self._account_id)
            id_ = 0 if stubs is None else stubs.id  # a number has no items
            return last, item_view.arriving(tx, self._account_id), id_

        self._last, self._arriving, stubs = await self._index.read(job)
        self._stubs = f"mailbox:{stubs}"

    @property
    def topics(self) -> frozenset[str]:
        """What says that there may be news: changes, and growth of what arrives."""
        growing = (f"blob:{a.blob_id}" for a in self._arriving.values())
        changes = metadata.topic(self._account_id)
        return frozenset({changes, self._stubs, *growing})

    async def news(self, *, utf8: bool) -> bytes:
        """Return the answers that name what has changed; they count as sent."""
        changed, arriving = await self._index.read(self._look, self._last)
        found: dict[str, list[str]] = {}
        for mailbox, entry in changed.entries:
            found.setdefault(mailbox, []).append(entry)
        before, self._arriving = self._arriving, arriving
        moved = [e for e in before | arriving if before.get(e) != arriving.get(e)]
        if moved:
            found.setdefault(item_view.MAILBOX, []).extend(moved)
        self._last = changed.last
        return b"".join(
            _line(encode_mailbox(mailbox, utf8=utf8), entries[at : at + NAMES_A_LINE])
            for mailbox, entries in found.items()
            for at in range(0, len(entries), NAMES_A_LINE)
        )

    def _look(self, tx: Tx, last: int) -> tuple[Changed, dict[str, Arriving]]:
        """Return what has changed, and what arrives now (a reading job)."""
        return (
            metadata.changes(tx, self._account_id, last, NAMES_AT_ONCE),
            item_view.arriving(tx, self._account_id),
        )

    def changed_itself(self, first: int, last: int) -> None:
        """Leave out what the client has just changed, unless others were before it."""
        if self._last == first - 1:
            self._last = last


def _line(mailbox: bytes, entries: list[str]) -> bytes:
    names = b" ".join(string(entry.encode()) for entry in entries)
    return b"* METADATA " + mailbox + b" " + names + b"\r\n"
