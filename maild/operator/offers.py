# SPDX-License-Identifier: Apache-2.0
"""``maild offers ...``: what was offered here, passed on, or refused."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any

import typer

from maild.mail.offer import Offer
from maild.mail.plain import amount
from maild.operator.console import (
    ConfigOption,
    JsonOption,
    configuration,
    keep_config,
    moment,
    opened,
    show,
    show_json,
)
from maild.store import consent, passages, refusals
from maild.store.index import Tx
from maild.store.passages import Passage
from maild.store.refusals import Refusal

app = typer.Typer(
    help="Offers: made to accounts here, passed on as a rendezvous, or refused.",
    callback=keep_config,
    no_args_is_help=True,
    rich_markup_mode=None,
)

COLUMNS = ("at", "where", "outcome", "id", "sender", "recipient", "name", "size")


class Where(StrEnum):
    """What this server did with an offer."""

    HERE = "here"
    """It was made to one of its accounts."""
    PASSED = "passed"
    """It was passed on, as a rendezvous."""
    REFUSED = "refused"


@app.command()
def ls(
    context: typer.Context,
    where: Annotated[
        Where | None,
        typer.Option(metavar="WHERE", help=f"Only those: {', '.join(Where)}."),
    ] = None,
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """List offers with their outcome, newest first.

    Of refused ones the latest thousand, with the cause and the reply that their senders
    got.  Those passed on stay until their time is over.
    """
    with opened(configuration(context, config).server) as records:
        found = records.read(_everything, records.store.clock())
    chosen = [each for each in found if where in (None, each["where"])]
    if as_json:
        show_json([{**each, "at": moment(each["at"])} for each in chosen])
    elif not chosen:
        print("there are no offers")
    else:
        show([_for_people(each) for each in chosen], COLUMNS, as_json=False)


def _everything(tx: Tx, now: float) -> list[dict[str, Any]]:
    found = [_here(*each) for each in consent.everyones(tx, now)]
    found += [_passed(each, now) for each in passages.everything(tx)]
    found += map(_refused, refusals.everything(tx))
    return sorted(found, key=lambda each: each["at"], reverse=True)


def _here(offer: Offer, state: str) -> dict[str, Any]:
    return {
        "at": float(offer.created),
        "where": Where.HERE.value,
        "outcome": state,
        "id": offer.id,
        "sender": str(offer.sender),
        "recipient": str(offer.recipient),
        "name": offer.name,
        "size": offer.size,
        "reply": "",
        "via": offer.rendezvous or "",
        "trace": offer.trace,
    }


def _passed(passage: Passage, now: float) -> dict[str, Any]:
    return {
        "at": passage.created,
        "where": Where.PASSED.value,
        "outcome": passage.stands(now),
        "id": passage.offer_id,
        "sender": str(passage.sender),
        "recipient": str(passage.recipient),
        "name": passage.name,
        "size": passage.size,
        "reply": "",
        "via": "",
        "trace": passage.trace,
    }


def _refused(refusal: Refusal) -> dict[str, Any]:
    return {
        "at": refusal.at,
        "where": Where.REFUSED.value,
        "outcome": refusal.cause,
        "id": refusal.offer_id,
        "sender": refusal.sender,
        "recipient": refusal.recipient,
        "name": refusal.name,
        "size": refusal.size,
        "reply": refusal.reply,
        "via": "",
        "trace": refusal.trace,
    }


def _for_people(record: dict[str, Any]) -> dict[str, Any]:
    size = record["size"]
    outcome = record["outcome"]
    if record["reply"]:
        outcome = f"{outcome} ({record['reply'].split(' ')[1]})"
    return {
        **record,
        "at": moment(record["at"]),
        "outcome": outcome,
        "size": None if size is None else amount(size),
    }
