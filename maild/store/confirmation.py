# SPDX-License-Identifier: Apache-2.0
"""Jobs on transfers whose content waits for the sender's go (seed 216, 217).

What was asked for is a column of the transfer until go is said: an attempt that was
claimed with it sends no content, whatever happens meanwhile; after a kill it is still
there, or go was recorded.
"""

from __future__ import annotations

from dataclasses import replace

from maild.mail.reply import Reply
from maild.mail.transfer import FINAL, Event, State
from maild.store import trace, transfer_view
from maild.store.index import Tx
from maild.store.trace import TraceEvent
from maild.store.transfer_moves import advance
from maild.store.transfer_records import Transfer, get, update


def prepared(
    tx: Tx, transfer_id: str, now: float, reply: Reply, relay: str
) -> Transfer:
    """Record that the next hop would take the content, as ``reply`` says.

    From now on there is a deadline for go; where it was said meanwhile, the transfer
    is due.
    """
    transfer = get(tx, transfer_id)
    if not transfer.confirm:
        return advance(tx, transfer_id, Event.GO, now, reply=reply, relay=relay)
    if transfer.state is State.CONNECTING:
        until = min(transfer.expires, now + transfer.confirm)
        update(tx, replace(transfer, expires=until, lasts=transfer.expires))
    return advance(tx, transfer_id, Event.PREPARE, now, reply=reply, relay=relay)


def go(tx: Tx, transfer_id: str, now: float) -> bool:
    """Let the content go; False (and nothing changes) where nobody waits for that.

    Said before the next hop was asked, it is not waited for then.
    """
    transfer = get(tx, transfer_id)
    if not transfer.confirm or transfer.state in FINAL:
        return False
    expires = transfer.expires if transfer.lasts is None else transfer.lasts
    transfer = replace(transfer, confirm=0.0, expires=expires, lasts=None)
    update(tx, transfer)
    if transfer.state is State.PREPARED:
        advance(tx, transfer_id, Event.GO, now)
    else:
        transfer_view.show_numbers(tx, transfer)
        event = "go, before it was prepared"
        trace.note(tx, TraceEvent(now, transfer.trace, transfer.id, "queue", event))
    return True
