# SPDX-License-Identifier: GPL-3.0-only
"""Whom a person means: a mail address, or a number whose address is asked for."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from maild.mail.address import Address
from terminal_client import addresses, numbers
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
        self._profile = who
        self._rendezvous: Rendezvous | None = None

    async def rendezvous(self) -> Rendezvous:
        """Return this terminal at its rendezvous; `SetUpError` without a number."""
        if self._rendezvous is None:
            number = await asyncio.to_thread(numbers.must_load, self._profile)
            self._rendezvous = await Rendezvous.of(self._profile, number)
        return self._rendezvous

    async def tell_home(self, number: Profile, password: str) -> None:
        """Log in to a rendezvous, and tell it where our mail goes."""
        rendezvous = Rendezvous(self._profile, number, password)
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
        own = await asyncio.to_thread(numbers.load, self._profile)
        found = [_read(each, own) for each in recipients]
        return [
            await self._asked(each, wait=wait, tell=tell)
            if isinstance(each, _Number)
            else each
            for each in found
        ]

    async def _asked(
        self, number: _Number, *, wait: bool, tell: Callable[[str], None]
    ) -> Addressee:
        rendezvous = await self.rendezvous()
        contact = await rendezvous.contact(number.address, wait=wait, tell=tell)
        return Addressee(contact.address, contact.rendezvous)

    async def close(self) -> None:
        """Say goodbye to the rendezvous; never fails."""
        if self._rendezvous is not None:
            await self._rendezvous.close()


@dataclass(frozen=True, slots=True)
class _Number:
    address: Address


def _read(recipient: Recipient, own: Profile | None) -> Addressee | _Number:
    if isinstance(recipient, Addressee):
        return recipient
    if isinstance(recipient, Address):
        return Addressee(recipient)
    number = numbers.meant(recipient, own)
    if number is not None:
        return _Number(number)
    return Addressee(addresses.recipient(recipient))
