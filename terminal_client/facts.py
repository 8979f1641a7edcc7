# SPDX-License-Identifier: GPL-3.0-only
"""Finding the facts parts of messages: what our servers tell programs."""

from __future__ import annotations

from maild.mail.offer import MEDIA_TYPE
from terminal_client import mailbox
from terminal_client.session_imap import MailboxConnection


async def under(
    connection: MailboxConnection,
    name: str,
    keyword: str,
    *criteria: str,
    most: int = 0,
) -> dict[int, bytes]:
    """Return facts by UID: of the newest ``most`` messages with a keyword, or of all.

    The mailbox is selected for writing; what is marked as deleted is left out.
    """
    uids = await mailbox.open_and_search(
        connection, name, ["KEYWORD", keyword, "UNDELETED", *criteria], write=True
    )
    places: dict[str, list[int]] = {}
    for facts in await mailbox.fetch(connection, uids[-most:], "BODYSTRUCTURE"):
        for part in mailbox.leaves(facts.get("BODYSTRUCTURE")):
            if part.type == MEDIA_TYPE:
                places.setdefault(part.section, []).append(int(facts["UID"]))
                break
    found: dict[int, bytes] = {}
    for section, members in places.items():
        wanted = f"BINARY.PEEK[{section}]"
        for facts in await mailbox.fetch(connection, members, wanted):
            octets = facts.get(f"BINARY[{section}]")
            if isinstance(octets, bytes):
                found[int(facts["UID"])] = octets
    return dict(sorted(found.items()))
