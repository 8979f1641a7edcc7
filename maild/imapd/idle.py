# SPDX-License-Identifier: Apache-2.0
"""The verb that waits: IDLE (RFC 2177), with progress of transfers (RFC 5464 §4.4.2).

A change is pushed as soon as the store says that it is on the device.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress

from maild.imapd.connection import ClosedError
from maild.imapd.outcome import Done
from maild.imapd.session import Session, Verb
from maild.store import mailboxes
from maild.wire.imap_cursor import BadError
from maild.wire.imap_read import Command
from maild.wire.imap_write import encode_mailbox, string

PROGRESS_PERIOD = 1.0
"""Seconds between two METADATA answers for the same transfer."""
PROGRESS = "Transfers"
"""The mailbox whose metadata moves by itself."""


async def idle(session: Session, command: Command) -> Done:
    """IDLE (RFC 9051 §6.3.13): push until the client says DONE."""
    command.cursor().end()
    await session.send(b"+ idling\r\n")
    pushing = asyncio.create_task(_push(session))
    try:
        line = await session.next_line()
    finally:
        pushing.cancel()
        with suppress(asyncio.CancelledError, ClosedError):
            await pushing
    if line.upper() != b"DONE":
        raise BadError("DONE was expected")
    return Done("that was it")


async def _push(session: Session) -> None:
    """Tell news as they happen, until cancelled."""
    view = session.selected
    topics = [f"mailbox:{view.mailbox.id}"] if view else []
    progress = await Progress.of(session)
    with session.store.changes.watch(*topics) as watch:
        patience: float | None = 0.0
        while True:
            await session.tell_news(expunges=True)
            patience = await progress.tell() if progress else None
            await watch.wait(patience)


class Progress:
    """What the client has been told of the metadata of transfers, and when."""

    def __init__(self, session: Session, told: dict[str, bytes]) -> None:
        self._session = session
        self._told = told
        self._when: dict[str, float] = {}

    @classmethod
    async def of(cls, session: Session) -> Progress | None:
        """Begin where the entries stand now; None unless the client wants them."""
        if session.selected is None or not session.enabled & _WANTED:
            return None
        if session.selected.mailbox.name != PROGRESS:
            return None
        return cls(session, await _entries(session))

    async def tell(self) -> float | None:
        """Name the entries that have changed; return seconds until more may be told.

        Each at most once in `PROGRESS_PERIOD`; the last change is never left out.
        """
        now = asyncio.get_running_loop().time()
        entries = await _entries(self._session)
        fresh = [name for name in entries if entries[name] != self._told.get(name)]
        due = [n for n in fresh if now >= self._when.get(n, 0.0) + PROGRESS_PERIOD]
        if due:
            names = b" ".join(string(name.encode()) for name in due)
            mailbox = encode_mailbox(PROGRESS)
            await self._session.untagged(b"METADATA " + mailbox + b" " + names)
        for name in due:
            self._told[name] = entries[name]
            self._when[name] = now
        waiting = [self._when[name] for name in fresh if name not in due]
        for name in self._when.keys() - entries.keys():
            del self._when[name]
        return min(waiting) + PROGRESS_PERIOD - now if waiting else None


_WANTED = frozenset({"METADATA", "METADATA-SERVER"})


async def _entries(session: Session) -> dict[str, bytes]:
    return await session.store.index.read(
        mailboxes.get_metadata, session.owner.id, PROGRESS
    )


VERBS: dict[str, Verb] = {"IDLE": idle}
