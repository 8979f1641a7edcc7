# SPDX-License-Identifier: GPL-3.0-only
"""``mshare decline``: refuse offers; no content octet will ever come."""

from __future__ import annotations

import typer

from terminal_client import screen
from terminal_client.screen import JsonOption, ProfileOption
from terminal_client.verbs.accept import OffersArgument, decide, show_decided


def decline(
    context: typer.Context,
    which: OffersArgument,
    as_json: JsonOption = False,
    named: ProfileOption = None,
) -> None:
    """Decline offers: nothing of them will come.

    Or address requests: that number is not told your address. The senders are told.
    """
    decided = screen.run(decide(screen.chosen(context, named), which, accepted=False))
    show_decided(decided, "declined", as_json=as_json)
