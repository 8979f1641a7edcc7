# SPDX-License-Identifier: GPL-3.0-only
"""Whom people mean when they send: a mail address, or a contact by name or number."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from maild.mail.address import Address
from terminal_client import addresses
from terminal_client.contacts import Contacts
from terminal_client.errors import UsageError


def is_address(text: str) -> bool:
    """Whether somebody who typed ``text`` meant a mail address."""
    return "@" in text


def check(texts: list[str]) -> None:
    """Raise `UsageError` for what is meant as a mail address and is none."""
    for text in filter(is_address, texts):
        addresses.recipient(text)


def known(contacts: Contacts, text: str) -> Address:
    """Return the address that ``text`` means; `UsageError` says what to do."""
    if is_address(text):
        return addresses.recipient(text)
    contact = contacts.find(text)
    if contact is None:
        raise UsageError(
            f"{text!r} is neither a mail address nor a contact; `mshare contacts` "
            "shows whom you know, `mshare add` makes somebody known"
        )
    return contact.address


async def resolved(contacts: Contacts, named: Iterable[str | Address]) -> list[Address]:
    """Return the addresses that are meant, in order."""
    return [
        await asyncio.to_thread(known, contacts, who) if isinstance(who, str) else who
        for who in named
    ]
