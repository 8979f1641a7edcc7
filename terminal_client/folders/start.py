# SPDX-License-Identifier: GPL-3.0-only
"""Putting a watch together: folders, network, and who carries the files."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path

from terminal_client.folders import chosen
from terminal_client.folders.carrier import Carrier
from terminal_client.folders.events import AGAIN, LOOK_EVERY, FolderEvents
from terminal_client.folders.finder import Finder
from terminal_client.folders.gate import Gate
from terminal_client.folders.network import NetworkManager
from terminal_client.folders.patience import Patience
from terminal_client.folders.told import Happening, Kind, Tally, Tell
from terminal_client.folders.watch import FolderWatch, Show


async def watch(
    carrier: Carrier,
    folders: Iterable[Path],
    spared: Sequence[Path],
    tell: Tell,
    show: Show,
    *,
    once: bool,
    on_metered: bool,
    patient: bool,
) -> Tally:
    """Watch folders until cancelled, or ``once``; see `Terminal.watch`."""
    roots = await asyncio.to_thread(partial(chosen.roots, patient=patient), folders)
    gate = Gate(on_metered=on_metered)

    def say(text: str) -> None:
        tell(Happening(Kind.TOLD, text))

    def say_of_network(text: str) -> None:
        if not on_metered:
            say(text)

    finder = Finder(roots, spared, carrier.unknown, time.monotonic)
    missing = [root for root in roots if not root.exists()]
    events = FolderEvents(roots, spared, say, AGAIN if missing else LOOK_EVERY)
    patience = Patience(gate, tell, once=once)
    story = FolderWatch(carrier, finder, gate, tell, show, patience, once=once)
    listening = asyncio.ensure_future(
        NetworkManager(gate.heard, say_of_network).listen()
    )
    tell(Happening(Kind.WATCHING, f"watching {', '.join(map(str, roots))}"))
    for root in missing:
        say(f"there is no folder {root} now; it is waited for")
    watching = asyncio.ensure_future(story.run(events.changes()))
    both = {watching, listening}
    try:
        await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        if not watching.done():
            await listening  # it never ends but by an error
        return await watching
    finally:
        for each in both:
            each.cancel()
        await asyncio.gather(*both, return_exceptions=True)
