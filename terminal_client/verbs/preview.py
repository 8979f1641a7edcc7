# SPDX-License-Identifier: GPL-3.0-only
"""``mshare preview``: what an item is and what is in it, without getting it."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer

from maild.mail.plain import amount
from terminal_client import alike, browsing, screen
from terminal_client.browsing import Preview, Wish
from terminal_client.described import describe
from terminal_client.looking.look import Limits
from terminal_client.looking.seen import Kind, Seen
from terminal_client.naming import shown
from terminal_client.progress import PATIENCE
from terminal_client.screen import JsonOption, ProfileOption
from terminal_client.terminal import Terminal

ALL_ENTRIES = 100_000
"""Members listed with --all."""
ALL_LINES = 1000
"""Lines of a text shown with --all."""
ALL_SLICES = 20_000
"""Slices fetched with --all; a tar takes one for each large member."""


def preview(
    context: typer.Context,
    what: Annotated[
        str,
        typer.Argument(
            metavar="ID|NAME",
            help="Id, its first 4 or more characters, or name in `mshare ls`.",
        ),
    ],
    everything: Annotated[
        bool,
        typer.Option(
            "--all", help="List up to 100,000 members; up to 16 MiB may travel."
        ),
    ] = False,
    as_json: JsonOption = False,
    named: ProfileOption = None,
) -> None:
    """Look into an item without getting it.

    Shows the beginning of a text, the size of an image, duration and codecs of sound
    and video, the pages of a PDF, and lists what is in a zip or a tar.  Less than 1 MiB
    travels, however large the item is, unless you say --all.

    Of a packed tar only the beginning can be listed.  Of an item that is still arriving
    you see what is there.  `mshare get --part` gets one member of a zip or tar.
    """
    wish = Wish(picture=not as_json and _can_draw())
    if everything:
        wish = Wish(
            limits=Limits(lines=ALL_LINES, entries=ALL_ENTRIES),
            octets=browsing.MANY,
            slices=ALL_SLICES,
            picture=wish.picture,
        )
    found = screen.run(_preview(screen.chosen(context, named), what, wish))
    if as_json:
        screen.dump(found.to_json())
        return
    _show(found)


async def _preview(who: str | None, what: str, wish: Wish) -> Preview:
    async with Terminal.open(who) as terminal:
        with _patience(f"mshare: looking into {shown(what)}"):
            return await terminal.preview(await alike.newest(terminal, what), wish)


@contextmanager
def _patience(said: str) -> Iterator[None]:
    """Say what takes so long, once it has taken a second and somebody looks."""
    if not sys.stderr.isatty():
        yield
        return
    telling = asyncio.get_running_loop().call_later(PATIENCE, screen.remark, said)
    try:
        yield
    finally:
        telling.cancel()


def _show(found: Preview) -> None:
    item, seen = found.item, found.seen
    screen.say(shown(item.name))
    screen.say(", ".join(describe(found)))
    if found.picture is not None:
        _draw(found.picture)
    if seen.kind is Kind.ARCHIVE:
        _list(seen)
    elif seen.text:
        screen.say("")
        for line in seen.text:
            screen.say(line)
        if not seen.is_whole:
            screen.remark("mshare: this is the beginning only")
    for remark in seen.remarks:
        screen.remark(f"mshare: {shown(remark)}")


def _list(seen: Seen) -> None:
    if seen.entries or sys.stdout.isatty():
        screen.say("")
    screen.table(
        ("size", "date", "name"),
        (
            (
                "" if entry.is_directory else amount(entry.size),
                entry.changed.strftime("%Y-%m-%d %H:%M") if entry.changed else "",
                entry.name,
            )
            for entry in seen.entries
        ),
        none="the archive is empty" if seen.is_whole else "no member could be listed",
    )


def _can_draw() -> bool:
    if not sys.stdout.isatty():
        return False
    from terminal_client.pictures import shows_colours  # drawing takes long to load

    return shows_colours()


def _draw(picture: bytes) -> None:
    from terminal_client.pictures import draw

    draw(picture)
