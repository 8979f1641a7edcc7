# SPDX-License-Identifier: Apache-2.0
"""Jobs on the story of a trace: what happened to it, hop by hop."""

from __future__ import annotations

from dataclasses import dataclass

from maild.store.index import Tx


@dataclass(frozen=True, slots=True)
class TraceEvent:
    """One thing that happened; ``at`` in Unix seconds."""

    at: float
    trace: str
    subject: str
    station: str
    text: str


def note(tx: Tx, event: TraceEvent) -> None:
    """Keep an event."""
    tx.run(
        """INSERT INTO trace_event (at, trace, subject, station, text)
        VALUES (?1, ?2, ?3, ?4, ?5)""",
        event.at,
        event.trace,
        event.subject,
        event.station,
        event.text,
    )


def named(tx: Tx, beginning: str) -> list[str]:
    """Return the ids that begin so: of transfers, items and offers, and traces."""
    rows = tx.all(
        """WITH known (id) AS (
            SELECT subject FROM trace_event UNION ALL SELECT trace FROM trace_event
            UNION ALL SELECT id FROM transfer UNION ALL SELECT id FROM item
            UNION ALL SELECT id FROM offer UNION ALL SELECT offer_id FROM passage
            UNION ALL SELECT offer_id FROM refused_offer
            UNION ALL SELECT trace FROM refused_offer)
        SELECT DISTINCT id FROM known WHERE id >= ?1 AND id < ?1 || char(0x10FFFF)
        ORDER BY id""",
        beginning,
    )
    return [found for (found,) in rows]


def story(tx: Tx, id_or_trace: str) -> list[TraceEvent]:
    """Return the events of a trace id, or of the traces that another id belongs to.

    An offer's id is its sender's word: two of them may have chosen the same.
    """
    rows = tx.all(
        """WITH told (trace) AS (
            SELECT ?1 UNION SELECT trace FROM trace_event WHERE subject = ?1
            UNION SELECT trace FROM transfer WHERE id = ?1
            UNION SELECT trace FROM item WHERE id = ?1
            UNION SELECT trace FROM offer WHERE id = ?1
            UNION SELECT trace FROM passage WHERE offer_id = ?1
            UNION SELECT trace FROM refused_offer WHERE offer_id = ?1)
        SELECT at, trace, subject, station, text, id FROM trace_event
            WHERE trace IN told
        UNION ALL SELECT at, trace, offer_id, 'smtpd',
            'offer refused (' || cause || '): ' || reply, id FROM refused_offer
            WHERE trace IN told
        ORDER BY at, id""",
        id_or_trace,
    )
    return [TraceEvent(*row[:5]) for row in rows]


def forget(tx: Tx, before: float) -> int:
    """Drop events older than ``before`` and return how many."""
    return tx.run("DELETE FROM trace_event WHERE at < ?1", before)
