# SPDX-License-Identifier: GPL-3.0-only
"""``mshare watch``: upload by itself what appears in folders."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from maild.mail.plain import amount
from terminal_client import profile, screen
from terminal_client.attempts import Progress
from terminal_client.errors import StoppedError, UsageError
from terminal_client.folders import asking, chosen
from terminal_client.folders.chosen import Chosen
from terminal_client.folders.told import Happening, Kind, Tally
from terminal_client.naming import shown
from terminal_client.progress import shown_progress
from terminal_client.screen import JsonOption, ProfileOption
from terminal_client.terminal import Terminal

_RESULTS = frozenset({Kind.UPLOADED, Kind.MOVED})


def watch(
    context: typer.Context,
    folders: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="[DIR]...", help="Default: those of --install or `mshare login`."
        ),
    ] = None,
    once: Annotated[
        bool, typer.Option("--once", help="Upload what is there now, and end.")
    ] = False,
    on_metered: Annotated[
        bool,
        typer.Option("--on-metered", help="Upload on metered networks, too."),
    ] = False,
    install: Annotated[
        bool,
        typer.Option(
            "--install",
            help="Remember these, and watch them from now on whenever you are logged "
            "in to this computer (a systemd user unit).",
        ),
    ] = False,
    uninstall: Annotated[
        bool, typer.Option("--uninstall", help="Undo --install, and forget the DIRs.")
    ] = False,
    as_json: JsonOption = False,
    named: ProfileOption = None,
) -> None:
    """Upload what is in folders, and what comes into them.

    Only while the network is not metered, as NetworkManager says; cut in the middle, a
    file goes on where it was.  A file is taken once nobody writes it any more.  What
    is hidden or only partly there (.part, .tmp, ...) stays, and so do symbolic links.

    With --once the exit status tells: 0 all is there, 75 something is left for later.
    With --json each event is one line of JSON.
    """
    who = profile.load(screen.chosen(context, named))
    if (install and (uninstall or once)) or (uninstall and (folders or once)):
        raise UsageError("--install, --uninstall and --once exclude each other")
    if uninstall:
        was_watched = asking.stop(who)
        screen.say("no folder is watched any more" if was_watched else "none was")
        return
    wanted = _wanted(who, folders or [], on_metered=on_metered)
    if install:
        asking.begin(who, wanted)
        return
    console = _Console(as_json=as_json)
    tally = screen.run(_watch(who, wanted, console, once=once, patient=not folders))
    if once:
        console.sum_up(tally)
        status = os.EX_TEMPFAIL if tally.left else tally.status
        raise typer.Exit(status)


def _wanted(who: profile.Profile, folders: list[Path], *, on_metered: bool) -> Chosen:
    if folders:
        found = chosen.roots(folders)
        return Chosen(tuple(found), on_metered)
    known = chosen.load(who)
    if not known.folders:
        raise UsageError("no folder is named; name one: `mshare watch DIR`")
    return Chosen(known.folders, on_metered or known.on_metered)


async def _watch(
    who: profile.Profile,
    wanted: Chosen,
    console: _Console,
    *,
    once: bool,
    patient: bool,
) -> Tally:
    task = asyncio.current_task()
    assert task is not None
    # A service is stopped by SIGTERM: the connection is ended, what landed is kept.
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    try:
        async with Terminal.open(who) as terminal:
            return await terminal.watch(
                wanted.folders,
                once=once,
                on_metered=wanted.on_metered,
                patient=patient,
                tell=console.tell,
                show=console.show,
            )
    except asyncio.CancelledError:
        raise StoppedError("stopped; it goes on when it is run again") from None


@dataclass(frozen=True, slots=True)
class _Console:
    """Writes what happens: lines of JSON, or for people."""

    as_json: bool

    def tell(self, what: Happening) -> None:
        """Write one line."""
        if self.as_json:
            screen.event(what.to_json())
        elif what.item is not None:
            how = "uploaded" if what.item.uploaded else "already there"
            size = amount(what.item.size)
            screen.say(f"{shown(what.text)}: {how}, {size}, id {what.item.id}")
        elif what.kind in _RESULTS:
            screen.say(shown(what.text))
        else:
            screen.remark(shown(what.text, 1000))

    @contextmanager
    def show(self, name: str) -> Iterator[Progress]:
        """Show a bar on a terminal; nothing elsewhere: it may run for months."""
        with shown_progress(name, lines=False) as report:
            yield report

    def sum_up(self, tally: Tally) -> None:
        """Write the last line."""
        facts = {"uploaded": tally.uploaded, "left": tally.left}
        facts["refused"] = tally.refused
        if self.as_json:
            screen.event({"event": "done", **facts})
        elif any(facts.values()):
            screen.remark(", ".join(f"{n} {how}" for how, n in facts.items() if n))
        else:
            screen.remark("everything is there already")
