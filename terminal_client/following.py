# SPDX-License-Identifier: GPL-3.0-only
"""Following transfers until they end, on the screen."""

from __future__ import annotations

from terminal_client import screen
from terminal_client.naming import shown
from terminal_client.progress import Report, shown_together
from terminal_client.terminal import Terminal
from terminal_client.transfers import Transfer


async def follow(terminal: Terminal, ids: list[str]) -> list[Transfer]:
    """Show how transfers move and change; return them once all are final.

    Without ids those are followed that are under way now.
    """
    ids = ids or [t.id for t in await terminal.transfers() if not t.is_final]
    if not ids:
        screen.remark("nothing is under way")
        return []
    states: dict[str, str] = {}
    reports: dict[str, Report] = {}
    last: list[Transfer] = []
    with shown_together() as begin:
        async for last in terminal.follow(*ids):
            for transfer in last:
                if states.get(transfer.id) != transfer.state:
                    states[transfer.id] = transfer.state
                    screen.remark(change(transfer))
                moves = transfer.octets > 0 and not transfer.is_final
                if moves or transfer.id in reports:
                    label = f"{transfer.name} to {transfer.recipient}"
                    report = reports.setdefault(transfer.id, begin(label))
                    report(transfer.octets, transfer.size)
    return last


def change(transfer: Transfer) -> str:
    """Return the line that tells a new state."""
    line = f"{shown(transfer.name)} to {transfer.recipient}: {transfer.state}"
    return f"{line} ({shown(transfer.reason)})" if transfer.reason else line
