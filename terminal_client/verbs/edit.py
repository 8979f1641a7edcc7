# SPDX-License-Identifier: GPL-3.0-only
"""``mshare edit``: let a program change an item, and send what has changed (220)."""

from __future__ import annotations

import asyncio
import os
import shlex
import signal
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Annotated

import typer

from maild.mail.plain import amount
from terminal_client import alike, errors, screen
from terminal_client.editing import Change
from terminal_client.naming import shown
from terminal_client.progress import Report, shown_progress
from terminal_client.replacing import Replaced
from terminal_client.screen import JsonOption, ProfileOption
from terminal_client.terminal import Terminal


def edit(
    context: typer.Context,
    what: Annotated[
        str,
        typer.Argument(
            metavar="ID|NAME",
            help="Id, its first 4 or more characters, or name in `mshare ls`.",
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
    progress = _Shown(what)
    try:
        async with Terminal.open(who) as terminal:
            item = await alike.only(terminal, what)
            change = _by(words, progress)
            return await terminal.edit(item, change, keep=keep, progress=progress)
    finally:
        progress.stop()


class _Shown:
    """Shows progress before and after a program has the screen, never meanwhile."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._showing = ExitStack()
        self._report: Report | None = None

    def __call__(self, done: int, total: int, /) -> None:
        """Take octets done and octets in all."""
        self._now()(done, total)

    def tell(self, what: str) -> None:
        """Say in a few words why nothing moves."""
        self._now().tell(what)

    def stop(self) -> None:
        """Show nothing until something moves again."""
        self._showing.close()
        self._report = None

    def _now(self) -> Report:
        if self._report is None:
            self._report = self._showing.enter_context(shown_progress(self._name))
        return self._report


def _by(words: list[str], progress: _Shown) -> Change:
    """Return what lets a program change a file."""

    async def change(path: Path) -> None:
        progress.stop()
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
