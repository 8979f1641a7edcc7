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


def story(tx: Tx, id_or_trace: str) -> list[TraceEvent]:
    """Return the events of a trace id, or of the trace a queue id belongs to."""
    trace = tx.value(
        """SELECT trace FROM trace_event WHERE subject = ?1
        UNION ALL SELECT trace FROM transfer WHERE id = ?1
        UNION ALL SELECT trace FROM item WHERE id = ?1
        UNION ALL SELECT ?1 LIMIT 1""",
        id_or_trace,
    )
    rows = tx.all(
        """SELECT at, trace, subject, station, text, id FROM trace_event
            WHERE trace = ?1
        UNION ALL SELECT at, trace, offer_id, 'smtpd',
            'offer refused (' || cause || '): ' || reply, id FROM refused_offer
            WHERE trace = ?1
        ORDER BY at, id""",
        trace,
    )
    return [TraceEvent(*row[:5]) for row in rows]


def forget(tx: Tx, before: float) -> int:
    """Drop events older than ``before`` and return how many."""
    return tx.run("DELETE FROM trace_event WHERE at < ?1", before)
