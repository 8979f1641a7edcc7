# SPDX-License-Identifier: Apache-2.0
"""Whether octets have arrived, and waiting for those that have not (RFC 9585).

Only BINARY waits, on a connection of its own; BODY of what is still arriving is told
``NO [INUSE]`` at once.  A reader that waits sees an INPROGRESS answer now and then, so
that neither side takes the connection for dead.
"""

from __future__ import annotations

import asyncio

from maild.imapd.connection import Writer
from maild.imapd.sections import Range
from maild.mail.encoding import CODED_LINE, RAW_LINE
from maild.store import messages
from maild.store.blobs import BlobState
from maild.store.errors import NotFoundError
from maild.store.house import Store
from maild.store.messages import Content
from maild.store.rope import Base64, Raw, Rope
from maild.wire.imap_write import NoError, status_line

SIGN_OF_LIFE = 12.0
"""Seconds between INPROGRESS answers (RFC 9585 §4 suggests 10 to 15)."""
STALL = 300.0
"""Seconds without a new octet after which a reader is sent away, to come back later."""


class Arrival:
    """Waits on behalf of one command, ``tag``."""

    def __init__(self, writer: Writer, store: Store, tag: str) -> None:
        self._writer = writer
        self._store = store
        self._tag = tag
        self.sign_of_life = SIGN_OF_LIFE
        self.stall = STALL

    async def has_landed(self, content: Content, wanted: Range) -> None:
        """Raise `NoError` (INUSE) unless a range of the rendering can be read."""
        if content.complete:
            return
        if wanted.end > content.rope.size:  # what follows the blob is not there yet
            raise NoError("the content is still arriving", "INUSE")
        for blob_id, end in blob_needs(content.rope, wanted).items():
            if (await self._state(blob_id)).durable < end:
                raise NoError("the content is still arriving", "INUSE")

    async def wait_for(self, content: Content, blob_id: int, end: int) -> None:
        """Wait until a blob has ``end`` octets that can be read."""
        if content.complete:
            return
        time = asyncio.get_running_loop().time
        with self._store.changes.watch(f"blob:{blob_id}") as watch:
            state = await self._state(blob_id)
            grown = told = time()
            while state.durable < end:
                if state.sealed or time() - grown >= self.stall:
                    raise NoError("the content does not arrive now", "INUSE")
                await watch.wait(max(0.0, told + self.sign_of_life - time()))
                before, state = state, await self._state(blob_id)
                if state.durable > before.durable:
                    grown = time()
                else:
                    await self._must_be_there(content)
                if time() - told >= self.sign_of_life and state.durable < end:
                    told = time()
                    await self._writer.send(self._in_progress(state, end))

    async def _must_be_there(self, content: Content) -> None:
        try:
            await self._store.index.read(messages.content, content.id)
        except NotFoundError as error:  # given up by its sender
            raise NoError("the message is gone", "EXPUNGEISSUED") from error

    async def _state(self, blob_id: int) -> BlobState:
        try:
            return await asyncio.to_thread(self._store.blobs.state, blob_id)
        except NotFoundError as error:
            raise NoError("the content has moved; ask again", "INUSE") from error

    def _in_progress(self, state: BlobState, end: int) -> bytes:
        code = "INPROGRESS"
        if self._tag:
            code += f' ("{self._tag}" {state.durable} {end})'
        return status_line("*", "OK", "waiting for content", code)


def blob_needs(rope: Rope, wanted: Range) -> dict[int, int]:
    """Return how many octets of which blobs a range of the rendering needs."""
    needs: dict[int, int] = {}
    for span in rope.spans(wanted.start, wanted.size):
        end = span.start + span.length
        match span.piece:
            case Raw(blob, start, _):
                need = start + end
            case Base64(blob, length):
                need = min(length, -(-end // CODED_LINE) * RAW_LINE)
            case _:
                continue
        needs[blob] = max(needs.get(blob, 0), need)
    return needs
