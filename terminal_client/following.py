# SPDX-License-Identifier: GPL-3.0-only
"""Following transfers until they end, on the screen."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from datetime import UTC, datetime

from maild.mail.plain import short
from maild.mail.transfer import State
from terminal_client import screen
from terminal_client.naming import shown
from terminal_client.progress import Begin, Report, progress_line, shown_together
from terminal_client.terminal import Terminal
from terminal_client.transfers import Transfer

Show = Callable[[Transfer], None]
"""Shows a transfer that is followed; called at first and at each change."""


async def follow(
    terminal: Terminal,
    ids: list[str],
    show: Show,
    tell: Callable[[str], None],
    *,
    to_go: bool = False,
) -> list[Transfer]:
    """Show how transfers move and change; return them once all are final.

    Without ids those are followed that are under way now; ``tell`` hears why nothing
    moves.  ``to_go``: what waits for its sender's go is not followed beyond that.
    """
    ids = ids or [t.id for t in await terminal.transfers() if not t.is_final]
    if not ids:
        tell("nothing is under way")
        return []
    last: list[Transfer] = []
    async for now in terminal.follow(*ids, tell=tell):
        before = {transfer.id: transfer for transfer in last}
        for transfer in now:
            if transfer != before.get(transfer.id):
                show(transfer)
        last = now
        if to_go and all(t.is_final or t.state is State.PREPARED for t in now):
            break
    return last


@contextmanager
def on_screen(beside: Begin | None = None, *, each: bool = False) -> Iterator[Show]:
    """Give what shows transfers to people: a line for each new state, bars for octets.

    Where there are no bars, lines tell how octets move: some, or ``each`` change.
    ``beside``: where something else is shown already.
    """
    with nullcontext(beside) if beside else shown_together() as begin:
        yield _Screen(begin, each=each and not sys.stderr.isatty())


class _Screen:
    def __init__(self, begin: Begin, *, each: bool) -> None:
        self._begin = begin
        self._each = each
        self._seen: dict[str, Transfer] = {}
        self._reports: dict[str, Report] = {}

    def __call__(self, transfer: Transfer) -> None:
        before = self._seen.get(transfer.id)
        self._seen[transfer.id] = transfer
        if before is None or before.state != transfer.state:
            screen.remark(change(transfer))
        moves = transfer.octets > 0 and not transfer.is_final
        if not moves and transfer.id not in self._reports:
            return  # nothing of it has been shown, and nothing has to be
        label = f"{transfer.name} to {transfer.recipient}"
        if not self._each:
            report = self._reports.get(transfer.id) or self._begin(label)
            self._reports[transfer.id] = report
            report(transfer.octets, transfer.size)
        elif before is None or before.octets < transfer.octets:
            octets, size, rate = transfer.octets, transfer.size, transfer.rate
            line = progress_line(short(shown(label)), octets, size, rate)
            screen.remark(line)


def change(transfer: Transfer) -> str:
    """Return the line that tells a new state."""
    line = f"{shown(transfer.name)} to {transfer.recipient}: {transfer.state}"
    why = reason(transfer)
    return f"{line} ({shown(why)})" if why else line


def reason(transfer: Transfer) -> str:
    """Return why nothing moves, for people; "" when all goes well."""
    if transfer.state is not State.PREPARED:
        return transfer.reason
    until = screen.moment(datetime.fromtimestamp(min(transfer.expires, 2**35), UTC))
    return f"waits until {until} for: mshare go {transfer.id}"
