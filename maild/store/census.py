# SPDX-License-Identifier: Apache-2.0
"""One job that counts: what an operator's gauges show."""

from __future__ import annotations

from dataclasses import dataclass

from maild.mail.transfer import State
from maild.store.index import Tx


@dataclass(frozen=True, slots=True)
class Census:
    """``transfers`` by state, every state named; ``stored`` in octets."""

    transfers: dict[str, int]
    growing: int
    stored: int


def count(tx: Tx) -> Census:
    """Count transfers and blobs."""
    rows = tx.all("SELECT state, count(*) FROM transfer GROUP BY state")
    found = {str(state): int(number) for state, number in rows}
    growing = tx.value("SELECT count(*) FROM blob WHERE sealed = 0")
    stored = tx.value("SELECT coalesce(sum(durable), 0) FROM blob")
    return Census({s.value: found.get(s.value, 0) for s in State}, growing, stored)
