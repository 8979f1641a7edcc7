# SPDX-License-Identifier: Apache-2.0
"""``maild trace`` and ``maild explain``: what happened, and what a code means."""

from __future__ import annotations

import os
from typing import Annotated, Final

import typer
from rich.text import Text

from maild.complaint import OperatorError
from maild.mail import codes
from maild.mail.transfer import Event
from maild.operator.console import (
    ConfigOption,
    JsonOption,
    Records,
    configuration,
    moment,
    opened,
    output,
    show,
    show_json,
)
from maild.store import trace as traces

SAID: Final[dict[str, str]] = {
    Event.CLAIM: "taken up",
    Event.OFFER_TAKEN: "offer delivered",
    Event.ACCEPT: "accepted",
    Event.DECLINE: "declined",
    Event.EXPIRE: "expired",
    Event.PREPARE: "prepared",
    Event.GO: "let go by its sender",
    Event.CONTENT_STARTS: "content begins to move",
    Event.DELIVER: "delivered",
    Event.FAIL_FOR_NOW: "put off",
    Event.FAIL_FOR_GOOD: "given up",
    Event.CANCEL: "cancelled",
    Event.RELEASE_CLAIM: "attempt broken off",
}
LEAST = 4
"""Characters of the beginning of an id that it is found by."""


def trace(
    context: typer.Context,
    which: Annotated[
        str,
        typer.Argument(metavar="ID", help="Of a transfer, an offer, an item, a trace."),
    ],
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Tell the story of a transfer, as far as this server has seen it, hop by hop.

    Four characters that an id begins with are enough, if no other one does.
    """
    with opened(configuration(context, config).server) as records:
        story = records.read(traces.story, _whole(records, which))
    if not story:
        raise OperatorError(
            f"{which}: nothing is known of it here; `maild queue ls --all` and"
            " `maild offers ls` show ids",
            os.EX_NOINPUT,
        )
    said = str if as_json else _for_people
    events = [
        {
            "at": moment(event.at),
            "trace": event.trace,
            "id": event.subject,
            "station": event.station,
            "event": said(event.text),
        }
        for event in story
    ]
    show(events, ["at", "station", "id", "event"], as_json=as_json)


def _for_people(text: str) -> str:
    """Return an event's text; what the table of a transfer calls it, in plain words."""
    word, _, rest = text.partition(" ")
    if word not in SAID:
        return text
    return f"{SAID[word]}: {rest}" if rest else SAID[word]


def _whole(records: Records, which: str) -> str:
    """Return the id that begins with ``which``; ``which``, if none or it is whole."""
    found = records.read(traces.named, which) if len(which) >= LEAST else []
    if which in found or not found:
        return which
    if len(found) > 1:
        raise OperatorError(
            f"{which}: {len(found)} ids begin so; give more of it", os.EX_NOINPUT
        )
    return found[0]


def explain(
    code: Annotated[
        str | None, typer.Argument(metavar="CODE", help="Such as 5.7.1.")
    ] = None,
    as_json: JsonOption = False,
    config: ConfigOption = None,  # as every verb; nothing of it is needed
) -> None:
    """Explain a status code and what to do; list all.

    Without CODE all codes are listed that this server can give; it works offline.
    """
    if code is None:
        known = [
            {"code": c, "title": m.title} for c, m in sorted(codes.MEANINGS.items())
        ]
        show(known, ["code", "title"], as_json=as_json)
        return
    meaning = codes.explain(code)
    if meaning is None:
        raise OperatorError(
            f"{code}: no such code is given here; `maild explain` shows all",
            os.EX_NOINPUT,
        )
    found, said = meaning
    if as_json:
        show_json(
            {"code": found, "title": said.title, "means": said.means, "do": said.do}
        )
        return
    output().print(Text(f"{found}  {said.title}", style="bold"))
    output().print(Text(f"{said.means}\n{said.do}"), soft_wrap=not output().is_terminal)
