# SPDX-License-Identifier: Apache-2.0
"""``maild checkpoint ...``: messages that were cut short and can go on."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from maild.mail.plain import amount
from maild.operator.console import (
    ConfigOption,
    JsonOption,
    Records,
    configuration,
    keep_config,
    moment,
    opened,
    show,
    show_json,
)
from maild.store import checkpoints
from maild.store.checkpoints import Listed

app = typer.Typer(
    help="Checkpoints: arriving messages that go on where they were cut short.",
    callback=keep_config,
    no_args_is_help=True,
    rich_markup_mode=None,
)

COLUMNS = ("id", "kind", "state", "landed", "size", "grew", "sender", "recipient")


@app.command()
def ls(
    context: typer.Context,
    every: Annotated[
        bool, typer.Option("--all", help="Those too whose end is only remembered.")
    ] = False,
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """List checkpoints, oldest first.

    With --all also what has arrived, and whose last reply would be given again.
    """
    with opened(configuration(context, config).server) as records:
        listed = [facts(each) for each in records.read(checkpoints.everything)]
    found = [each for each in listed if every or each["state"] == "arriving"]
    if as_json:
        show_json(found)
    elif not found:
        print("there are no checkpoints")
    else:
        show([_for_people(each) for each in found], COLUMNS, as_json=False)


def arriving(records: Records) -> list[dict[str, Any]]:
    """Return, for people, what can be gone on with."""
    found = map(facts, records.read(checkpoints.everything))
    return [_for_people(each) for each in found if each["state"] == "arriving"]


def facts(listed: Listed) -> dict[str, Any]:
    """Return what an operator may see."""
    checkpoint, envelope = listed.checkpoint, listed.checkpoint.envelope
    return {
        "id": checkpoint.message_id,
        "kind": envelope.kind.value,
        "state": "arriving" if checkpoint.final_reply is None else "kept",
        "sender": envelope.sender,
        "recipient": envelope.recipient,
        "octets": listed.octets,
        "size": envelope.size,
        "created": moment(listed.created),
        "grew": moment(listed.touched),
        "expires": moment(listed.touched + checkpoint.lifetime),
    }


def _for_people(fact: dict[str, Any]) -> dict[str, Any]:
    size = fact["size"]
    landed = "" if fact["state"] == "kept" else amount(fact["octets"])
    return {**fact, "landed": landed, "size": "" if size is None else amount(size)}
