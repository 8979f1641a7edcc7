# SPDX-License-Identifier: GPL-3.0-only
"""The watch: what is in some folders, and what comes into them, goes to the server.

One file at a time, each when it is whole; cut when the network becomes metered, gone on
with at the offset of a 355 later.  What goes wrong with one file holds up no other.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractContextManager
from pathlib import Path

from terminal_client import errors
from terminal_client.attempts import Progress
from terminal_client.folders import settled
from terminal_client.folders.agenda import Waiting
from terminal_client.folders.backoff import Room, wait_after
from terminal_client.folders.carrier import Carrier
from terminal_client.folders.cutting import Landed, until_cut
from terminal_client.folders.events import Changes
from terminal_client.folders.finder import Finder
from terminal_client.folders.gate import Gate
from terminal_client.folders.patience import Patience
from terminal_client.folders.refusals import Refusals, shape_now
from terminal_client.folders.restless import SETTLE
from terminal_client.folders.settled import State
from terminal_client.folders.told import Happening, Kind, Tally, Tell
from terminal_client.hashing import in_thread
from terminal_client.library import Item
from terminal_client.matching import Shape

TRIES_OF_ONE = 2
"""Failures of one file after which a watch that ends leaves it."""
ALONE = 3
"""Files in a row that fail for now, after which it is taken to be the server."""
VERIFIED = 60.0
"""Seconds for which it is known that the server lets us in."""

Show = Callable[[str], AbstractContextManager[Progress]]
"""Shows the progress of one named file."""


class FolderWatch:
    """Of what a `Finder` finds.  ``once``: what is there, then it ends."""

    def __init__(
        self,
        carrier: Carrier,
        finder: Finder,
        gate: Gate,
        tell: Tell,
        show: Show,
        patience: Patience,
        *,
        once: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._carrier = carrier
        self._finder = finder
        self._gate = gate
        self._tell = tell
        self._show = show
        self._once = once
        self._clock = clock
        self._tally = Tally()
        self._room = Room()
        self._refusals = Refusals()
        self._patience = patience
        self._verified = -VERIFIED
        """When it was last known that we are let in."""
        self._alone = 0
        self._unreadable = 0
        self._is_paused = False
        self._now: tuple[Path, Shape] | None = None
        """What is being uploaded."""
        self._changed = asyncio.Event()

    async def run(self, events: AsyncIterator[Changes]) -> Tally:
        """Watch until it is cancelled; ``once``, until all that is there was tried."""
        listening = asyncio.ensure_future(self._listen(events))
        working = asyncio.ensure_future(self._work())
        both = {listening, working}
        try:
            await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
            if not working.done():
                await listening  # it never ends but by an error
            await working
        finally:
            for each in both:
                each.cancel()
            await asyncio.gather(*both, return_exceptions=True)
            await self._carrier.rest()
        return self._tally

    async def _listen(self, events: AsyncIterator[Changes]) -> None:
        async for changes in events:
            self._finder.take(changes)
            if self._now is not None and (changes is None or self._now[0] in changes):
                path, shape = self._now
                if await in_thread(shape_now, path) != shape:
                    self._changed.set()
            if self._once:
                await asyncio.Event().wait()  # only what was there at first

    async def _work(self) -> None:
        while True:
            await self._may_flow()
            try:
                found = await self._finder.next()
                if found is not None:
                    await self._take(*found)
                    continue
            except (errors.NotAllowedError, errors.SetUpError):
                raise  # somebody has to log in
            except errors.TerminalError as error:
                if await self._patience.hold_up(error):
                    self._finder.agenda.hurry(self._clock())
                continue
            self._tell_of_unreadable()
            if self._once and not self._finder.has_more:
                return
            await self._carrier.rest()
            await self._finder.wait()

    def _tell_of_unreadable(self) -> None:
        count = self._finder.unreadable
        if count and count != self._unreadable:
            text = f"folders that cannot be read: {count}"
            self._tell(Happening(Kind.TOLD, text))
        self._unreadable = count

    async def _may_flow(self) -> None:
        """Wait while the network is metered."""
        while not self._gate.is_known:
            await self._gate.change()
        if self._gate.is_open:
            return
        why = "the network is metered (--on-metered uploads all the same)"
        if self._once:
            raise errors.TryLaterError(f"{why}; run it again on another network")
        self._pause(Happening(Kind.PAUSED, f"paused: {why}"))
        await self._carrier.rest()
        await self._gate.until(is_open=True)
        self._is_paused = False
        self._tell(Happening(Kind.RESUMED, "the network is not metered any more"))

    def _pause(self, told: Happening) -> None:
        if not self._is_paused:
            self._tell(told)
        self._is_paused = True

    async def _take(self, path: Path, known: Waiting) -> None:
        """Look at one file; upload it when it is whole."""
        try:
            found = await in_thread(settled.probe, path, known.before, time.time())
        except errors.NoInputError as error:
            self._refuse(path, await in_thread(shape_now, path), error)
            return
        match found.state:
            case State.READY if found.shape is not None:
                await self._bring(path, found.shape, known)
            case State.WRITTEN | State.FRESH:
                self._leave(path, known, found)
            case State.FOLDER:
                self._finder.folder(path)
            case State.GONE if known.failed == 0:
                # Where it went to is looked at before it is given up.
                self._finder.later(path, known, self._clock() + SETTLE)
            case State.GONE if await in_thread(self._finder.is_here, path):
                await self._carrier.abandon(path)
            case _:
                pass

    def _leave(self, path: Path, known: Waiting, found: settled.Probe) -> None:
        """Let a file that is not whole wait."""
        if self._once:
            self._tally.left += 1
            text = f"{path} is still being written: left for the next time"
            self._tell(Happening(Kind.LEFT, text, path))
            return
        agenda, now = self._finder.agenda, self._clock()
        assert found.shape is not None
        if found.state is State.WRITTEN:
            kept = agenda.written(path, known, found.shape, now)
        else:
            kept = agenda.quiet(path, known, found.shape, now, settled.QUIET)
        if not kept:
            self._finder.look_at(now + settled.QUIET)

    async def _bring(self, path: Path, shape: Shape, known: Waiting) -> None:
        if self._refusals.knows(path, shape) or not await in_thread(
            self._carrier.unknown, [(path, shape)]
        ):
            return
        if self._room.lacks(shape.size, self._clock()):
            self._tally.left += 1
            self._finder.look_at(self._room.until)
            return
        try:
            if await self._carrier.moved(path, shape):
                text = f"{path}: uploaded before, from another folder"
                self._tell(Happening(Kind.MOVED, text, path))
            else:
                await self._upload(path, shape)
        except errors.TerminalError as error:
            await self._failed(path, shape, known, error)
        except Exception as error:  # noqa: BLE001 # a bug: it stops no other file
            bug = errors.TerminalError(
                f"this is a bug: {type(error).__name__}: {error}"
            )
            self._refuse(path, shape, bug)

    async def _upload(self, path: Path, shape: Shape) -> None:
        self._changed.clear()
        self._now = path, shape
        try:
            with self._show(path.name) as progress:
                landed = Landed(progress)
                upload = self._carrier.bring(path, landed)
                item = await until_cut(upload, self._gate, self._changed)
        finally:
            self._now = None
        if item is not None or self._changed.is_set():
            self._finder.restless.moved(path, self._clock())
        if item is not None:
            self._done(path, item)
            return
        self._finder.touched(path, None if self._changed.is_set() else 0.0)
        if not self._gate.is_open:
            text = f"{path.name}: paused, the network is metered"
            told = Happening(Kind.PAUSED, text, path, octets=landed.octets)
            self._pause(told)

    def _done(self, path: Path, item: Item) -> None:
        self._tally.uploaded += item.uploaded
        self._room.took(item.size)
        self._patience.ended()
        self._alone = 0
        self._tell(Happening(Kind.UPLOADED, path.name, path, item))

    async def _failed(
        self, path: Path, shape: Shape, known: Waiting, error: errors.TerminalError
    ) -> None:
        """Decide what an error means: for the file, for now, or for all."""
        now = self._clock()
        match error:
            case errors.NoRoomError():
                wait = self._room.refused(shape.size, now)
                self._tally.left += 1
                self._finder.look_at(now + wait)
                self._tell(Happening(Kind.WAITING, str(error), path, seconds=wait))
            case _ if await in_thread(shape_now, path) != shape:
                self._finder.restless.moved(path, now)
                self._finder.touched(path)  # it has changed, or is gone
            case errors.CutError() | errors.UnreachableError():
                self._try_again(path, known, error)
                raise error
            case errors.TryLaterError() | errors.LocalInputOutputError():
                self._alone += 1
                self._try_again(path, known, error)
                if self._alone >= ALONE:
                    raise error
                if known.failed == 0:
                    self._tell(Happening(Kind.WAITING, str(error), path))
            case errors.ContentError() | errors.NoInputError():
                self._refuse(path, shape, error)
            case _:
                await self._verify(path, known)
                self._refuse(path, shape, error)

    async def _verify(self, path: Path, known: Waiting) -> None:
        """Find out whether a refusal is of this file, or nobody is let in."""
        if self._clock() - self._verified < VERIFIED:
            return
        try:
            await self._carrier.verify()
        except (errors.NotAllowedError, errors.SetUpError):
            raise
        except errors.TerminalError as why:
            self._try_again(path, known, why)
            raise
        self._verified = self._clock()

    def _try_again(
        self, path: Path, known: Waiting, error: errors.TerminalError
    ) -> None:
        """Try it later, each time later; other files go on meanwhile."""
        if self._once and known.failed == TRIES_OF_ONE:
            self._tally.left += 1
            self._tell(Happening(Kind.LEFT, str(error), path))
            return
        wait = max(self._patience.next_wait, wait_after(known.failed + 1))
        self._finder.later(path, known, self._clock() + wait)

    def _refuse(
        self, path: Path, shape: Shape | None, error: errors.TerminalError
    ) -> None:
        """Say it, once; the file is tried again when it has changed."""
        if not self._refusals.knows(path, shape):
            self._tally.refused += 1
            self._tally.status = self._tally.status or error.status
            self._tell(Happening(Kind.REFUSED, str(error), path))
        self._refusals.add(path, shape)
