# SPDX-License-Identifier: GPL-3.0-only
"""``mshare logout``: forget the password and the account."""

from __future__ import annotations

from typing import Annotated

import typer

from terminal_client import profile, screen, secret
from terminal_client.folders import asking
from terminal_client.screen import ProfileOption
from terminal_client.verbs import number


def logout(
    context: typer.Context,
    forget: Annotated[
        bool,
        typer.Option(
            "--forget",
            help="Also forget what was uploaded from here, and whom you know.",
        ),
    ] = False,
    named: ProfileOption = None,
) -> None:
    """Forget the password and the account.

    No folder is watched any more, and the number at a rendezvous is logged out, too.

    Nothing on the server changes.  What was uploaded from here stays remembered for
    the next login, so that no file is uploaded twice, and so do your contacts; --forget
    removes that too.
    """
    who = profile.load(screen.chosen(context, named))
    asking.stop(who)
    number.forget_login(who)
    secret.forget(who)
    (who.directory / "profile.toml").unlink(missing_ok=True)
    if forget:
        who.memory_file.unlink(missing_ok=True)
    screen.say(f"logged out {who.address}")
