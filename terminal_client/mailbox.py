# SPDX-License-Identifier: GPL-3.0-only
"""Looking into a mailbox: selecting, searching, fetching in windows (RFC 9051 §6).

Written for any IMAP4rev1 server; what only ours has (mailboxes, headers) is known to
`library`, `offers` and `transfers`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from email.header import decode_header, make_header
from email.message import Message
from email.parser import BytesHeaderParser
from email.utils import collapse_rfc2231_value, parsedate_to_datetime
from itertools import takewhile
from typing import Any

from terminal_client.errors import GoneError, ProtocolError
from terminal_client.imap_answers import Response, fetched, values
from terminal_client.session_imap import MailboxConnection
from terminal_client.session_imap_octets import quoted

WINDOW = 500
"""Messages asked for at a time, so that no reply grows with the mailbox."""

MOST = 10_000_000
"""Messages that one range can name; no mailbox has more."""
_RANGE = re.compile(r"([0-9]{1,10})(?::([0-9]{1,10}))?")
_VALIDITY = re.compile(rb"\[UIDVALIDITY ([0-9]+)\]", re.IGNORECASE)


async def open_mailbox(
    connection: MailboxConnection, name: str, *, write: bool = False, large: bool = True
) -> None:
    """Select ``name`` unless it is selected already; read-only unless ``write``."""
    await open_and_search(connection, name, None, write=write, large=large)


async def open_and_search(
    connection: MailboxConnection,
    name: str,
    criteria: Sequence[str] | None,
    *,
    write: bool = False,
    large: bool = True,
) -> list[int]:
    """Select and search in one round trip; return UIDs in ascending order.

    ``large``: items whose rendering exceeds 2^32-1 octets may be meant; a server shows
    them only to those who have enabled IMAP4rev2.
    """
    commands: list[list[str]] = []
    if large and "IMAP4REV2" in connection.capabilities and not connection.is_rev2:
        if connection.selected is not None:
            commands.append(["UNSELECT"])  # ENABLE comes before (RFC 9051 §6.3.1)
        commands.append(["ENABLE", "IMAP4rev2"])
        connection.is_rev2, connection.selected = True, None
    verb = "SELECT" if write else "EXAMINE"
    if connection.selected != f"{verb} {name}":
        commands.append([verb, quoted(name)])
    elif criteria is not None:
        commands.append(["NOOP"])  # what has arrived shows itself first (§6.1.2)
    if criteria is not None:
        commands.append(["UID", "SEARCH", *criteria])
    connection.selected = None
    answers = await connection.run_together(*commands)
    connection.selected = f"{verb} {name}"
    for responses in answers:
        for response in responses:
            found = _VALIDITY.search(response.line)
            if found:
                connection.uid_validity = int(found[1])
    return _uids(answers[-1]) if criteria is not None else []


async def search(connection: MailboxConnection, *criteria: str) -> list[int]:
    """Return the UIDs that match, ascending."""
    return _uids(await connection.run("UID", "SEARCH", *criteria))


def _uids(responses: Iterable[Response]) -> list[int]:
    """Read SEARCH (RFC 3501 §7.2.5) or, after ENABLE IMAP4rev2, ESEARCH (RFC 4731)."""
    found: set[int] = set()
    for response in responses:
        match values(response):
            case ["*", str(kind), *numbers] if kind.upper() == "SEARCH":
                found.update(int(n) for n in numbers if str(n).isdigit())
            case ["*", str(kind), *words] if kind.upper() == "ESEARCH":
                upper = [w.upper() if isinstance(w, str) else w for w in words]
                if "ALL" in upper:
                    found.update(sequence_set(str(words[upper.index("ALL") + 1])))
            case _:
                pass
    return sorted(found)


def sequence_set(text: str) -> Iterable[int]:
    """Yield the numbers of ``1,5:7``."""
    for part in text.split(","):
        found = _RANGE.fullmatch(part)
        if found is None:
            raise ProtocolError("the IMAP server sent no set of numbers")
        low, high = sorted((int(found[1]), int(found[2] or found[1])))
        if high - low > MOST:
            raise ProtocolError("the IMAP server says that it found too much")
        yield from range(low, high + 1)


async def fetch(
    connection: MailboxConnection, uids: Sequence[int], items: str
) -> list[dict[str, Any]]:
    """Return what ``UID FETCH`` tells of messages; names are in upper case.

    What else the server tells of one of them meanwhile (its flags) is in there too.
    Those that were removed meanwhile are missing (RFC 5530 §3, EXPUNGEISSUED).
    """
    found: dict[int, dict[str, Any]] = {}
    for start in range(0, len(uids), WINDOW):
        window = ",".join(str(uid) for uid in uids[start : start + WINDOW])
        responses: list[Response] = []
        with suppress(GoneError):  # the others were told before
            await connection.run(
                "UID", "FETCH", window, f"(UID {items})", notice=responses.append
            )
        for response in responses:
            facts = fetched(response)
            if facts is not None and "UID" in facts:
                found.setdefault(int(facts["UID"]), {}).update(facts)
    asked = set(uids)
    return [facts for uid, facts in found.items() if uid in asked]


async def fetch_one(
    connection: MailboxConnection, uid: int, items: str
) -> dict[str, Any]:
    """Return what is told of one message; `GoneError` if it is not there any more."""
    for facts in await fetch(connection, [uid], items):
        return facts
    raise GoneError("the message is gone from the server")


def has_keyword(facts: dict[str, Any], keyword: str) -> bool:
    """Say whether a message, whose FLAGS were asked for, has a keyword."""
    flags = [str(flag).casefold() for flag in facts.get("FLAGS") or []]
    return keyword.casefold() in flags


def header_items(*names: str) -> str:
    """Return the fetch item for some header fields."""
    return f"BODY.PEEK[HEADER.FIELDS ({' '.join(names)})]"


def headers(facts: dict[str, Any]) -> dict[str, str]:
    """Return the fetched header fields, decoded (RFC 2047), names in lower case."""
    octets = next((v for k, v in facts.items() if k.startswith("BODY[HEADER")), b"")
    message = BytesHeaderParser().parsebytes(octets or b"")
    return {name.lower(): _decoded(value) for name, value in reversed(message.items())}


def date(text: str | None) -> datetime | None:
    """Return the moment that a Date header tells, in local time, or None."""
    try:
        return parsedate_to_datetime(text).astimezone() if text else None
    except (ValueError, OverflowError):
        return None


def _decoded(value: str) -> str:
    unfolded = re.sub(r"\r?\n[ \t]", " ", str(value)).strip()
    try:
        return str(make_header(decode_header(unfolded)))
    except (UnicodeError, LookupError, ValueError):
        return unfolded


@dataclass(frozen=True, slots=True)
class Leaf:
    """One part of a message that is no multipart; ``octets`` as encoded."""

    section: str
    type: str
    """Media type in lower case."""
    octets: int
    filename: str | None
    size: int | None
    """Octets of the file, as its Content-Disposition says (RFC 2183 §2.7)."""


def leaves(structure: Any, prefix: str = "") -> list[Leaf]:
    """Return the leaf parts of a BODYSTRUCTURE, in order."""
    if not isinstance(structure, list) or not structure:
        raise ProtocolError("the server describes a message in a way nobody can read")
    if isinstance(structure[0], list):
        parts = takewhile(lambda part: isinstance(part, list), structure)
        return [
            leaf
            for number, part in enumerate(parts, 1)
            for leaf in leaves(part, f"{prefix}{number}.")
        ]
    media = f"{_text(structure[0])}/{_text(structure[1])}".lower()
    disposition = next(
        (d for d in structure[7:] if isinstance(d, list) and _is_disposition(d)), None
    )
    named = _pairs(disposition[1]) if disposition else {}
    size = named.get("size", "")
    return [
        Leaf(
            section=prefix.rstrip(".") or "1",
            type=media,
            octets=int(structure[6]) if str(structure[6]).isdigit() else 0,
            filename=named.get("filename") or _pairs(structure[2]).get("name"),
            size=int(size) if size.isdigit() else None,
        )
    ]


def _is_disposition(value: list[Any]) -> bool:
    return (
        len(value) == 2
        and isinstance(value[0], bytes)
        and (value[1] is None or isinstance(value[1], list))
    )


def _pairs(value: Any) -> dict[str, str]:
    """Read parameters; those cut or encoded by RFC 2231 are put together again."""
    if not isinstance(value, list):
        return {}
    message = Message()
    raw = "; ".join(
        f"{_text(value[i])}={_parameter(_text(value[i]), _text(value[i + 1]))}"
        for i in range(0, len(value) - 1, 2)
    )
    message["X"] = f"x; {raw}"
    found = message.get_params([], header="X")
    return {k.lower(): collapse_rfc2231_value(v) for k, v in found}


def _parameter(name: str, value: str) -> str:
    if name.endswith("*"):
        return value
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _text(value: Any) -> str:
    return (
        value.decode(errors="replace") if isinstance(value, bytes) else str(value or "")
    )
