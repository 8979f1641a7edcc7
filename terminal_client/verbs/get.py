# SPDX-License-Identifier: GPL-3.0-only
"""``mshare get``: download an item; it appears whole and verified, or not at all."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from terminal_client import alike, errors, screen
from terminal_client.library import Item
from terminal_client.naming import shown
from terminal_client.outlet import read_by_somebody
from terminal_client.pieces import Part, Range, parse_range
from terminal_client.progress import shown_progress
from terminal_client.screen import ProfileOption
from terminal_client.terminal import Terminal


def get(
    context: typer.Context,
    what: Annotated[
        str | None,
        typer.Argument(
            metavar="[ID|NAME]",
            help="Id, its first 4 or more characters, or name in `mshare ls`.",
        ),
    ] = None,
    output: Annotated[
        str | None,
        typer.Option(
            "-o",
            "--output",
            metavar="FILE|DIR|-",
            help="Where to. Default: here, under its name; - is stdout. DIR/ is made "
            "where what is above it exists.",
        ),
    ] = None,
    follow: Annotated[
        bool,
        typer.Option(
            "--follow",
            help="Wait for what was accepted and has not begun to arrive: "
            "that item or offer, or the next one.",
        ),
    ] = False,
    version: Annotated[
        int | None,
        typer.Option(
            "--version",
            metavar="N",
            help="An older version of it, see `mshare versions`.",
        ),
    ] = None,
    octets: Annotated[
        str | None,
        typer.Option(
            "--range",
            metavar="A-B",
            help="Only octets A to B, both included and counted from 0; A- is all from "
            "A on, -N the last N.",
        ),
    ] = None,
    part: Annotated[
        str | None,
        typer.Option(
            "--part",
            metavar="NAME",
            help="Only this file of a zip or tar, as `mshare preview` names it.",
        ),
    ] = None,
    tell_sender: Annotated[
        bool,
        typer.Option(
            "--tell-sender",
            help="Once all of it is here, let its sender know by a mail.",
        ),
    ] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Replace a file that exists.")
    ] = False,
    named: ProfileOption = None,
) -> None:
    """Download an item of your Library.

    Its digest is verified before the file gets its name; you are told if it has none.
    A file that exists is left alone: the new one becomes "name (2)", unless you say
    --force.  Interrupted, run it again: it goes on where it was.

    An item that is still arriving is followed to its end; with -o - its octets can be
    read, or played, as they come.

    With --range or --part only that piece travels.  It is called after the range or
    the member, never after a path in the archive.
    """
    if what is None and not follow:
        raise errors.UsageError("which item? name one, or wait for one with --follow")
    if version is not None and follow:
        raise errors.UsageError("what still arrives has one version only")
    piece = _piece(octets, part)
    if piece is not None and tell_sender:
        raise errors.UsageError("--tell-sender is for whole items")
    chosen = screen.chosen(context, named)
    wish = _Wish(chosen, what, follow, version, piece, tell_sender)
    if output == "-":
        screen.run(_get_to_stdout(wish))
        return
    dest = Path(output).expanduser() if output else None
    if dest is not None and str(output).endswith("/"):
        _make_directory(dest)
    place = screen.run(_get(wish, dest, force))
    screen.say(str(place))


def _piece(octets: str | None, part: str | None) -> Range | Part | None:
    if octets is not None and part is not None:
        raise errors.UsageError("--range and --part are two things; name one")
    if octets is not None:
        return parse_range(octets)
    return Part(part) if part is not None else None


@dataclass(frozen=True, slots=True)
class _Wish:
    """Whose item is wanted, which one, and whether it is waited for."""

    who: str | None
    what: str | None
    follow: bool
    version: int | None
    piece: Range | Part | None
    tells: bool

    async def item(self, terminal: Terminal) -> Item:
        """Return the item."""
        if self.follow:
            return await terminal.awaited(self.what, tell=self._remark)
        found = await alike.newest(terminal, self.what or "")
        if self.version is not None:
            return await terminal.version(found, self.version)
        return await terminal.find(found)

    def _remark(self) -> None:
        what = "the next item" if self.what is None else shown(self.what)
        screen.remark(f"mshare: waiting for {what} to arrive")


def _make_directory(wanted: Path) -> None:
    try:
        wanted.mkdir(exist_ok=True)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise errors.CannotCreateError(
            f"the directory {wanted} cannot be made: {reason}"
        ) from error


async def _get(wish: _Wish, dest: Path | None, force: bool) -> Path:
    async with Terminal.open(wish.who) as terminal:
        item = await wish.item(terminal)
        with shown_progress(wish.what or item.name) as progress:
            if wish.piece is not None:
                return await terminal.get_piece(
                    item, wish.piece, dest, force=force, progress=progress
                )
            place = await terminal.get(item, dest, force=force, progress=progress)
        if item.arriving:  # it has a digest now
            item = await terminal.find(item.id)
        await _tell(wish, terminal, item)
    _warn(item)
    return place


async def _get_to_stdout(wish: _Wish) -> None:
    sink = sys.stdout.buffer
    async with Terminal.open(wish.who) as terminal, read_by_somebody(sink):
        item = await wish.item(terminal)
        with shown_progress(wish.what or item.name, lines=False) as progress:
            if wish.piece is not None:
                await terminal.get_piece_to(item, wish.piece, sink, progress=progress)
                return
            item = await terminal.get_to(item, sink, progress=progress)
        await _tell(wish, terminal, item)
    _warn(item)


async def _tell(wish: _Wish, terminal: Terminal, item: Item) -> None:
    """Let the sender know, if that is wanted."""
    if wish.tells:
        try:
            sender = await terminal.tell_sender(item)
        except errors.TerminalError as error:
            raise type(error)(f"{shown(item.name)} is here, but {error}") from error
        screen.remark(f"mshare: {sender} is told")


def _warn(item: Item) -> None:
    """Say so when what came could not be compared with anything."""
    if item.sha256 is None:
        screen.remark(
            f"mshare: {shown(item.name)} came without a digest: its size is right, "
            "nothing else could be verified"
        )
