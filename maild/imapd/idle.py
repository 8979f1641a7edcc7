# SPDX-License-Identifier: Apache-2.0
"""The verb that waits: IDLE (RFC 2177), with changes of annotations (RFC 5464 §4.4.2).

A change is pushed as soon as the store says that it is on the device.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress

from maild.imapd.annotated import Annotated
from maild.imapd.connection import ClosedError
from maild.imapd.outcome import Done
from maild.imapd.session import Session, Verb
from maild.wire.imap_cursor import BadError
from maild.wire.imap_read import Command

PROGRESS_PERIOD = 1.0
"""Seconds between two rounds of METADATA answers: no entry is named more often."""
LOOK_PERIOD = 0.1
"""Seconds between two looks at least: another process wakes us for anything."""


async def idle(session: Session, command: Command) -> Done:
    """IDLE (RFC 9051 §6.3.13): push until the client says DONE."""
    command.cursor().end()
    await session.send(b"+ idling\r\n")
    pushing = [asyncio.create_task(_push_news(session))]
    if session.annotated is not None:
        annotated = _push_annotations(session, session.annotated)
        pushing.append(asyncio.create_task(annotated))
    try:
        line = await session.next_line()
    finally:
        for task in pushing:
            task.cancel()
        for task in pushing:
            with suppress(asyncio.CancelledError, ClosedError):
                await task
    if line.upper() != b"DONE":
        raise BadError("DONE was expected")
    return Done("that was it")


async def _push_news(session: Session) -> None:
    """Tell news of the mailbox as they happen, until cancelled."""
    view = session.selected
    topics = [f"mailbox:{view.mailbox.id}"] if view else []
    with session.store.changes.watch(*topics) as watch:
        while True:
            await session.tell_news(expunges=True)
            await watch.wait()


async def _push_annotations(session: Session, annotated: Annotated) -> None:
    """Name entries that have changed, at most once in a period, until cancelled.

    However often an item grows: between two rounds the index is not asked.  A client
    that leaves to look at an entry, and comes again, is not told more often.
    """
    clock = asyncio.get_running_loop().time
    while True:
        topics = annotated.topics
        with session.store.changes.watch(*topics) as watch:
            while topics == annotated.topics:
                await asyncio.sleep(annotated.told_at + PROGRESS_PERIOD - clock())
                if await session.tell_annotations():
                    annotated.told_at = clock()
                else:
                    await asyncio.sleep(LOOK_PERIOD)
                    await watch.wait()


VERBS: dict[str, Verb] = {"IDLE": idle}
