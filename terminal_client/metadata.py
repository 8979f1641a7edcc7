# SPDX-License-Identifier: GPL-3.0-only
"""Reading the annotations in which a server of ours counts octets (RFC 5464)."""

from __future__ import annotations

import json
from typing import Any

from terminal_client.errors import TerminalError
from terminal_client.imap_answers import Response, values
from terminal_client.session_imap import MailboxConnection
from terminal_client.session_imap_octets import quoted

ASKED_AT_ONCE = 50
"""METADATA entries in one command."""


async def read(
    connection: MailboxConnection, mailbox: str, entry: str, ids: list[str]
) -> dict[str, dict[str, Any]]:
    """Return what the entries ``entry/<id>`` of a mailbox say, where there are any."""
    found: dict[str, dict[str, Any]] = {}
    for start in range(0, len(ids), ASKED_AT_ONCE):
        entries = " ".join(
            f"{entry}/{id_}" for id_ in ids[start : start + ASKED_AT_ONCE]
        )
        try:
            responses = await connection.run(
                "GETMETADATA", quoted(mailbox), f"({entries})"
            )
        except TerminalError:
            if connection.is_open:
                return found
            raise
        found.update(_told(responses))
    return found


async def every(
    connection: MailboxConnection, mailbox: str, entry: str
) -> dict[str, dict[str, Any]]:
    """Return what all entries ``entry/<id>`` of a mailbox say (RFC 5464 §4.2.2)."""
    try:
        responses = await connection.run(
            "GETMETADATA", "(DEPTH 1)", quoted(mailbox), entry
        )
    except TerminalError:
        if connection.is_open:
            return {}  # a server that knows none
        raise
    return _told(responses)


def _told(responses: list[Response]) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for response in responses:
        match values(response):
            case ["*", str(kind), _, list(pairs)] if kind.upper() == "METADATA":
                found.update(_entries(pairs))
            case _:
                pass
    return found


async def below(
    connection: MailboxConnection, entry: str, *, itself: bool = False
) -> dict[str, str]:
    """Return annotations of the server below ``entry``, or (``itself``) that one.

    By name, in lower case; their values as text.
    """
    depth = "0" if itself else "infinity"
    responses = await connection.run(
        "GETMETADATA", f"(DEPTH {depth})", quoted(""), quoted(entry)
    )
    found: dict[str, str] = {}
    for response in responses:
        match values(response):
            case ["*", str(kind), _, list(pairs)] if kind.upper() == "METADATA":
                texts = [_text(each) for each in pairs]
                names = [name.lower() for name in texts[::2]]
                found.update(zip(names, texts[1::2], strict=False))
            case _:
                pass
    return found


async def write(connection: MailboxConnection, entry: str, value: str) -> None:
    """Set one annotation of the server (RFC 5464 §4.3)."""
    await connection.run("SETMETADATA", quoted(""), f"({entry} {quoted(value)})")


def _text(value: Any) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)


def _entries(pairs: list[Any]) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for name, value in zip(pairs[::2], pairs[1::2], strict=False):
        text = name.decode(errors="replace") if isinstance(name, bytes) else str(name)
        try:
            facts = json.loads(value) if isinstance(value, bytes) else None
        except ValueError:
            continue
        if isinstance(facts, dict):
            # Entry names know no case (RFC 5464 §4.1), ids do.
            found[str(facts.get("id") or text.rpartition("/")[2])] = facts
    return found
