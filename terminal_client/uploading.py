# SPDX-License-Identifier: GPL-3.0-only
"""Bringing a file to the server, unless it is there: seed 211, 212 and the upload."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from terminal_client import errors, library, mailbox, matching, reading
from terminal_client.attempts import Attempts, Progress
from terminal_client.connections import Connections
from terminal_client.library import Item
from terminal_client.matching import Remembered
from terminal_client.memory import Memory
from terminal_client.outgoing import Outgoing, nobody
from terminal_client.profile import Profile
from terminal_client.upload_attempt import Receipt


@dataclass(frozen=True, slots=True)
class Brought:
    """What has been uploaded, and not been looked at on the server yet."""

    entry: Remembered
    receipt: Receipt
    attempts: Attempts

    @property
    def code(self) -> str:
        """Its verification code."""
        return self.entry.code

    @property
    def uploaded(self) -> bool:
        """Whether it was brought just now."""
        return True


class Uploads:
    """Of one terminal, which remembers them in its ``memory``."""

    def __init__(self, who: Profile, memory: Memory, connections: Connections) -> None:
        self._memory = memory
        self._outgoing = Outgoing(who, memory, connections)
        self._connections = connections

    async def check(self, path: Path) -> matching.Outcome:
        """Find out whether a file is on the server; mark the flag in Table 1."""
        with await asyncio.to_thread(reading.open_file, path) as file:
            absolute, shape = file.path, file.shape
        entry = await asyncio.to_thread(self._memory.by_path, absolute)
        if entry is None:
            return matching.Outcome(matching.Finding.NEVER)
        outcome = matching.Outcome(matching.Finding.EDITED)
        if await self._is_untouched(entry, absolute, shape):
            terminal = await asyncio.to_thread(self._memory.terminal)
            async with self._connections.imap() as imap:
                number, code = entry.number, entry.code
                held = await library.held_under(imap, number, code, shape.size)
            outcome = matching.match(entry, terminal, held)
        await asyncio.to_thread(self._memory.set_sharing, entry, outcome.sharing)
        return outcome

    async def _is_untouched(
        self, entry: Remembered, path: Path, shape: matching.Shape
    ) -> bool:
        quick = matching.untouched(entry, shape)
        if quick is not None:
            return quick
        # Other times, same size: only the content itself can tell.
        digest, read = await reading.digest_of(path)
        if digest != entry.sha256:
            return False
        await asyncio.to_thread(self._memory.touch, entry, read)
        return True

    async def bring(
        self,
        path: Path,
        progress: Progress,
        *,
        again: bool = False,
        begin: Callable[[Remembered], None] = nobody,
        picture: bool = True,
    ) -> Item | Brought:
        """Bring a file into the own Library, unless it is there.

        ``again`` uploads even what is there; ``picture``: with its thumbnail.
        ``begin`` is told the row of Table 1 under which octets begin to move, and
        again should they have to begin anew.
        """
        attempts = Attempts(progress)
        async with self._outgoing.turn(path, attempts) as others_did:
            if others_did or not again:
                outcome = await self.check(path)
                if outcome.held is not None:
                    return await self._item_at(outcome.held.uid)
            entry, receipt = await self._outgoing.upload(
                path, attempts, begin, picture=picture
            )
        return Brought(entry, receipt, attempts)

    async def item(self, brought: Item | Brought) -> Item:
        """Return the item that was there, or that an upload became."""
        if isinstance(brought, Item):
            return brought
        return await self.arrived(brought.entry, brought.receipt, brought.attempts)

    async def abandon(self, path: Path) -> None:
        """Give up the upload of a file that is gone, if one was cut."""
        await self._outgoing.abandon(path)

    async def arrived(
        self, entry: Remembered, receipt: Receipt, attempts: Attempts
    ) -> Item:
        """Return the item that an acknowledged upload became."""
        found = await attempts.persist(lambda: self._held_now(entry, receipt.octets))
        if found is None:
            raise errors.TryLaterError(
                f"the server took {entry.path} as {receipt.id} but does not show it "
                "yet; look with `mshare ls`"
            )
        return replace(found, sha256=receipt.sha256, uploaded=True)

    async def _held_now(self, entry: Remembered, size: int) -> Item | None:
        """Return the item that an upload became."""
        async with self._connections.imap() as imap:
            held = await library.held_under(imap, entry.number, entry.code, size)
        ours = [h for h in held if h.code == entry.code]
        return await self._item_at(ours[-1].uid) if ours else None

    async def _item_at(self, uid: int) -> Item:
        async with self._connections.imap() as imap:
            await mailbox.open_mailbox(imap, library.LIBRARY, large=False)
            items = await library.read(imap, [uid])
        if not items:
            raise errors.TryLaterError("the item is gone again; look with `mshare ls`")
        return await asyncio.to_thread(with_digest, self._memory, items[0])


def with_digest(memory: Memory, item: Item) -> Item:
    """Add what Table 1 knows of an own upload; waits for the disk."""
    if item.sha256 is None and item.code is not None:
        entry = memory.by_number(item.number or "", item.code)
        if entry is not None:
            return replace(item, sha256=entry.sha256)
    return item
