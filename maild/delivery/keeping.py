# SPDX-License-Identifier: Apache-2.0
"""The last way of content: to the rendezvous, which keeps it for a server that is away.

Only once no other way has been open for as long as the operator wants, never before the
sender's go.  The rendezvous takes it as that server would, by the same proof and the
same octets; whatever it refuses is no answer of the recipient's.
"""

from __future__ import annotations

from dataclasses import replace

from maild.delivery.client import Session, Tls
from maild.delivery.work import Means
from maild.mail.reply import Reply, ReplyError
from maild.store.transfers import Transfer
from maild.wire.smtp import RSET


def way(via: str) -> str:
    """Return what the delivery line and ``status`` call it."""
    return f"kept@{via}"


def is_time(transfer: Transfer, means: Means) -> bool:
    """Whether its server has been away for so long that it may be kept elsewhere."""
    after = means.settings.relay_after
    if not (after and transfer.via) or transfer.confirm or transfer.away is None:
        return False
    return means.store.clock() - transfer.away >= after


async def connect(transfer: Transfer, means: Means) -> Session:
    """Return a session with the rendezvous; raise `ReplyError`, always temporary."""
    route = await means.router.find(transfer.via)
    level = Tls.MAY if route.peer.plain else Tls.TRUSTED
    try:
        session = await means.client.connect(route, level)
    except ReplyError as error:
        raise ReplyError(temporary(error.reply, transfer)) from error
    return replace(session, via=way(transfer.via), keeps=True)


def temporary(reply: Reply, transfer: Transfer) -> Reply:
    """Return why the rendezvous does not keep it as a reason to try again."""
    if not reply.is_permanent:
        return reply
    text = f"{transfer.via} does not keep it: {reply.text}"
    return Reply(451, reply.detail or "4.4", text)


async def take_back(session: Session) -> None:
    """Let the rendezvous forget what it has a part of: it goes another way now.

    RFC 5321 §4.1.1.5.
    """
    await session.channel.ask(RSET, "after RSET")
