# SPDX-License-Identifier: Apache-2.0
"""How a transfer is shown to its account: a message in Transfers, and METADATA.

The message is renewed (new UID, old one expunged) when a state begins that a person
cares about; short steps only change its keyword.  Octets live in METADATA.
"""

from __future__ import annotations

import json
from dataclasses import replace

from maild.mail import compose
from maild.mail.transfer import KEYWORD, SILENT, Kind, State
from maild.store import accounts, mailboxes, messages, metadata
from maild.store.index import Tx
from maild.store.transfer_records import Transfer

MAILBOX = "Transfers"
ENTRY = "/private/vendor/maild/transfer/"
"""METADATA entry of one transfer (RFC 5464), followed by its id."""
_TOLD = frozenset({State.PREPARED, State.FAILED, State.DECLINED, State.EXPIRED})
"""States that a person should notice: their message is not yet seen."""
_KEYWORDS = tuple(KEYWORD.values())


def is_shown(transfer: Transfer) -> bool:
    """Whether it is a user's own; what servers tell each other is their affair."""
    return transfer.account_id is not None and transfer.kind not in SILENT


def show(tx: Tx, transfer: Transfer, now: float, *, is_short: bool = False) -> Transfer:
    """Show the state of a transfer; return it with the UID of its message.

    ``is_short``: the state will be over before a person has read about it.
    """
    if transfer.account_id is None or not is_shown(transfer):
        return transfer
    mailbox = mailboxes.must_find(tx, transfer.account_id, MAILBOX)
    uid = transfer.view_uid
    if uid is not None and (is_short or _is_short(transfer)):
        messages.store_flags(tx, mailbox.id, [uid], "-", _KEYWORDS)
        keyword = KEYWORD[transfer.state]
        messages.store_flags(tx, mailbox.id, [uid], "+", [keyword])
    else:
        transfer = replace(
            transfer,
            view_uid=_append(tx, transfer.account_id, mailbox.id, transfer, now),
        )
        if uid is not None:
            messages.expunge(tx, mailbox.id, [uid])
    show_numbers(tx, transfer)
    return transfer


def show_hold(tx: Tx, transfer: Transfer) -> None:
    r"""Show whether a transfer is held: \Flagged."""
    if transfer.account_id is None or transfer.view_uid is None:
        return
    mailbox = mailboxes.must_find(tx, transfer.account_id, MAILBOX)
    mode = "+" if transfer.held else "-"
    messages.store_flags(tx, mailbox.id, [transfer.view_uid], mode, ["\\Flagged"])


def show_numbers(tx: Tx, transfer: Transfer) -> None:
    """Renew the annotation of a transfer; wakes who waits for annotations."""
    if transfer.account_id is None or not is_shown(transfer):
        return
    numbers = {
        "id": transfer.id,
        "state": transfer.state.value,
        "octets": transfer.octets,
        "size": transfer.size,
        "rate": int(transfer.rate),
        "recipient": str(transfer.recipient),
        "name": transfer.name,
        "created": int(transfer.created),
        "status": transfer.status,
        "reply": transfer.reply,
        "expires": int(transfer.expires),
        "confirm": int(transfer.confirm),
        "route": transfer.route,
    }
    value = json.dumps(numbers, separators=(",", ":")).encode()
    metadata.put(tx, transfer.account_id, MAILBOX, ENTRY + transfer.id, value)


def trouble(transfer: Transfer) -> str:
    """Return the last status and reply, for people; "" when all went well."""
    if transfer.status.startswith("2."):
        return ""
    if transfer.status in transfer.reply:
        return transfer.reply
    return f"{transfer.status} {transfer.reply}".strip()


def hide(tx: Tx, transfer: Transfer) -> None:
    """Remove everything that shows a transfer."""
    if transfer.account_id is None or not is_shown(transfer):
        return
    mailbox = mailboxes.must_find(tx, transfer.account_id, MAILBOX)
    if transfer.view_uid is not None:
        messages.expunge(tx, mailbox.id, [transfer.view_uid])
    metadata.put(tx, transfer.account_id, MAILBOX, ENTRY + transfer.id, None)


def _is_short(transfer: Transfer) -> bool:
    """Whether the state is over before a person has read about it."""
    if transfer.state is State.CONNECTING:
        return True
    return transfer.state is State.TRANSFERRING and transfer.kind is Kind.MAIL


def _append(
    tx: Tx, account_id: int, mailbox_id: int, transfer: Transfer, now: float
) -> int:
    address = accounts.get(tx, account_id).address
    shown = compose.TransferFacts(
        id=transfer.id,
        state=transfer.state.value,
        recipient=transfer.recipient,
        name=transfer.name,
        size=transfer.size,
        octets=transfer.octets,
        reason=trouble(transfer),
        go_until=transfer.expires if transfer.state is State.PREPARED else None,
    )
    facts = compose.Facts(
        message_id=f"{transfer.id}.{int(now * 1000):x}@{address.domain}",
        now=now,
        trace=transfer.trace,
    )
    composed = compose.transfer_view(shown, address, facts)
    flags = [KEYWORD[transfer.state]]
    if transfer.held:
        flags.append("\\Flagged")
    if transfer.state not in _TOLD:
        flags.append("\\Seen")
    content_id = messages.add_small(
        tx, composed.octets, composed.structure, transfer.trace
    )
    return messages.append(tx, mailbox_id, content_id, flags, now)
