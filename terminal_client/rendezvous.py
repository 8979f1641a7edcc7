# SPDX-License-Identifier: GPL-3.0-only
"""A terminal at its rendezvous: asks numbers for mail addresses, and is asked.

It connects outwards and waits in IDLE: nothing has to be open for it (seed 203-206).
What it learns is remembered with the people it knows, and never asked again.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress

from maild.mail.address import Address, AddressError, parse_address
from maild.mail.address_request import AddressRequest, AddressResponse
from terminal_client import errors, metadata, requests, secret
from terminal_client.asked import Asked
from terminal_client.attempts import Attempts
from terminal_client.connections import Connections
from terminal_client.contacts import Contact, Contacts
from terminal_client.profile import Profile
from terminal_client.requests import Asking
from terminal_client.session_imap import MailboxConnection

HOME = "/private/vendor/maild/home"
"""Annotation of a number: the mail address of whoever has it."""
POLICY = "/private/vendor/maild/address-policy"
POLICIES = ("ask", "contacts", "everyone")
"""Who is told a number's mail address without its user being asked."""
EXCHANGE = "/private/vendor/maild/exchange"
"""Below it, one annotation for each number whose mail address we have been told."""


def in_silence(text: str) -> None:
    """Say nothing."""


class Rendezvous:
    """The rendezvous of one profile; ``number`` is its second login."""

    def __init__(self, who: Profile, number: Profile, password: str) -> None:
        self.profile = number
        self.contacts = Contacts(who.memory_file)
        self._asked = Asked(who.memory_file)
        self._connections = Connections(number, password)

    @classmethod
    async def of(cls, who: Profile, number: Profile) -> Rendezvous:
        """Return the rendezvous of a profile with the password that is kept."""
        return cls(who, number, await asyncio.to_thread(secret.recall, number))

    @property
    def number(self) -> Address:
        """Our own number."""
        return self.profile.address

    async def close(self) -> None:
        """Say goodbye; never fails."""
        await self._connections.close()

    async def log_in(self, home: Address) -> None:
        """Log in, and tell where our mail goes: it is added to what we ask."""
        await self._connections.verify()
        async with self._connections.imap() as imap:
            await metadata.write(imap, HOME, str(home))

    async def home(self) -> str:
        """Return where our mail goes, as the rendezvous knows it; "" if it does not."""
        return await self._own_word(HOME, "")

    async def policy(self) -> str:
        """Return who is told our mail address unasked."""
        return await self._own_word(POLICY, POLICIES[0])

    async def set_policy(self, policy: str) -> None:
        """Say who is told our mail address unasked: one of `POLICIES`."""
        async with self._connections.imap() as imap:
            await metadata.write(imap, POLICY, policy)

    async def _own_word(self, entry: str, otherwise: str) -> str:
        async with self._connections.imap() as imap:
            found = await metadata.below(imap, entry, itself=True)
        return found.get(entry, otherwise)

    # Asking: seed 203 to 206

    async def contact(
        self,
        number: Address,
        *,
        wait: bool = True,
        tell: Callable[[str], None] = in_silence,
    ) -> Contact:
        """Return whoever has a number: known here, told before, or asked for now.

        Asks once, and waits for the answer unless ``wait`` is false; `TryLaterError`
        then says that it is still to come, `NotAllowedError` that it is no.
        """
        if number.key == self.number.key:
            raise errors.UsageError(f"{number.local} is your own number")
        known = await asyncio.to_thread(self.contacts.by_number, number.local)
        if known is not None and known.rendezvous == number.domain:
            return known
        attempts = Attempts(lambda done, total: None)
        told = await attempts.persist(lambda: self._told(number))
        if told is not None:
            return told
        request = await asyncio.to_thread(
            self._asked.request, self.number, number, int(time.time())
        )
        waiting = _Waiting(self._connections, request, attempts, tell)
        try:
            home = await waiting.home(wait=wait)
        except (errors.ContentError, errors.NotAllowedError):
            await asyncio.to_thread(self._asked.forget, request)  # it was not taken
            raise
        await asyncio.to_thread(self._asked.forget, request)
        if home is None:
            raise errors.NotAllowedError(f"{number.local} does not tell its address")
        return await self._remember(number.local, home)

    async def _told(self, number: Address) -> Contact | None:
        """Return whoever has told us before, of our own asking or when they asked."""
        entry = f"{EXCHANGE}/{number.local}"
        async with self._connections.imap() as imap:
            found = await metadata.below(imap, entry, itself=True)
        if entry not in found:
            return None
        return await self._remember(number.local, _address(found[entry]))

    async def learn(self) -> list[Contact]:
        """Remember everybody who has told us; return those who are new here."""
        async with self._connections.imap() as imap:
            found = await metadata.below(imap, EXCHANGE)
        fresh: list[Contact] = []
        for entry, text in found.items():
            local = entry.rpartition("/")[2]
            known = await asyncio.to_thread(self.contacts.by_number, local)
            home = _address(text)
            if known is None or known.address.key != home.key:
                fresh.append(await self._remember(local, home))
        return fresh

    async def _remember(self, local: str, home: Address) -> Contact:
        person = Contact(
            home, number=local, rendezvous=self.number.domain, added=time.time()
        )
        return await asyncio.to_thread(self.contacts.put, person, moves=True)

    # Being asked

    async def requests(self) -> list[Asking]:
        """Return the requests for our mail address that wait for us, oldest first."""
        async with self._connections.imap() as imap:
            return await requests.waiting(imap, self.number)

    async def asking(self, known: Sequence[Asking], name: str) -> Asking:
        """Return the one of ``known`` that is meant (`requests.find`)."""
        async with self._connections.imap() as imap:
            return await requests.find(imap, self.number, known, name)

    async def decide(self, chosen: Iterable[Asking], *, accepted: bool) -> None:
        """Tell our mail address to those who ask, or not; both sides remember."""
        async with self._connections.imap() as imap:
            for asking in chosen:
                await requests.decide(imap, asking, accepted=accepted)
                if accepted and asking.address is not None:
                    await self._remember(asking.number, asking.address)

    async def news(self) -> None:
        """Wait in IDLE until something comes, or some minutes have passed."""
        async with self._connections.imap() as imap:
            await imap.idle()


