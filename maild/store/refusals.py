# SPDX-License-Identifier: Apache-2.0
"""Jobs on offers that were refused: the latest are remembered, for the operator."""

from __future__ import annotations

from dataclasses import astuple, dataclass

from maild.store.index import Tx

REMEMBERED = 1000
"""Refusals that are listed; whoever sends more of them fills nothing."""
LONGEST = 300
"""Characters of one foreign text that are kept."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """One offer that was refused; texts are the sender's words."""

    at: float
    offer_id: str
    sender: str
    recipient: str
    name: str
    size: int | None
    """Octets that were offered; None when it could not be read."""
    cause: str
    """`maild.mail.monitor.Cause`."""
    reply: str
    trace: str


_COLUMNS = "at, offer_id, sender, recipient, name, size, cause, reply, trace"


def note(tx: Tx, refusal: Refusal) -> None:
    """Remember a refusal, instead of the oldest one; `maild.store.trace` tells it."""
    values = [v[:LONGEST] if isinstance(v, str) else v for v in astuple(refusal)]
    number = tx.insert(
        f"""INSERT INTO refused_offer ({_COLUMNS})
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)""",  # noqa: S608 - ours
        *values,
    )
    tx.run("DELETE FROM refused_offer WHERE id <= ?1", number - REMEMBERED)


def everything(tx: Tx) -> list[Refusal]:
    """Return what is remembered, newest first."""
    rows = tx.all(f"SELECT {_COLUMNS} FROM refused_offer ORDER BY id DESC")  # noqa: S608 - ours
    return [Refusal(*row) for row in rows]
