# SPDX-License-Identifier: GPL-3.0-only
"""``mshare get``: download an item; it appears whole and verified, or not at all."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from terminal_client import errors, screen
from terminal_client.library import Item
from terminal_client.naming import shown
from terminal_client.outlet import read_by_somebody
from terminal_client.progress import shown_progress
from terminal_client.screen import ProfileOption
from terminal_client.terminal import Terminal


def get(
    context: typer.Context,
    what: Annotated[
        str | None,
        typer.Argument(
            metavar="[ID|NAME]", help="Id, beginning of an id, or name in `mshare ls`."
        ),
    ] = None,
    output: Annotated[
        str | None,
        typer.Option(
            "-o",
            "--output",
            metavar="FILE|DIR|-",
            help="Where to. Default: here, under its name; - is stdout.",
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
    """
    if what is None and not follow:
        raise errors.UsageError("which item? name one, or wait for one with --follow")
    if version is not None and follow:
        raise errors.UsageError("what still arrives has one version only")
    wish = _Wish(screen.chosen(context, named), what, follow, version)
    if output == "-":
        screen.run(_get_to_stdout(wish))
        return
    dest = Path(output).expanduser() if output else None
    if dest is not None and str(output).endswith("/"):
        _make_directory(dest)
    place = screen.run(_get(wish, dest, force))
    screen.say(str(place))


@dataclass(frozen=True, slots=True)
class _Wish:
    """Whose item is wanted, which one, and whether it is waited for."""

    who: str | None
    what: str | None
    follow: bool
    version: int | None

    async def item(self, terminal: Terminal) -> Item:
        """Return the item."""
        if self.follow:
            return await terminal.awaited(self.what, tell=self._remark)
        if self.version is not None:
            return await terminal.version(self.what or "", self.version)
        return await terminal.find(self.what or "")

    def _remark(self) -> None:
        what = "the next item" if self.what is None else shown(self.what)
        screen.remark(f"mshare: waiting for {what} to arrive")


def _make_directory(wanted: Path) -> None:
    try:
        wanted.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise errors.CannotCreateError(
            f"the directory {wanted} cannot be made: {reason}"
        ) from error


async def _get(wish: _Wish, dest: Path | None, force: bool) -> Path:
    async with Terminal.open(wish.who) as terminal:
        item = await wish.item(terminal)
        with shown_progress(wish.what or item.name) as progress:
            place = await terminal.get(item, dest, force=force, progress=progress)
        if item.arriving:  # it has a digest now
            item = await terminal.find(item.id)
    _warn(item)
    return place


async def _get_to_stdout(wish: _Wish) -> None:
    sink = sys.stdout.buffer
    async with Terminal.open(wish.who) as terminal, read_by_somebody(sink):
        item = await wish.item(terminal)
        with shown_progress(wish.what or item.name, lines=False) as progress:
            item = await terminal.get_to(item, sink, progress=progress)
    _warn(item)


def _warn(item: Item) -> None:
    """Say so when what came could not be compared with anything."""
    if item.sha256 is None:
        screen.remark(
            f"mshare: {shown(item.name)} came without a digest: its size is right, "
            "nothing else could be verified"
        )
