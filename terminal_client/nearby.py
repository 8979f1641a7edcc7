# SPDX-License-Identifier: GPL-3.0-only
"""People on the same local network who chose to be seen (mDNS, DNS-SD).

An entry of type `SERVICE` has no port that anybody connects to: all it says is the URI
in its TXT record (RFC 6763 §6), address and name, never a number.  Whoever is on the
network can say anything in anybody's name: what is found here is shown, and remembered
only by the word of a person who looked at it.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from terminal_client import contact_uri
from terminal_client.contact_uri import UriError
from terminal_client.contacts import Contact
from terminal_client.errors import UnavailableError, UsageError

if TYPE_CHECKING:
    from zeroconf import Zeroconf
    from zeroconf.asyncio import AsyncServiceInfo, AsyncZeroconf

SERVICE = "_maild._tcp.local."
"""The type of our entries (RFC 6763 §7)."""
URI = b"uri"
"""The key of the URI in the TXT record."""
MOST = 100
"""Entries that are looked at at once: a network may be full of made-up ones."""
MOST_SEEN = 1000
"""People of whom one search tells."""
PATIENCE = 3.0
"""Seconds that an entry may take to say its URI."""
LONGEST = 255
"""Octets of one string of a TXT record (RFC 6763 §6.1), with its key."""

Found = Callable[[Contact], None]
"""Told each person who is seen, once."""


@asynccontextmanager
async def _network(interfaces: Sequence[str] | None) -> AsyncIterator[AsyncZeroconf]:
    """Join the multicast group, on all interfaces unless named by addresses."""
    from zeroconf import InterfaceChoice
    from zeroconf.asyncio import AsyncZeroconf

    try:
        network = AsyncZeroconf(
            interfaces=list(interfaces) if interfaces else InterfaceChoice.All
        )
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise UnavailableError(
            f"the local network cannot be asked (multicast: {reason}); exchange a URI "
            "instead, with `mshare me` and `mshare add`"
        ) from error
    try:
        yield network
    finally:
        await network.async_close()


@asynccontextmanager
async def visible(
    own: Contact, *, interfaces: Sequence[str] | None = None
) -> AsyncIterator[None]:
    """Let others on the network see address and name, until this ends."""
    async with _network(interfaces) as network:
        info = _entry(own)
        # The library asks first whether somebody has the name (RFC 6762 §8.1).
        await (await network.async_register_service(info))
        try:
            yield
        finally:
            with suppress(OSError):
                await (await network.async_unregister_service(info))


def _entry(own: Contact) -> AsyncServiceInfo:
    """Return what is announced; its name is another one each time."""
    from zeroconf.asyncio import AsyncServiceInfo

    uri = contact_uri.write(replace(own, number="", rendezvous=""))
    if len(URI) + 1 + len(uri) > LONGEST:
        raise UsageError(
            "address and name are too long to be announced; take a shorter name: "
            "mshare me --name NAME"
        )
    label = f"mshare-{secrets.token_hex(6)}"
    return AsyncServiceInfo(
        SERVICE,
        f"{label}.{SERVICE}",
        port=0,
        server=f"{label}.local.",
        properties={b"txtvers": b"1", URI: uri.encode()},
        parsed_addresses=["127.0.0.1"],  # there is nobody to connect to
    )


class Search:
    """One look around; ``told`` hears of each person but ``own``."""

    def __init__(self, own: Contact, told: Found) -> None:
        self._own = own
        self._told = told
        self._names: set[str] = set()
        self._seen: set[str] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._failed = asyncio.Event()
        self._failure: BaseException | None = None

    async def run(
        self, seconds: float | None, *, interfaces: Sequence[str] | None = None
    ) -> None:
        """Look for so many seconds; None: until cancelled."""
        from zeroconf.asyncio import AsyncServiceBrowser

        async with _network(interfaces) as network:
            browser = AsyncServiceBrowser(
                network.zeroconf, [SERVICE], handlers=[self._changed]
            )
            try:
                with suppress(TimeoutError):
                    async with asyncio.timeout(seconds):
                        await self._failed.wait()
            finally:
                await browser.async_cancel()
                for task in self._tasks:
                    task.cancel()
                await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._failure is not None:
            raise self._failure

    def _changed(
        self, zeroconf: Zeroconf, service_type: str, name: str, state_change: Any
    ) -> None:
        """Take a change that the library tells, on the loop."""
        from zeroconf import ServiceStateChange

        if state_change is ServiceStateChange.Removed:
            self._names.discard(name)  # room for another
            return
        if name in self._names or max(len(self._names), len(self._tasks)) >= MOST:
            return
        self._names.add(name)
        task = asyncio.ensure_future(self._look(zeroconf, name))
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        """Let what nobody foresaw end the search, and say so."""
        self._tasks.discard(task)
        failure = None if task.cancelled() else task.exception()
        if failure is not None:
            self._failure = failure
            self._failed.set()

    async def _look(self, zeroconf: Zeroconf, name: str) -> None:
        from zeroconf import Error
        from zeroconf.asyncio import AsyncServiceInfo

        try:
            info = AsyncServiceInfo(SERVICE, name)
            await info.async_request(zeroconf, PATIENCE * 1000)
        except Error:  # no name that a program of ours gives: control characters in it
            return
        contact = said(info.properties)
        if contact is None or contact.address.key == self._own.address.key:
            return
        uri = contact_uri.write(contact)
        if uri not in self._seen and len(self._seen) < MOST_SEEN:
            self._seen.add(uri)
            self._told(contact)


def said(properties: dict[bytes, bytes | None]) -> Contact | None:
    """Return whom a TXT record names; None if nobody, or not as it should."""
    try:
        contact = contact_uri.read((properties.get(URI) or b"").decode())
    except (UriError, UnicodeDecodeError):
        return None
    return replace(contact, number="", rendezvous="")
