# SPDX-License-Identifier: GPL-3.0-only
"""Sending an item to people (seed 213): as soon as the first of its octets are there.

What is not on the server yet is uploaded, and sent meanwhile: offer, answer and push go
on while the rest of it still arrives.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from maild.mail.address import Address
from maild.wire.imap_url import ImapUrl
from terminal_client import errors, library, mailbox, submission
from terminal_client.attempts import LONGEST, Progress
from terminal_client.connections import Connections
from terminal_client.library import Item
from terminal_client.matching import Remembered
from terminal_client.profile import Profile
from terminal_client.submission import Sent
from terminal_client.uploading import Uploads

PATIENCE = 0.25
"""Seconds that an upload takes before it is worth connections beside it."""

Queued = Callable[[list[Sent]], None]
"""Told the sending commands once the server has taken them."""


@dataclass(frozen=True, slots=True)
class Order:
    """Who gets an item, and the words that go with it."""

    recipients: list[Address]
    note: str = ""
    confirm: int = 0
    """Seconds in which go has to be said once all is prepared; 0: need not."""
    via: Mapping[str, str] = field(default_factory=dict)
    """The rendezvous that knows a recipient (`Address.key`) and us, for some."""
    thumbnail: bool = True
    """Whether a picture that has to be uploaded gets one."""

    def fields(self, recipient: Address) -> list[tuple[str, str]]:
        """Return the header fields that tell the server."""
        told = [("Share-Confirm", str(self.confirm))] if self.confirm else []
        via = self.via.get(recipient.key)
        return [*told, ("Share-Via", via)] if via else told


class Sendings:
    """The sending commands of one terminal."""

    def __init__(
        self,
        who: Profile,
        connections: Connections,
        beside: Connections,
        uploads: Uploads,
    ) -> None:
        """Use ``beside`` to submit while ``connections`` are uploading."""
        self._profile = who
        self._connections = connections
        self._beside = beside
        self._uploads = uploads

    async def send(
        self,
        what: Item | Path | str,
        order: Order,
        progress: Progress,
        queued: Queued,
    ) -> list[Sent]:
        """Send an item, or a file that is uploaded unless it is there."""
        if isinstance(what, Path):
            outcome = await self._uploads.check(what)
            if outcome.held is None:
                return await self._upload(what, order, progress, queued)
            uid, section = outcome.held.uid, "1"
        else:
            if isinstance(what, str):
                async with self._connections.imap() as imap:
                    what = (await library.meant(imap, what, else_file=True))[-1]
            uid, section = what.uid, what.section
        sent = await self.command(self._connections, uid, section, order)
        queued(sent)
        return sent

    async def _upload(
        self, path: Path, order: Order, progress: Progress, queued: Queued
    ) -> list[Sent]:
        # Gigabytes later is too late to learn that nobody may be sent to there.
        async with self._connections.smtp() as smtp:
            await submission.ask(smtp, self._profile.address, order.recipients)
        early = _Early(self, self._connections, self._beside, order, queued)
        try:
            brought = await self._uploads.bring(
                path,
                progress,
                again=True,
                begin=early.begin,
                picture=order.thumbnail,
            )
            sent = await early.sent(brought.code or "")
        finally:
            await early.end()
        if sent is None:
            item, connections = await self._uploads.item(brought), self._connections
            sent = await self.command(connections, item.uid, item.section, order)
            queued(sent)
        return [replace(one, uploaded=brought.uploaded) for one in sent]

    async def command(
        self, connections: Connections, uid: int, section: str, order: Order
    ) -> list[Sent]:
        """Command the server to send an item of the Library to each recipient.

        The commands go by ``connections``.
        """
        sender = self._profile.address
        async with self._connections.imap() as imap:
            await mailbox.open_mailbox(imap, library.LIBRARY, large=False)
            url = library.url_of(imap, str(sender), uid)
        return await self._burl(connections, url, section, order)

    async def _burl(
        self, connections: Connections, url: ImapUrl, section: str, order: Order
    ) -> list[Sent]:
        sender, recipients = self._profile.address, order.recipients
        async with connections.smtp() as smtp:
            if len(recipients) > 1:  # all or none
                await submission.ask(smtp, sender, recipients)
            # BURL is offered after AUTH only; asking again would cost a round trip.
            url = replace(url, host=smtp.ehlo.domain)
            return [
                await submission.send(
                    smtp,
                    sender,
                    recipient,
                    url,
                    section,
                    order.note,
                    order.fields(recipient),
                )
                for recipient in recipients
            ]


class _Early:
    """Sends what is being uploaded, as soon as the server shows it.

    Whatever goes wrong here costs nothing but time: it is sent once it is whole, and
    the same item to the same address is sent once.
    """

    def __init__(
        self,
        sendings: Sendings,
        connections: Connections,
        beside: Connections,
        order: Order,
        queued: Queued,
    ) -> None:
        self._sendings = sendings
        self._connections = connections
        self._beside = beside
        self._order = order
        self._queued = queued
        self._task: asyncio.Task[None] | None = None
        self._is_commanding = False
        self._sent: dict[str, list[Sent]] = {}
        """What was sent, by verification code."""

    def begin(self, entry: Remembered) -> None:
        """Look out for an upload that begins now."""
        if self._task is not None:
            self._task.cancel()
        self._is_commanding = False
        self._task = asyncio.ensure_future(self._send(entry))

    async def _send(self, entry: Remembered) -> None:
        await asyncio.sleep(PATIENCE)
        while True:
            try:
                uid = await self._shown(entry)
                self._is_commanding = True
                sent = await self._sendings.command(self._beside, uid, "1", self._order)
            except (errors.CutError, errors.UnreachableError):
                self._is_commanding = False
                await asyncio.sleep(LONGEST)
            except errors.TerminalError:
                return  # the server will say it again when it is whole
            else:
                self._sent[entry.code] = sent
                self._queued(sent)
                await self._beside.close()  # the upload may take hours yet
                await self._connections.rest()
                return

    async def _shown(self, entry: Remembered) -> int:
        """Return the UID of an upload, as soon as the Library has one."""
        while True:
            async with self._connections.imap() as imap:
                is_ours = True
                while is_ours:
                    size = entry.shape.size
                    uid = await library.under_code(imap, entry.code, size)
                    if uid is not None:
                        return uid
                    is_ours = await self._connections.idle(imap)

    async def sent(self, code: str) -> list[Sent] | None:
        """Return what was sent of what is whole now; None if nothing was."""
        if self._task is not None and self._is_commanding:
            await asyncio.wait([self._task])
        return self._sent.get(code)

    async def end(self) -> None:
        """Look out no longer."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await self._beside.close()
