# SPDX-License-Identifier: GPL-3.0-only
"""Giving an item a new version (REPLACE, RFC 8508): only what has changed travels.

What the server has is named by URLs (CATENATE, RFC 4469), octet for octet: the message
is binary, so they stand for the content without its encoding.  The header says the
digest of the whole; put together in any other way, the server refuses it.
"""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

from maild.mail.compose import Facts, ItemFacts, upload_head
from maild.wire.imap_url import ImapUrl
from terminal_client import differing, errors, library, mailbox, reading, versions
from terminal_client.attempts import Attempts, Progress
from terminal_client.connections import Connections
from terminal_client.differing import Fresh, Kept, Range, Sizes
from terminal_client.hashing import in_thread
from terminal_client.landmarks import Read
from terminal_client.library import Item
from terminal_client.naming import shown
from terminal_client.profile import Profile
from terminal_client.session_imap import Bringing, MailboxConnection

PIECE = 256 * 1024
"""Octets sent at a time."""
LONGEST_PLUS = 4096
"""Octets of a literal that need not be asked for (RFC 7888 §5: LITERAL-)."""
LONGEST_LINE = 4096
"""Octets without a literal after which an empty one begins a new line: servers bound
their lines (RFC 7162 §4: at least 8192)."""
LARGE = 256 * 1024 * 1024
"""Octets that are not compared within a second."""
NEEDED = frozenset({"REPLACE", "CATENATE", "BINARY"})


@dataclass(frozen=True, slots=True)
class Replaced:
    """What became of an item."""

    item: Item
    travelled: int
    """Octets of the content that were sent; the rest was there."""
    changed: bool = True


@dataclass(frozen=True, slots=True)
class _Work:
    """What is to be there: ``head`` in front of ``ranges``, together ``digest``."""

    head: bytes
    ranges: Sequence[Range]
    read: Read
    digest: str


def must_know_how(imap: MailboxConnection) -> None:
    """Raise unless the server can replace items."""
    if not imap.capabilities >= NEEDED:
        raise errors.UnavailableError(
            "the server cannot replace items; use `mshare get` and `mshare upload`"
        )


class Replacing:
    """Replaces one item, which is ``item`` now."""

    def __init__(
        self, connections: Connections, who: Profile, item: Item, progress: Progress
    ) -> None:
        self._connections = connections
        self._who = who
        self._item = item
        self._attempts = Attempts(progress)
        self._sent = 0

    async def by(self, path: Path, base: Path | None) -> Replaced:
        """Let the content of a file follow; ``base`` holds what the item is now.

        Raises `ReplacedError` when the item is another one by now; nothing is lost.
        """
        digest, shape = await reading.digest_of(path)
        if digest == self._item.sha256:
            return Replaced(self._item, 0, changed=False)
        with ExitStack() as stack:
            new = stack.enter_context(_opened(path))
            ranges: list[Range] = [Fresh(0, shape.size)] if shape.size else []
            if base is not None and self._item.sha256 is not None:
                old = stack.enter_context(_opened(base))
                sizes = Sizes(self._item.size, shape.size)
                if shape.size > LARGE:
                    self._attempts.tell("looking for what has changed")
                ranges = await in_thread(differing.plan, old, new, sizes)
            work = _Work(self._head(shape.size, digest), ranges, new, digest)
            item = await self._attempts.persist(lambda: self._attempt(work))
        return Replaced(item, differing.travelling(ranges))

    def _head(self, size: int, digest: str) -> bytes:
        item, address = self._item, self._who.address
        shown_as = ItemFacts(item.id, item.name, item.type, size, digest, None)
        now = time.time()
        name = f"{secrets.token_hex(16)}@{address.domain}"
        facts = Facts(name, now, item.trace or secrets.token_hex(8))
        return upload_head(
            shown_as, number="", code="", account=address, facts=facts, terminal=""
        )

    async def _attempt(self, work: _Work) -> Item:
        async with self._connections.imap() as imap:
            must_know_how(imap)
            await mailbox.open_mailbox(imap, library.LIBRARY, write=True)
            failure: errors.TerminalError | None = None
            try:
                await self._bring(imap, work)
            except (errors.NoInputError, errors.UnavailableError) as error:
                if not imap.is_open:
                    raise
                failure = error
            return await self._outcome(imap, work, failure)

    async def _outcome(
        self,
        imap: MailboxConnection,
        work: _Work,
        failure: errors.TerminalError | None,
    ) -> Item:
        """Return what the item is now: ours, also when the answer had been lost."""
        name = shown(self._item.name)
        try:
            found = await library.find(imap, self._item.id)
        except errors.NoInputError:
            raise errors.ReplacedError(f"{name} was removed meanwhile") from failure
        told = await versions.told_of(imap, found)
        if told.get("sha256") == work.digest:
            return replace(found, sha256=work.digest)
        if failure is not None and found.uid == self._item.uid:
            raise failure
        raise errors.ReplacedError(
            f"somebody else has replaced {name} meanwhile"
        ) from failure

    async def _bring(self, imap: MailboxConnection, work: _Work) -> None:
        """Send the command: what is new as literals, what is known as URLs."""
        self._sent = 0
        total = differing.travelling(work.ranges)
        words = ("UID", "REPLACE", str(self._item.uid), library.LIBRARY, "CATENATE")
        async with imap.bringing(*words, f"(TEXT ~{{{len(work.head)}}}") as command:
            await command.wait()
            await command.send(work.head)
            between = b""
            for one in work.ranges:
                if isinstance(one, Kept):
                    between += f' URL "{self._url(imap, one)}"'.encode()
                    if len(between) > LONGEST_LINE:
                        await command.send(between + b" TEXT ~{0+}\r\n")
                        between = b""
                    continue
                plus = "+" if one.size <= LONGEST_PLUS else ""
                between += b" TEXT ~{%d%b}\r\n" % (one.size, plus.encode())
                await command.send(between)
                between = b""
                if not plus:
                    await command.wait()
                await self._pour(command, work.read, one, total)
            await command.send(between + b")\r\n")

    async def _pour(
        self, command: Bringing, read: Read, one: Fresh, total: int
    ) -> None:
        for at in range(one.start, one.start + one.size, PIECE):
            count = min(PIECE, one.start + one.size - at)
            octets = await in_thread(read, at, count)
            if len(octets) != count:
                raise errors.ContentError("the file became shorter meanwhile")
            await command.send(octets)
            self._sent += count
            self._attempts.progress(self._sent, total)

    def _url(self, imap: MailboxConnection, one: Kept) -> str:
        url = ImapUrl(
            user="",
            host="",
            mailbox=library.LIBRARY,
            uid=self._item.uid,
            uid_validity=imap.uid_validity,
            section=self._item.section,
            partial=(one.start, one.size),
        )
        return url.path


@contextmanager
def _opened(path: Path) -> Iterator[Read]:
    try:
        file: BinaryIO = path.open("rb", buffering=0)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise errors.NoInputError(f"{path} cannot be read: {reason}") from error
    with file:
        number = file.fileno()
        yield lambda at, count: os.pread(number, count, at)
