# SPDX-License-Identifier: Apache-2.0
"""Carries out SEARCH: cheap facts first, then contents, off the event loop.

The mailbox's own record settles flags, dates and sizes of all messages at once, the
index the numbers and codes of own uploads; only where that leaves the question open is
a content read (RFC 9051 §6.4.4).
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence

from maild.imapd.search_judge import (
    SHARES,
    Known,
    Message,
    asks_for_shares,
    judge,
    prepared,
)
from maild.store import items, messages
from maild.store.errors import NotFoundError
from maild.store.house import Store
from maild.store.index import Tx
from maild.store.messages import Content, Line
from maild.store.reading import RopeReader
from maild.wire.imap_search import Key, Query

BATCH = 25
"""Messages whose contents are read at once.  Bounds memory and the time of one read: a
hundred clients that look at a hundred messages each would else hold ten thousand."""


async def run_search(
    store: Store,
    lines: Sequence[tuple[int, Line]],
    query: Query,
    *,
    saved: Collection[int] = (),
) -> list[tuple[int, Line]]:
    """Return the (number, line) pairs that match, in order.

    ``lines`` is the whole mailbox as the session sees it; ``saved`` the UIDs that ``$``
    stands for (RFC 5182).
    """
    key = prepared(query.key, lines, saved)
    matching: set[int] = set()
    unsettled: list[tuple[int, Line]] = []
    for start in range(0, len(lines), BATCH):
        for number, line in lines[start : start + BATCH]:
            verdict = judge(key, Message(number, line))
            if verdict:
                matching.add(number)
            elif verdict is None:
                unsettled.append((number, line))
        await asyncio.sleep(0)  # others have their turn, however many messages
    known = asks_for_shares(key)
    for start in range(0, len(unsettled), BATCH):
        batch = unsettled[start : start + BATCH]
        if known:
            shares = await store.index.read(_read_shares, batch)
            batch = _settle(key, batch, shares, matching)
        contents = await store.index.read(_read_contents, batch)
        matching |= await asyncio.to_thread(_look, store, key, batch, contents)
    return [(number, line) for number, line in lines if number in matching]


def _read_shares(
    tx: Tx, batch: Sequence[tuple[int, Line]]
) -> dict[int, tuple[str, str]]:
    return items.shares(tx, [line.content_id for _, line in batch])


def _settle(
    key: Key,
    batch: Sequence[tuple[int, Line]],
    shares: dict[int, tuple[str, str]],
    matching: set[int],
) -> list[tuple[int, Line]]:
    """Add to ``matching`` what the index knows to match; return what it does not."""
    left = []
    for number, line in batch:
        values = shares.get(line.content_id)
        told = dict(zip(SHARES, values, strict=True)) if values else None
        verdict = judge(key, Message(number, line, shares=told))
        if verdict:
            matching.add(number)
        elif verdict is None:
            left.append((number, line))
    return left


def _read_contents(tx: Tx, batch: Sequence[tuple[int, Line]]) -> dict[int, Content]:
    found: dict[int, Content] = {}
    for content_id in {line.content_id for _, line in batch}:
        try:
            found[content_id] = messages.content(tx, content_id)
        except NotFoundError:
            continue  # expunged by another session since: it matches nothing
    return found


def _look(
    store: Store,
    key: Key,
    batch: Sequence[tuple[int, Line]],
    contents: dict[int, Content],
) -> set[int]:
    """Return the numbers of ``batch`` that match by what they say (a thread's work)."""
    found: set[int] = set()
    for number, line in batch:
        content = contents.get(line.content_id)
        if content is None:
            continue
        with RopeReader(store.blobs, content.rope) as reader:
            known = Known(content, reader.pieces)
            if judge(key, Message(number, line, known)):
                found.add(number)
    return found