def _address(text: str) -> Address:
    try:
        return parse_address(text)
    except AddressError as error:
        raise errors.ProtocolError(
            f"the rendezvous tells a mail address that is none: {error}"
        ) from error


class _Waiting:
    """Waits in IDLE for the response to one request, over any number of cuts."""

    def __init__(
        self,
        connections: Connections,
        request: AddressRequest,
        attempts: Attempts,
        tell: Callable[[str], None],
    ) -> None:
        self._connections = connections
        self._request = request
        self._attempts = attempts
        self._tell = tell
        self._ignored = 0
        self._is_submitted = False
        self._has_told = False

    async def home(self, *, wait: bool) -> Address | None:
        """Return the mail address, or None when it is not told."""
        number = self._request.recipient.local
        while True:
            response = await self._attempts.persist(lambda: self._look(wait=wait))
            if response is not None:
                return response.home if response.accepted else None
            if not wait:
                raise errors.TryLaterError(
                    f"{number} has been asked for its address and has not answered "
                    "yet; run the same command again later"
                )
            if self._request.expires <= time.time():
                raise errors.TryLaterError(f"{number} has not answered in time")

    async def _look(self, *, wait: bool) -> AddressResponse | None:
        """Look for the response, and ask; wait for news unless it is there."""
        async with self._connections.imap() as imap:
            response = await self._response(imap)
            if response is None and not self._is_submitted:
                async with self._connections.smtp() as smtp:
                    await requests.submit(smtp, self._request)
                self._is_submitted = True
                response = await self._response(imap)  # policies answer at once
            if response is not None or not wait:
                return response
            if not self._has_told:
                self._has_told = True
                self._tell(
                    f"{self._request.recipient.local} has been asked for its mail "
                    "address; waiting for the answer (with --no-wait: come back later)"
                )
            with suppress(errors.CutError):  # the next look will tell
                await imap.idle()
        return None

    async def _response(self, imap: MailboxConnection) -> AddressResponse | None:
        response, ignored = await requests.response_to(imap, self._request)
        self._attempts.has_reached()
        if ignored > self._ignored:
            self._tell(f"ignored: {ignored} responses that are not what they claim")
            self._ignored = ignored
        return response
