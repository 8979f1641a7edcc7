# SPDX-License-Identifier: GPL-3.0-only
"""``mshare edit``: let a program change an item, and send what has changed (220)."""

from __future__ import annotations

import asyncio
import os
import shlex
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from maild.mail.plain import amount
from terminal_client import errors, screen
from terminal_client.editing import Change
from terminal_client.naming import shown
from terminal_client.progress import shown_progress
from terminal_client.replacing import Replaced
from terminal_client.screen import JsonOption, ProfileOption
from terminal_client.terminal import Terminal


def edit(
    context: typer.Context,
    what: Annotated[
        str,
        typer.Argument(
            metavar="ID|NAME", help="Id, beginning of an id, or name in `mshare ls`."
        ),
    ],
    program: Annotated[
        str | None,
        typer.Option(
            "--with",
            metavar="PROGRAM",
            help="What changes the file, which is added as last word. "
            "Default: $VISUAL, else $EDITOR.",
        ),
    ] = None,
    keep: Annotated[
        bool,
        typer.Option(
            "--keep", help="Keep a copy here: the next edit need not download it."
        ),
    ] = False,
    as_json: JsonOption = False,
    named: ProfileOption = None,
) -> None:
    """Edit an item: only what you have changed travels.

    It is downloaded, unless its file is still here; the program gets it and must run
    until you have done (for example "code --wait"). Changed, it becomes the next
    version of the item; `mshare versions` shows what is kept of the older ones.

    What cannot be sent, because somebody else was faster or the server is away, stays
    here, and you are told where.
    """
    words = _words(program)
    done = screen.run(_edit(screen.chosen(context, named), what, words, keep))
    tell(done, as_json=as_json)


def tell(done: Replaced, *, as_json: bool) -> None:
    """Say what became of an item."""
    item = done.item
    if as_json:
        facts = {"changed": done.changed, "travelled": done.travelled}
        screen.dump(item.to_json() | facts)
    elif not done.changed:
        screen.say(f"{shown(item.name)}: unchanged, nothing was sent")
    else:
        screen.say(
            f"{shown(item.name)}: version {item.version}, "
            f"{amount(done.travelled)} of {amount(item.size)} sent"
        )


def _words(program: str | None) -> list[str]:
    line = program or os.environ.get("VISUAL") or os.environ.get("EDITOR") or ""
    try:
        words = shlex.split(line)
    except ValueError as error:
        raise errors.UsageError(f"{line} cannot be read: {error}") from error
    if not words:
        raise errors.UsageError(
            "which program? set EDITOR, or name one: --with 'code --wait'"
        )
    return words


async def _edit(who: str | None, what: str, words: list[str], keep: bool) -> Replaced:
    async with Terminal.open(who) as terminal:
        item = await terminal.find(what)
        with shown_progress(what) as progress:
            return await terminal.edit(item, _by(words), keep=keep, progress=progress)


def _by(words: list[str]) -> Change:
    """Return what lets a program change a file."""

    async def change(path: Path) -> None:
        with _interrupts_are_its_own():
            try:
                process = await asyncio.create_subprocess_exec(*words, path)
            except OSError as error:
                reason = (error.strerror or str(error)).lower()
                raise errors.UsageError(
                    f"{words[0]} cannot be run: {reason}"
                ) from error
            status = await process.wait()
        if status:
            raise errors.TryLaterError(
                f"{words[0]} ended with status {status}, so nothing was sent"
            )

    return change


@contextmanager
def _interrupts_are_its_own() -> Iterator[None]:
    """Leave Ctrl-C to the program, which has the terminal; it inherits no handler."""
    before = signal.signal(signal.SIGINT, lambda *_: None)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
