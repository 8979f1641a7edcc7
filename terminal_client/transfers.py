# SPDX-License-Identifier: GPL-3.0-only
"""How our sendings fare: messages and METADATA of the mailbox Transfers (seed 219)."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, replace
from typing import Any

from maild.mail.transfer import FINAL, GO, KEYWORD, State
from terminal_client import mailbox, metadata
from terminal_client.choice import by_id, hint
from terminal_client.errors import NoInputError, NotAllowedError, TryLaterError
from terminal_client.session_imap import MailboxConnection

TRANSFERS = "Transfers"
ENTRY = "/private/vendor/maild/transfer"
_STATES = {keyword.casefold(): state for state, keyword in KEYWORD.items()}
_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
_LOOKS = 5
"""Times that the mailbox is looked at, while what is in it gets new UIDs."""
_STATUS = {
    State.SENT: os.EX_OK,
    State.FAILED: os.EX_UNAVAILABLE,
    State.EXPIRED: os.EX_UNAVAILABLE,
    State.CANCELLED: os.EX_UNAVAILABLE,
    State.DECLINED: os.EX_NOPERM,
}


@dataclass(frozen=True, slots=True)
class Transfer:
    """One transfer; ``octets`` are those the other server acknowledged."""

    id: str
    uid: int
    state: State
    recipient: str
    name: str
    octets: int
    size: int
    status: str = ""
    """The last enhanced status code, "5.1.1", or ""."""
    reply: str = ""
    """The last reply's text, or ""."""
    created: int = 0
    """When it was sent, in Unix seconds; 0 when the server does not say."""
    rate: int = 0
    """Octets a second that the other server acknowledges, while it moves."""
    route: str = ""
    """How content went last: ``direct``, by a rendezvous, or both in turn."""
    expires: int = 0
    """Until when it may take: to be answered, to be let go, or to arrive."""
    confirm: int = 0
    """Seconds in which go has to be said once it is prepared; 0: it need not be."""

    @property
    def awaits_go(self) -> bool:
        """Whether nothing of it leaves before go is said."""
        return self.confirm > 0 and not self.is_final

    @property
    def is_final(self) -> bool:
        """Whether nothing will happen any more."""
        return self.state in FINAL

    @property
    def reason(self) -> str:
        """The last status and reply, for people; "" unless there is trouble."""
        if self.status.startswith("2."):
            return ""
        if self.status in self.reply:
            return self.reply
        return f"{self.status} {self.reply}".strip()

    @property
    def exit_status(self) -> int:
        """How it stands as an exit status (sysexits(3)); 75 while under way."""
        return _STATUS.get(self.state, os.EX_TEMPFAIL)

    def to_json(self) -> dict[str, Any]:
        """Return what ``mshare status --json`` prints."""
        return {name: getattr(self, name) for name in self.__slots__}


async def everything(connection: MailboxConnection) -> list[Transfer]:
    """Return all outgoing transfers, oldest first."""
    wanted = "FLAGS " + mailbox.header_items("Share-Transfer", "Subject", "To")
    shown: dict[str, dict[str, Any]] = {}
    for _ in range(_LOOKS):
        uids = await mailbox.open_and_search(connection, TRANSFERS, ["ALL"])
        found = await mailbox.fetch(connection, uids, wanted)
        shown |= {_id_of(facts): facts for facts in found if _id_of(facts)}
        if len(found) >= len(uids):
            break  # none got a new UID after the search, as a new state brings one
    details = await metadata.read(connection, TRANSFERS, ENTRY, list(shown))
    every = [_transfer(i, facts, details.get(i, {})) for i, facts in shown.items()]
    return sorted(every, key=lambda t: (t.created, t.uid))


async def some(connection: MailboxConnection, ids: list[str]) -> list[Transfer]:
    """Return the transfers that these ids, or beginnings of ids, name, in order."""
    known = await everything(connection)
    return [pick(known, name) for name in ids]


async def again(connection: MailboxConnection, known: list[Transfer]) -> list[Transfer]:
    """Return known transfers as they stand now, in one small round trip.

    None shows less than before, whatever a server that was restored tells.
    """
    open_ones = [t.id for t in known if not t.is_final]
    details = await metadata.read(connection, TRANSFERS, ENTRY, open_ones)
    if all(t.is_final or t.id in details for t in known):
        return [_renewed(t, details[t.id]) if not t.is_final else t for t in known]
    # A server without such entries, or a transfer that somebody has removed.
    seen = await everything(connection)
    return [t if t.is_final else _never_less(t, pick(seen, t.id)) for t in known]


async def ask_to_be_told(connection: MailboxConnection) -> bool:
    """Let the server tell which entries change; whether it can (RFC 5464 §4.1)."""
    if not is_told(connection):
        return False
    if connection.selected is not None:  # ENABLE comes before (RFC 5161 §3.1)
        await connection.run("UNSELECT")
        connection.selected = None
    await connection.run("ENABLE", "METADATA")
    return True


