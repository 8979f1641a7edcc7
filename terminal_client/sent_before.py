# SPDX-License-Identifier: GPL-3.0-only
"""What is said of sending commands: which are new, and how those of old stand."""

from __future__ import annotations

from terminal_client import screen
from terminal_client.errors import UnavailableError
from terminal_client.naming import shown
from terminal_client.submission import Sent
from terminal_client.terminal import Terminal
from terminal_client.transfers import Transfer


def say_new(name: str, sent: list[Sent]) -> None:
    """Say which transfers there are now; those of old, `tell_known` says."""
    for one in sent:
        if not one.before:
            _say(name, one)


def tell_how_to_go(sent: list[Sent]) -> None:
    """Say what comes next of those that wait for a word."""
    for one in sent:
        if not one.before:
            screen.remark(f"once it is prepared, say: mshare go {one.id}")


def _say(name: str, one: Sent) -> None:
    screen.say(f"{shown(name)} to {one.recipient}: transfer {one.id}")


async def tell_known(
    terminal: Terminal, name: str, sent: list[Sent], *, confirm: int, as_json: bool
) -> None:
    """Say how what was sent before stands; raise where something else is wanted."""
    known = {one.id: one for one in sent if one.before}
    if not known:
        return
    for transfer in await terminal.transfers(*known):
        if not transfer.is_final and transfer.confirm != confirm:
            raise UnavailableError(_not_so(transfer))
        if not as_json:
            _say(name, known[transfer.id])
        screen.remark(f"mshare: {_as_before(transfer)}")


def _not_so(transfer: Transfer) -> str:
    """Return why a sending cannot be made to wait as it is asked to now."""
    id_ = transfer.id
    stands = "without waiting for go"
    if transfer.confirm:
        stands = f"and waits for go ({transfer.confirm:,} s once prepared)"
    return (
        f"it is being sent to {transfer.recipient} already, {stands}: {id_} is "
        f"{transfer.state}; say `mshare go {id_}`, or take it back with "
        f"`mshare cancel {id_}` and send it again"
    )


def _as_before(transfer: Transfer) -> str:
    """Return that this command has changed nothing, and what would."""
    id_ = transfer.id
    line = f"{id_} was sent before: it is {transfer.state}; nothing new goes"
    if transfer.is_final:
        return f"{line} (`mshare upload --again` makes an item that can be sent anew)"
    if transfer.awaits_go:
        return f"{line}; once it is prepared, say: mshare go {id_}"
    return f"{line} (`mshare cancel {id_}` takes it back)"
