# SPDX-License-Identifier: Apache-2.0
"""The messages by which numbers ask and answer, put where their readers look."""

from __future__ import annotations

from collections.abc import Sequence

from maild.mail.address_request import (
    RESPONSE_KEYWORD,
    AddressRequest,
    AddressResponse,
    request_message,
    response_message,
)
from maild.mail.letter import Facts
from maild.store import mailboxes, messages, quota, trace
from maild.store.accounts import Account
from maild.store.index import Tx
from maild.store.trace import TraceEvent


def file(
    tx: Tx,
    account: Account,
    request: AddressRequest,
    mailbox: str,
    flags: tuple[str, ...],
    now: float,
) -> int:
    """Put a request into a mailbox of the number that is asked."""
    message_id = f"{request.id}.{request.sender.local[1:]}@{account.address.domain}"
    composed = request_message(request, Facts(message_id, now, request.trace))
    content_id = messages.add_small(
        tx, composed.octets, composed.structure, request.trace
    )
    _append(tx, account.id, mailbox, content_id, flags, now)
    quota.check(tx, account.id)
    return content_id


def waits_with_another(
    tx: Tx, asking_id: int, asked_id: int, request: AddressRequest
) -> bool:
    """Let a request be decided with one that the asked number can still see, if any."""
    return (
        tx.run(
            """UPDATE address_request SET expires = max(expires, ?4)
            WHERE asking = ?1 AND asked = ?2 AND id <> ?3 AND state = 'open'
                AND EXISTS (SELECT 1 FROM message
                    JOIN mailbox ON mailbox.id = mailbox_id
                    WHERE message.content_id = address_request.content_id
                        AND account_id = ?2)""",
            asking_id,
            asked_id,
            request.id,
            request.expires,
        )
        > 0
    )


def _append(
    tx: Tx,
    account_id: int,
    mailbox: str,
    content_id: int,
    flags: tuple[str, ...],
    now: float,
) -> None:
    place = mailboxes.find(tx, account_id, mailbox)
    if place is None:  # the user has removed it; INBOX is always there
        place = mailboxes.must_find(tx, account_id, "INBOX")
    messages.append(tx, place.id, content_id, flags, now)


def answer(tx: Tx, asking: Account, response: AddressResponse, now: float) -> None:
    """File a response in the INBOX of the number that has asked."""
    message_id = f"{response.request_id}.answer@{asking.address.domain}"
    composed = response_message(response, Facts(message_id, now, response.trace))
    content_id = messages.add_small(
        tx, composed.octets, composed.structure, response.trace
    )
    _append(tx, asking.id, "INBOX", content_id, (RESPONSE_KEYWORD,), now)
    tx.run(
        "UPDATE address_request SET answer = ?3 WHERE asking = ?1 AND id = ?2",
        asking.id,
        response.request_id,
        content_id,
    )
    verdict = "told" if response.accepted else "not told"
    who = response.recipient.local
    tell(tx, response.request_id, response.trace, f"address of {who} {verdict}", now)


def is_answered(tx: Tx, asking_id: int, request_id: str) -> bool:
    """Whether the response to a request lies where `answer` has put it."""
    found = tx.value(
        r"""SELECT 1 FROM address_request
            JOIN message ON message.content_id = answer
            JOIN mailbox ON mailbox.id = mailbox_id
        WHERE asking = ?1 AND address_request.id = ?2 AND account_id = ?1
            AND name = 'INBOX' AND ' ' || flags || ' ' NOT LIKE '% \Deleted %'""",
        asking_id,
        request_id,
    )
    return found is not None


def release(tx: Tx, rows: Sequence[Sequence[int | None]]) -> None:
    """Give back what requests have held: one content id, or None, a row."""
    for (content_id,) in rows:
        if content_id is not None:
            messages.release_content(tx, content_id)


def tell(tx: Tx, request_id: str, trace_id: str, text: str, now: float) -> None:
    """Keep what happened for ``maild trace``."""
    trace.note(tx, TraceEvent(now, trace_id, request_id, "rendezvous", text))
