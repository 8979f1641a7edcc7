# SPDX-License-Identifier: GPL-3.0-only
"""``mshare nearby``: who on the same local network can be seen."""

from __future__ import annotations

import sys
from contextlib import AsyncExitStack
from dataclasses import replace
from typing import Annotated

import typer

from terminal_client import card, profile, screen
from terminal_client import nearby as network
from terminal_client.contacts import Contact, Contacts
from terminal_client.errors import StoppedError, UsageError
from terminal_client.profile import Profile
from terminal_client.screen import JsonOption, ProfileOption
from terminal_client.verbs.add import described, remember

LOOK = 5.0
"""Seconds of a search, unless one is visible meanwhile."""


def nearby(
    context: typer.Context,
    visible: Annotated[
        bool,
        typer.Option(
            "--visible",
            help="Let others see your name and address, too, until Ctrl-C.",
        ),
    ] = False,
    seconds: Annotated[
        float | None,
        typer.Option(
            metavar="SECONDS",
            min=0.1,
            max=86400,
            help="How long to look.  Default: 5, with --visible until Ctrl-C.",
        ),
    ] = None,
    add: Annotated[
        bool, typer.Option("--add", help="Ask for each whether to remember them.")
    ] = False,
    as_json: JsonOption = False,
    named: ProfileOption = None,
) -> None:
    """Show who on the same local network chose to be seen.

    Anybody on the network can claim any name: look at the address before you trust it.
    You are seen yourself only with --visible, and only while it runs.
    """
    if add and (as_json or not sys.stdin.isatty()):
        raise UsageError(
            "--add asks a person; a program passes a uri of --json to `mshare add`"
        )
    who = profile.load(screen.chosen(context, named))
    own = card.own(who)
    seconds = LOOK if seconds is None and not visible else seconds
    found: list[Contact] = []

    def told(contact: Contact) -> None:
        found.append(contact)
        if as_json:
            screen.event(card.facts(contact))
        else:
            screen.say(described(contact))

    try:
        screen.run(_look(own, told, seconds, visible=visible))
    except StoppedError:
        if not visible:
            raise
    if not found and not as_json:
        screen.remark("nobody nearby can be seen; they run `mshare nearby --visible`")
    for contact in found if add else ():
        _ask(Contacts(who.memory_file), contact, who)


async def _look(
    own: Contact, told: network.Found, seconds: float | None, *, visible: bool
) -> None:
    async with AsyncExitStack() as stack:
        if visible:
            await stack.enter_async_context(network.visible(own))
            screen.remark(f"you can be seen as {described(replace(own, number=''))}")
        await network.Search(own, told).run(seconds)


def _ask(contacts: Contacts, contact: Contact, who: Profile) -> None:
    known = contacts.by_address(contact.address)
    if known is not None:
        return
    if typer.confirm(f"Remember {described(contact)}?", default=False):
        remember(contacts, contact, own=who)
        screen.say(f"remembered: {described(contact)}")
