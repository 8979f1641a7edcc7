# SPDX-License-Identifier: GPL-3.0-only
"""``mshare add``: remember somebody whose URI you were given."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Annotated

import typer

from terminal_client import card, profile, screen
from terminal_client.contacts import Contact, Contacts, checked_name
from terminal_client.errors import UsageError
from terminal_client.naming import shown
from terminal_client.screen import JsonOption, ProfileOption


def add(
    context: typer.Context,
    what: Annotated[
        str,
        typer.Argument(
            metavar="URI|FILE",
            help="maild:..., or a text or SVG file with one in it (-: a pipe).",
        ),
    ],
    name: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="What you call them, whatever it says."),
    ] = None,
    as_json: JsonOption = False,
    named: ProfileOption = None,
) -> None:
    """Remember somebody, by the URI that `mshare me` shows them.

    From then on `mshare send FILE NAME` knows the address.
    """
    who = profile.load(screen.chosen(context, named))
    contact = card.read(what)
    if name is not None:
        contact = replace(contact, name=checked_name(name))
    kept = remember(Contacts(who.memory_file), contact, own=who)
    if as_json:
        screen.dump(card.facts(kept))
        return
    screen.say(f"remembered: {described(kept)}")


def remember(contacts: Contacts, contact: Contact, *, own: profile.Profile) -> Contact:
    """Keep a contact, and say if another has the same name."""
    if contact.address.key == own.address.key:
        raise UsageError("that is your own address; let others add it")
    kept = contacts.put(replace(contact, added=time.time()))
    others = [
        str(each.address)
        for each in contacts.everything()
        if kept.name
        and each.name.casefold() == kept.name.casefold()
        and each.address.key != kept.address.key
    ]
    if others:
        screen.remark(
            f"{shown(kept.name)} is also the name of {', '.join(others)}; "
            "to send by name, give one of them another: mshare add URI --name NAME"
        )
    return kept


def described(contact: Contact) -> str:
    """Return a contact as one line."""
    number = f", {contact.number} at {contact.rendezvous}" if contact.number else ""
    name = f"{shown(contact.name)} " if contact.name else ""
    return f"{name}<{contact.address}>{number}"
