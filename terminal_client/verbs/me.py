# SPDX-License-Identifier: GPL-3.0-only
"""``mshare me``: your own address, to be given to others as a text or a code."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Annotated

import typer

from terminal_client import card, contact_uri, profile, screen
from terminal_client.contacts import Contact, Contacts, checked_name
from terminal_client.screen import JsonOption, ProfileOption


def me(
    context: typer.Context,
    name: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="What others may call you; remembered."),
    ] = None,
    qr: Annotated[
        bool, typer.Option("--qr", help="Draw it here, for another's camera.")
    ] = False,
    svg: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write the code as a picture.")
    ] = None,
    png: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The same as pixels.")
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Replace a file that is there.")
    ] = False,
    as_json: JsonOption = False,
    named: ProfileOption = None,
) -> None:
    """Show your own address as a URI, for `mshare add` at another terminal.

    Nothing secret is in it: who has it can offer you files, as with any mail address.
    """
    who = profile.load(screen.chosen(context, named))
    if name is not None:
        renamed = Contact(who.address, checked_name(name), added=time.time())
        Contacts(who.memory_file).put(renamed)
    own = card.own(who)
    uri = contact_uri.write(own)
    for path, kind in ((svg, "svg"), (png, "png")):
        if path is not None:
            card.save(path, card.drawn(uri, kind), force=force)
    if as_json:
        screen.dump(card.facts(own))
        return
    if qr:
        card.draw(uri, sys.stdout)
    screen.say(uri)
