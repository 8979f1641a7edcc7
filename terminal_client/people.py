# SPDX-License-Identifier: GPL-3.0-only
"""Whom a person means: a mail address, a contact's name, or a number that is asked."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from maild.mail import number
from maild.mail.address import Address
from terminal_client import addresses, numbers
from terminal_client.contacts import Contacts
from terminal_client.errors import UsageError
from terminal_client.profile import Profile
from terminal_client.rendezvous import Rendezvous, in_silence


@dataclass(frozen=True, slots=True)
class Addressee:
    """Where something is sent; ``via``: the rendezvous that knows both, or ""."""

    address: Address
    via: str = ""


Recipient = str | Address | Addressee
"""As people type it, or as it is known already."""


class People:
    """The people that one profile can reach."""

    def __init__(self, who: Profile) -> None:
        self.contacts = Contacts(who.memory_file)
        self._profile = who
        self._rendezvous: Rendezvous | None = None

    async def rendezvous(self) -> Rendezvous:
        """Return this terminal at its rendezvous; `SetUpError` without a number."""
        if self._rendezvous is None:
            login = await asyncio.to_thread(numbers.must_load, self._profile)
            self._rendezvous = await Rendezvous.of(self._profile, login)
        return self._rendezvous

    async def tell_home(self, login: Profile, password: str) -> None:
        """Log in to a rendezvous, and tell it where our mail goes."""
        rendezvous = Rendezvous(self._profile, login, password)
        try:
            await rendezvous.log_in(self._profile.address)
        finally:
            await rendezvous.close()

    async def has_number(self) -> bool:
        """Whether there is a second login."""
        return await asyncio.to_thread(numbers.load, self._profile) is not None

    async def meant(
        self,
        recipients: Sequence[Recipient],
        *,
        wait: bool = True,
        tell: Callable[[str], None] = in_silence,
    ) -> list[Addressee]:
        """Return where these are sent; numbers that are not known are asked.

        All are looked at before the first is asked.
        """
        found = await asyncio.to_thread(self._read, recipients)
        return [
            await self._asked(each, wait=wait, tell=tell)
            if isinstance(each, _Number)
            else each
            for each in found
        ]

    def _read(self, recipients: Sequence[Recipient]) -> list[Addressee | _Number]:
        own = numbers.load(self._profile)
        return [self._meant(each, own) for each in recipients]

    def _meant(self, who: Recipient, own: Profile | None) -> Addressee | _Number:
        if isinstance(who, Addressee):
            return who
        if isinstance(who, Address):
            return Addressee(who)
        if number.looks_like_number(who.strip()):
            return self._numbered(who, own)
        if "@" not in who:
            return self._named(who, own)
        if own is None and (known := self._known_at(who)) is not None:
            return known
        found = numbers.meant(who, own)
        return Addressee(addresses.recipient(who)) if found is None else _Number(found)

    def _numbered(self, text: str, own: Profile | None) -> Addressee | _Number:
        """Return a number that is to be asked; without one of ours, who is known."""
        known = None
        if own is None:
            known = self.contacts.by_number(numbers.normal(text))
        if known is not None:
            return Addressee(known.address)
        found = numbers.meant(text, own)
        assert found is not None
        return _Number(found)

    def _known_at(self, text: str) -> Addressee | None:
        """Return who is known to have a number, ``+14155550102@rcs.example``."""
        typed, _, domain = text.strip().rpartition("@")
        known = self.contacts.by_number(typed) if number.is_number(typed) else None
        is_there = known is not None and known.rendezvous == domain.lower()
        return Addressee(known.address) if known is not None and is_there else None

    def _named(self, text: str, own: Profile | None) -> Addressee:
        """Return a contact; `UsageError` says what to do."""
        contact = self.contacts.find(text)
        if contact is None:
            raise UsageError(
                f"{text!r} is neither a mail address nor a contact; `mshare contacts` "
                "shows whom you know, `mshare add` makes somebody known"
            )
        is_ours = own is not None and contact.rendezvous == own.address.domain
        return Addressee(contact.address, contact.rendezvous if is_ours else "")

    async def _asked(
        self, asked: _Number, *, wait: bool, tell: Callable[[str], None]
    ) -> Addressee:
        rendezvous = await self.rendezvous()
        contact = await rendezvous.contact(asked.address, wait=wait, tell=tell)
        return Addressee(contact.address, contact.rendezvous)

    async def close(self) -> None:
        """Say goodbye to the rendezvous; never fails."""
        if self._rendezvous is not None:
            await self._rendezvous.close()


@dataclass(frozen=True, slots=True)
class _Number:
    address: Address


def check(texts: Sequence[str]) -> None:
    """Raise `UsageError` for what is meant as a mail address and is none."""
    for text in texts:
        if "@" in text and not text.strip().startswith("+"):
            addresses.recipient(text)
