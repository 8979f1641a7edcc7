# SPDX-License-Identifier: GPL-3.0-only
"""``mshare contacts``: whom this terminal knows."""

from __future__ import annotations

from typing import Annotated

import typer

from terminal_client import card, profile, screen
from terminal_client.contacts import Contact, Contacts
from terminal_client.errors import UsageError
from terminal_client.screen import JsonOption, ProfileOption
from terminal_client.verbs.add import described

REMOVE = "rm"


def contacts(
    context: typer.Context,
    words: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[rm WHO...]",
            help="Forget these: addresses, numbers or names. Without: list all.",
        ),
    ] = None,
    as_json: JsonOption = False,
    named: ProfileOption = None,
) -> None:
    """List the people whose addresses you know, or forget some.

    They come from `mshare add`, `mshare nearby` and a rendezvous.
    """
    who = profile.load(screen.chosen(context, named))
    known = Contacts(who.memory_file)
    if words:
        forgotten = _forget(known, words)
        if as_json:
            screen.dump([card.facts(contact) for contact in forgotten])
            return
        for contact in forgotten:
            screen.say(f"forgotten: {described(contact)}")
        return
    others = [c for c in known.everything() if c.address.key != who.address.key]
    if as_json:
        screen.dump([card.facts(contact) for contact in others])
        return
    screen.table(
        ("address", "number", "name"),
        ((c.address, c.number, c.name) for c in others),
        none="you know nobody yet; `mshare add URI` makes somebody known",
    )


def _forget(known: Contacts, words: list[str]) -> list[Contact]:
    if words[0] != REMOVE or len(words) == 1:
        raise UsageError("write `mshare contacts`, or `mshare contacts rm WHO...`")
    chosen = [known.must_find(word) for word in words[1:]]  # all of them or none
    return [known.forget(str(contact.address)) for contact in chosen]
