# SPDX-License-Identifier: Apache-2.0
"""``maild queue ...``: transfers, looked at and moved by hand."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Annotated, Any

import typer

from maild.complaint import OperatorError
from maild.mail.plain import amount, span
from maild.mail.transfer import CLAIMABLE, FINAL, Event, IllegalTransitionError, State
from maild.operator import checkpoint
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
    show_one,
)
from maild.store import transfers
from maild.store.errors import NotFoundError
from maild.store.transfers import Transfer

app = typer.Typer(
    help="The queue: one transfer for each item and recipient.",
    callback=keep_config,
    no_args_is_help=True,
    rich_markup_mode=None,
)

IdsArgument = Annotated[list[str], typer.Argument(metavar="ID..")]
COLUMNS = (
    *("id", "kind", "state", "moved", "size", "pace"),
    *("due", "sender", "recipient", "trouble"),
)
HELD = "held"
"""What is shown in place of the state that a transfer is held in."""
SHOWN = (*(state.value for state in State), HELD)
FRESH = 10.0
"""Seconds for which a rate is believed after octets moved last."""


@app.command()
def ls(
    context: typer.Context,
    every: Annotated[bool, typer.Option("--all", help="Finished ones too.")] = False,
    state: Annotated[
        str | None,
        typer.Option(
            metavar="STATE",
            help=f"Only those in this state: {', '.join(SHOWN)}.",
        ),
    ] = None,
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """List transfers, oldest first; below them what is still arriving here.

    As JSON that is in `maild checkpoint ls`.
    """
    if state not in (None, *SHOWN):
        raise OperatorError(
            f"--state {state}: it is one of {', '.join(SHOWN)}", os.EX_USAGE
        )
    final = every or state in FINAL
    with opened(configuration(context, config).server) as records:
        found = records.read(transfers.everything, final=final)
        now = records.store.clock()
        arriving = [] if state else checkpoint.arriving(records)
    every_fact = (facts(transfer, now) for transfer in found)
    chosen = [each for each in every_fact if state in (None, each["state"])]
    if as_json:
        show_json(chosen)
        return
    if not chosen:
        print("the queue is empty")
    else:
        show([_for_people(each) for each in chosen], COLUMNS, as_json=False)
    if arriving:
        print("\nstill arriving here:")
        show(arriving, checkpoint.COLUMNS, as_json=False)


@app.command("show")
def show_transfer(
    context: typer.Context,
    transfer_id: Annotated[str, typer.Argument(metavar="ID")],
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Show everything that is known about a transfer."""
    with opened(configuration(context, config).server) as records:
        transfer = _get(records, transfer_id)
        now = records.store.clock()
    show_one(facts(transfer, now), as_json=as_json)


@app.command()
def hold(context: typer.Context, ids: IdsArgument, config: ConfigOption = None) -> None:
    """Keep transfers from being attempted."""

    def one(records: Records, transfer: Transfer) -> str:
        now = records.store.clock()
        records.write(transfers.hold, transfer.id, now, held=True)
        return "is held"

    _each(context, config, ids, one)


@app.command()
def release(
    context: typer.Context, ids: IdsArgument, config: ConfigOption = None
) -> None:
    """Let held transfers go again."""

    def one(records: Records, transfer: Transfer) -> str:
        now = records.store.clock()
        records.write(transfers.hold, transfer.id, now, held=False)
        return "is released"

    _each(context, config, ids, one)


@app.command()
def retry(
    context: typer.Context, ids: IdsArgument, config: ConfigOption = None
) -> None:
    """Attempt transfers now instead of when they are due."""

    def one(records: Records, transfer: Transfer) -> str:
        if not records.write(transfers.hasten, transfer.id, records.store.clock()):
            raise OperatorError(
                f"{transfer.id} is {transfer.state}: there is no due time"
            )
        return "is due now"

    _each(context, config, ids, one)


@app.command()
def rm(context: typer.Context, ids: IdsArgument, config: ConfigOption = None) -> None:
    """Cancel transfers; what has been sent cannot be taken back."""

    def one(records: Records, transfer: Transfer) -> str:
        now = records.store.clock()
        records.write(transfers.advance, transfer.id, Event.CANCEL, now)
        return "is cancelled"

    _each(context, config, ids, one)


def facts(transfer: Transfer, now: float) -> dict[str, Any]:
    """Return what an operator may see: no nonce, no ticket.

    ``octets`` the next hop has acknowledged; ``rate`` octets a second and ``left``
    seconds, or null while nothing moves; ``confirm`` seconds in which its sender has to
    say go once it is prepared, or null.
    """
    is_moving = transfer.rate > 0 and now - transfer.changed <= FRESH
    left = (transfer.size - transfer.octets) / transfer.rate if is_moving else None
    is_held = transfer.held and transfer.state not in FINAL
    return {
        "id": transfer.id,
        "kind": transfer.kind.value,
        "state": HELD if is_held else transfer.state.value,
        "sender": str(transfer.sender or "<>"),
        "recipient": str(transfer.recipient),
        "octets": transfer.octets,
        "size": transfer.size,
        "percent": 100 * transfer.octets // transfer.size if transfer.size else None,
        "rate": round(transfer.rate) if is_moving else None,
        "left": None if left is None else round(left),
        "attempts": transfer.attempts,
        "due": moment(transfer.due) if _has_due_time(transfer) else None,
        "expires": moment(transfer.expires),
        "confirm": round(transfer.confirm) or None,
        "created": moment(transfer.created),
        "changed": moment(transfer.changed),
        "finished": moment(transfer.finished),
        "status": transfer.status,
        "reply": transfer.reply,
        "relay": transfer.relay,
        "item": transfer.item_id,
        "trace": transfer.trace,
    }


def _has_due_time(transfer: Transfer) -> bool:
    """Whether a clock says when it is due; of a live item nobody can."""
    return transfer.state in CLAIMABLE and transfer.due < transfers.WHEN_CLOSED


def _for_people(fact: dict[str, Any]) -> dict[str, Any]:
    """Add what `ls` shows: sizes as people read them, a reply only if it is bad."""
    went_well = fact["status"].startswith("2.")
    moved = amount(fact["octets"])
    if 0 < fact["octets"] < fact["size"]:
        moved += f" {fact['percent']} %"
    return {
        **fact,
        "moved": moved,
        "size": amount(fact["size"]),
        "pace": _pace(fact),
        "trouble": "" if went_well else fact["reply"],
    }


def _pace(fact: dict[str, Any]) -> str:
    if fact["rate"] is None:
        return ""
    return f"{amount(fact['rate'])}/s, {span(fact['left'])} left"


def _get(records: Records, transfer_id: str) -> Transfer:
    try:
        return records.read(transfers.get, transfer_id)
    except NotFoundError as error:
        raise OperatorError(
            f"{transfer_id}: no such transfer; `maild queue ls --all` shows all",
            os.EX_NOINPUT,
        ) from error


def _each(
    context: typer.Context,
    config: ConfigOption,
    ids: list[str],
    one: Callable[[Records, Transfer], str],
) -> None:
    """Do ``one`` to each transfer; look all of them up before touching the first."""
    with opened(configuration(context, config).server) as records:
        named = [_get(records, each) for each in ids]
        for transfer in named:
            if transfer.state in FINAL:
                raise OperatorError(f"{transfer.id} is {transfer.state} already")
        for transfer in named:
            try:
                done = one(records, transfer)
            except IllegalTransitionError as error:
                raise OperatorError(f"{transfer.id}: {error}") from error
            print(f"{transfer.id} {done}")
