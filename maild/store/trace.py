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
    raise NotImplementedError


def story(tx: Tx, id_or_trace: str) -> list[TraceEvent]:
    """Return the events of a trace id, or of the trace a queue id belongs to."""
    raise NotImplementedError


def forget(tx: Tx, before: float) -> int:
    """Drop events older than ``before`` and return how many."""
    raise NotImplementedError
