# SPDX-License-Identifier: GPL-3.0-only
"""Deleting an item of the own Library, as a mail program does it (RFC 9051 §6.4.9)."""

from __future__ import annotations

from terminal_client import library, mailbox
from terminal_client.errors import ReplacedError, TryLaterError
from terminal_client.library import Item
from terminal_client.naming import shown
from terminal_client.session_imap import MailboxConnection

LOOKS = 5
"""Times that it is tried, while what is to be deleted gets new UIDs."""


async def remove(connection: MailboxConnection, item: Item) -> None:
    """Delete an item, and what is kept of its older versions.

    `ReplacedError` when it has another version by now: nobody has seen that one.
    """
    for _ in range(LOOKS):
        await mailbox.open_mailbox(connection, library.LIBRARY, write=True)
        uid = str(item.uid)
        await connection.run("UID", "STORE", uid, "+FLAGS.SILENT", "(\\Deleted)")
        await connection.run("UID", "EXPUNGE", uid)
        # One that got a new UID meanwhile, because all of it is there, is left.
        left = [i for i in await library.everything(connection) if i.id == item.id]
        if not left:
            return
        if left[0].version != item.version:
            raise ReplacedError(
                f"{shown(item.name)} was replaced meanwhile, and is not deleted"
            )
        item = left[0]
    raise TryLaterError(f"{shown(item.name)} changes all the time; try again")
