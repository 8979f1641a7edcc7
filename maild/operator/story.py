# SPDX-License-Identifier: Apache-2.0
"""``maild trace`` and ``maild explain``: what happened, and what a code means."""

from __future__ import annotations

import os
from typing import Annotated

import typer
from rich.text import Text

from maild.complaint import OperatorError
from maild.mail import codes
from maild.operator.console import (
    ConfigOption,
    JsonOption,
    configuration,
    moment,
    opened,
    output,
    show,
    show_json,
)
from maild.store import trace as traces


def trace(
    context: typer.Context,
    which: Annotated[str, typer.Argument(metavar="ID")],
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Tell the story of a transfer or a trace id, hop by hop."""
    with opened(configuration(context, config).server) as records:
        story = records.read(traces.story, which)
    if not story:
        raise OperatorError(
            f"{which}: nothing is known here; give the whole id of a transfer or trace",
            os.EX_NOINPUT,
        )
    events = [
        {
            "at": moment(event.at),
            "trace": event.trace,
            "id": event.subject,
            "station": event.station,
            "event": event.text,
        }
        for event in story
    ]
    show(events, ["at", "station", "id", "event"], as_json=as_json)


def explain(
    code: Annotated[
        str | None, typer.Argument(metavar="CODE", help="Such as 5.7.1.")
    ] = None,
    as_json: JsonOption = False,
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
