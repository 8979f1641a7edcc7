# SPDX-License-Identifier: GPL-3.0-only
"""``mshare explain``: what a status code means, without asking anybody."""

from __future__ import annotations

import textwrap
from typing import Annotated

import typer

from maild.mail.codes import explain as meaning_of
from terminal_client import errors, screen
from terminal_client.screen import JsonOption


def explain(
    code: Annotated[
        list[str],
        typer.Argument(metavar="CODE...", help="Such as 5.7.1, or a whole reply."),
    ],
    as_json: JsonOption = False,
) -> None:
    """Explain a status code and say what to do; works offline."""
    found = meaning_of(" ".join(code))
    if found is None:
        raise errors.NoInputError(
            f"{' '.join(code)!r} holds no code that is known here; "
            "codes look like 5.7.1 (RFC 3463)"
        )
    number, meaning = found
    if as_json:
        screen.dump(
            {
                "code": number,
                "title": meaning.title,
                "means": meaning.means,
                "do": meaning.do,
            }
        )
        return
    screen.say(f"{number}  {meaning.title}")
    for text in (meaning.means, meaning.do):
        screen.say(textwrap.fill(text, 76, initial_indent="  ", subsequent_indent="  "))