def is_told(connection: MailboxConnection) -> bool:
    """Whether the server can tell by itself which entries change."""
    return connection.capabilities >= {"IDLE", "ENABLE", "METADATA", "UNSELECT"}


def watch(connection: MailboxConnection, known: list[Transfer]) -> None:
    """Note from now on which of these the server says have changed."""
    connection.watched.update(_entry(t.id).lower() for t in known if not t.is_final)


def told(connection: MailboxConnection, known: list[Transfer]) -> list[Transfer]:
    """Take those that the server said have changed."""
    found = [t for t in known if _entry(t.id).lower() in connection.told]
    connection.told.difference_update(_entry(t.id).lower() for t in found)
    return found


async def go(connection: MailboxConnection, ids: list[str]) -> list[Transfer]:
    """Say go for transfers that wait for it; return how they stand then."""
    chosen = await some(connection, ids)
    for _ in range(_LOOKS):
        uids = [t.uid for t in chosen if t.awaits_go]
        if not uids:
            return chosen
        await mailbox.open_mailbox(connection, TRANSFERS, write=True)
        await connection.run(
            "UID", "STORE", ",".join(map(str, uids)), "+FLAGS", f"({GO})"
        )
        # One that got a new UID meanwhile has not heard it.
        chosen = await some(connection, [t.id for t in chosen])
    raise TryLaterError("the transfers change all the time; try again")


def _entry(id_: str) -> str:
    return f"{ENTRY}/{id_}"


def _never_less(before: Transfer, now: Transfer) -> Transfer:
    return replace(now, octets=max(before.octets, now.octets))


def _renewed(transfer: Transfer, detail: dict[str, Any]) -> Transfer:
    return replace(
        transfer,
        state=_state(detail.get("state"), transfer.state),
        octets=max(_number(detail.get("octets")), transfer.octets),
        size=_number(detail.get("size")) or transfer.size,
        rate=_number(detail.get("rate")),
        expires=_number(detail.get("expires")),
        confirm=_number(detail.get("confirm")),
        status=str(detail.get("status") or ""),
        reply=str(detail.get("reply") or ""),
        route=str(detail.get("route") or ""),
    )


def pick(known: list[Transfer], name: str) -> Transfer:
    """Return the transfer with this id or beginning of an id."""
    found = by_id(known, name)
    if found is None:
        raise NoInputError(
            f"there is no transfer {name}{hint(name)}; `mshare status` shows all"
        )
    return found


async def cancel(connection: MailboxConnection, name: str) -> Transfer:
    """Take a transfer back (what leaves Transfers is cancelled); return how it stood.

    What is over already stays as it is.
    """
    chosen = pick(await everything(connection), name)
    for _ in range(_LOOKS):
        if chosen.is_final:
            raise NotAllowedError(f"{chosen.id} is {chosen.state} already")
        await mailbox.open_mailbox(connection, TRANSFERS, write=True)
        uid = str(chosen.uid)
        await connection.run("UID", "STORE", uid, "+FLAGS.SILENT", "(\\Deleted)")
        await connection.run("UID", "EXPUNGE", uid)
        # One that got a new UID meanwhile, because its state changed, is still there.
        left = by_id(await everything(connection), chosen.id)
        if left is None or left.state is State.CANCELLED:
            return chosen
        chosen = left
    raise TryLaterError("the transfer changes all the time; try again")


def _id_of(facts: dict[str, Any]) -> str:
    found = mailbox.headers(facts).get("share-transfer", "")
    return found if _ID.fullmatch(found) else ""


def _transfer(id_: str, facts: dict[str, Any], detail: dict[str, Any]) -> Transfer:
    fields = mailbox.headers(facts)
    flags = [str(flag).casefold() for flag in facts.get("FLAGS") or []]
    state = next((_STATES[flag] for flag in flags if flag in _STATES), State.QUEUED)
    subject = fields.get("subject", "")
    return Transfer(
        id=id_,
        uid=int(facts["UID"]),
        state=_state(detail.get("state"), state),
        recipient=str(detail.get("recipient") or fields.get("to", "")),
        name=str(detail.get("name") or subject),
        octets=_number(detail.get("octets")),
        size=_number(detail.get("size")),
        status=str(detail.get("status") or ""),
        reply=str(detail.get("reply") or ""),
        created=_number(detail.get("created")),
        rate=_number(detail.get("rate")),
        route=str(detail.get("route") or ""),
        expires=_number(detail.get("expires")),
        confirm=_number(detail.get("confirm")),
    )


def _state(told: Any, shown: State) -> State:
    """Prefer the entry: it is renewed with every octet counted, the keyword is not."""
    try:
        return State(told) if isinstance(told, str) else shown
    except ValueError:
        return shown


def _number(value: Any) -> int:
    return value if isinstance(value, int) and value >= 0 else 0
