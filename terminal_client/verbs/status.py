# SPDX-License-Identifier: GPL-3.0-only
"""``mshare status``: how the own sendings fare."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from maild.mail.plain import amount
from terminal_client import screen
from terminal_client.following import follow, on_screen, reason
from terminal_client.screen import JsonOption, ProfileOption
from terminal_client.terminal import Terminal
from terminal_client.transfers import Transfer

KEPT = "kept@"
"""In front of a rendezvous that keeps content until the recipient's server takes it."""


def status(
    context: typer.Context,
    ids: Annotated[
        list[str] | None,
        typer.Argument(metavar="[ID]...", help="Whole, or the first 4 characters."),
    ] = None,
    watch: Annotated[
        bool, typer.Option("--watch", help="Follow those under way to their ends.")
    ] = False,
    as_json: JsonOption = False,
    named: ProfileOption = None,
) -> None:
    """Show how your sendings fare.

    With an ID the exit status tells: 0 sent, 75 under way, 77 declined, 69 failed,
    expired or cancelled.  With --watch and --json each change is one line of JSON;
    Ctrl-C ends it, with status 75 for an ID and 0 otherwise.
    """
    who, names = screen.chosen(context, named), ids or []
    if watch:
        seen = screen.watch(_watch(who, names, as_json=as_json))
        if seen is None:
            raise typer.Exit(os.EX_TEMPFAIL if ids else os.EX_OK)
        found = seen
    else:
        found = screen.run(_status(who, names))
        if as_json:
            screen.dump([transfer.to_json() for transfer in found])
    if not as_json and (found or not watch):
        show(found)
    raise typer.Exit(max((t.exit_status for t in found), default=0) if ids else 0)


async def _status(who: str | None, ids: list[str]) -> list[Transfer]:
    async with Terminal.open(who) as terminal:
        return await terminal.transfers(*ids)


async def _watch(who: str | None, ids: list[str], *, as_json: bool) -> list[Transfer]:
    async with Terminal.open(who) as terminal:
        if as_json:
            return await follow(terminal, ids, say_json, screen.remark)
        with on_screen(each=True) as shown:
            return await follow(terminal, ids, shown, screen.remark)


def say_json(transfer: Transfer) -> None:
    """Write a change as one line."""
    screen.event(transfer.to_json())


def show(found: list[Transfer]) -> None:
    """Write transfers as a table."""
    screen.table(
        ("id", "state", "octets", "to", "name", "reason"),
        ((t.id, standing(t), moved(t), t.recipient, t.name, reason(t)) for t in found),
        none="nothing has been sent yet",
    )


def standing(transfer: Transfer) -> str:
    """Return the state, and by which way content goes if that is not the direct one.

    What a rendezvous keeps has left the sender's server, and is still to arrive.
    """
    if transfer.route in ("", "direct"):
        return transfer.state
    last = transfer.route.rpartition("+")[2]
    if last.startswith(KEPT):
        return f"{transfer.state} via {last.removeprefix(KEPT)} (kept there)"
    return f"{transfer.state} by {transfer.route}"


def moved(transfer: Transfer) -> str:
    """Return how much has been acknowledged: ``1.2 of 3.0 GB``, or the size."""
    if transfer.is_final or not transfer.octets:
        return amount(transfer.size)
    return f"{amount(transfer.octets)} of {amount(transfer.size)}"
