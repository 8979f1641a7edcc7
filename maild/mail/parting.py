# SPDX-License-Identifier: Apache-2.0
"""What somebody is told when content that he waits for will not come."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from maild.mail import build, plain
from maild.mail.address import Address
from maild.mail.build import Composed
from maild.mail.header import (
    address_field,
    date_field,
    field,
    message_id_field,
    printable,
)
from maild.mail.letter import Facts


class Cause(StrEnum):
    """Why it does not come."""

    WITHDRAWN = "withdrawn"
    """Its sender took the offer back before it was answered."""
    STOPPED = "stopped"
    """Its sender gave up what had been accepted."""
    LOST = "lost"
    """Nothing of what had been accepted came any more."""
    UPLOAD = "upload"
    """An upload of one's own was never gone on with."""


@dataclass(frozen=True, slots=True)
class Parting:
    """What does not come; ``landed`` of its ``size`` octets had arrived."""

    cause: Cause
    name: str
    sender: Address
    size: int | None
    """None: it was still being recorded."""
    landed: int = 0


def parting_notice(
    parting: Parting, account: Address, hostname: str, facts: Facts
) -> Composed:
    """Return what tells ``account`` about it; nobody can answer it (RFC 3834 §5)."""
    fields = [
        date_field(facts.now),
        address_field(
            "From", Address("mailer-daemon", hostname), "Mail Delivery System"
        ),
        address_field("To", account),
        message_id_field(facts.message_id),
        field("Maild-Trace", facts.trace),
        field("Subject", _subject(parting)),
        field("Auto-Submitted", "auto-generated"),
    ]
    return build.write(fields, build.text_leaf(_text(parting)), facts.message_id)


def _subject(parting: Parting) -> str:
    name = plain.short(parting.name)
    match parting.cause:
        case Cause.WITHDRAWN:
            return f"{parting.sender} has withdrawn {name}"
        case Cause.STOPPED:
            return f"{parting.sender} has stopped sending {name}"
        case Cause.LOST:
            return f"Not arrived: {name} from {parting.sender}"
        case Cause.UPLOAD:
            return f"Not uploaded: {name}"


def _what_happened(parting: Parting) -> str:
    match parting.cause:
        case Cause.WITHDRAWN:
            return f"{parting.sender} has withdrawn the offer of:"
        case Cause.STOPPED:
            return f"{parting.sender} has stopped sending you:"
        case Cause.LOST:
            return f"What you accepted from {parting.sender} has not arrived in time:"
        case Cause.UPLOAD:
            return "You began to upload this, and did not go on with it:"


def _text(parting: Parting) -> str:
    said = _what_happened(parting)
    landed = plain.amount(parting.landed)
    lines = [said, "", f"    {printable(parting.name) or 'unnamed'}"]
    if parting.size is not None:
        lines.append(f"    {plain.amount(parting.size)}")
        landed = f"{landed} of {plain.amount(parting.size)}"
    lines.append("")
    if parting.landed:
        lines.append(f"What had arrived ({landed}) was removed.")
    elif parting.cause is Cause.WITHDRAWN:
        lines.append("There is nothing left to answer; nothing was transferred.")
    else:
        lines.append("Nothing of it is kept here.")
    if parting.cause is Cause.UPLOAD:
        lines.append("To have it here, upload it again.")
    else:
        lines.append(f"If you still want it, ask {parting.sender} to send it again.")
    return "\n".join(lines)
