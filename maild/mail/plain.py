# SPDX-License-Identifier: Apache-2.0
"""What our messages say to a person: the wording, plain and as HTML."""

from __future__ import annotations

import json
import re
from html import escape
from typing import Any

from maild.mail.header import date, printable
from maild.mail.offer import Answer, Offer, Withdrawal

SHORT = 100
"""Characters of a file name in a Subject."""
_HIDDEN = re.compile("[\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")
"""What JSON may hold as it is, and a screen takes for a command (CWE-150)."""


def json_text(value: Any, indent: int | None = None) -> str:
    """Return JSON for programs, which does no harm to a screen either."""
    text = json.dumps(value, ensure_ascii=False, indent=indent)
    return _HIDDEN.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def amount(octets: int) -> str:
    """Return a size for people, decimal units: ``1.2 GB``."""
    if octets < 1000:
        return "1 octet" if octets == 1 else f"{octets} octets"
    size, units = octets / 1000, ["PB", "TB", "GB", "MB", "kB"]
    while size >= 999.5 and len(units) > 1:
        size /= 1000
        units.pop()
    shown = f"{size:.0f}" if size >= 100 else f"{size:.1f}"
    return f"{shown} {units[-1]}"


def span(seconds: float) -> str:
    """Return a time for people: ``42 s``, ``3 min 5 s``, ``2 h``, ``3 d 4 h``."""
    rest = max(1, round(seconds))
    units = (("d", 86400), ("h", 3600), ("min", 60), ("s", 1))
    first = next(n for n, (_, size) in enumerate(units) if rest >= size)
    parts: list[str] = []
    for name, size in units[first : first + 2]:
        count, rest = divmod(rest, size)
        if count:
            parts.append(f"{count} {name}")
    return " ".join(parts)


def short(name: str) -> str:
    """Return a file name short enough for one line; its end (the type) stays."""
    name = printable(name) or "unnamed"
    return name if len(name) <= SHORT else f"{name[: SHORT - 20]}…{name[-19:]}"


def media_type(text: str, *, binary: bool = False) -> str:
    """Return ``text`` if it is a media type that a part of ours may have.

    text/* must have CRLF line ends (RFC 3030 §3) and message/* may not be encoded
    (RFC 2046 §5.2): as raw octets they travel as application/octet-stream.
    """
    text = text.lower()
    if not re.fullmatch(r"[a-z0-9!#$&^_.+-]{1,127}/[a-z0-9!#$&^_.+-]{1,127}", text):
        return "application/octet-stream"
    if binary and text.split("/")[0] in ("text", "message", "multipart"):
        return "application/octet-stream"
    return text


def offer_text(offer: Offer) -> str:
    """Return what an offer says."""
    return "\n".join(
        [
            f"{offer.sender} would like to send you:",
            "",
            f"    {printable(offer.name)}",
            f"    {amount(offer.size)} ({offer.size} octets), {offer.type}",
            "",
            *_quoted(offer.note),
            "Nothing has been transferred yet. To get it, move this message into the",
            "folder Accepted; if you do not want it, move it into the folder Declined.",
            "Deleting this message answers nothing.",
            "",
            f"The offer is open until {date(offer.expires)}.",
        ]
    )


def offer_html(offer: Offer, image: str | None) -> str:
    """Return the same as HTML; ``image`` is the Content-ID of a thumbnail."""
    shown = f'<p><img src="cid:{escape(image)}" alt=""></p>\n' if image else ""
    note = _html(_clean(offer.note)).replace("\n", "<br>\n")
    said = f"<blockquote>{note}</blockquote>\n" if note else ""
    size = f"{amount(offer.size)} ({offer.size} octets)"
    return (
        "<!DOCTYPE html>\n<html><body>\n"
        f"<p>{_html(str(offer.sender))} would like to send you:</p>\n{shown}"
        f"<p><bdi><b>{_html(printable(offer.name))}</b></bdi><br>\n"
        f"{size}, {_html(offer.type)}</p>\n{said}"
        "<p>Nothing has been transferred yet. To get it, move this message into the "
        "folder <b>Accepted</b>;\nif you do not want it, move it into the folder "
        "<b>Declined</b>.\nDeleting this message answers nothing.</p>\n"
        f"<p>The offer is open until {date(offer.expires)}.</p>\n</body></html>\n"
    )


def _html(text: str) -> str:
    """Return ``text`` as it stands between tags."""
    return escape(text, quote=False)


def answer_text(answer: Answer) -> str:
    """Return what an answer says."""
    said = "accepts" if answer.accepted else "declines"
    if answer.refused:
        return (
            f"The offer {answer.offer_id} did not reach {answer.recipient}:\n\n"
            f"    {printable(answer.refused)}"
        )
    lines = [f"{answer.recipient} {said} the offer {answer.offer_id}."]
    if answer.accepted:
        lines += [
            "",
            f"Up to {answer.size} octets may be sent until {date(answer.expires)}.",
        ]
    return "\n".join(lines)


def withdrawal_text(withdrawal: Withdrawal) -> str:
    """Return what a withdrawal says."""
    return (
        f"{withdrawal.sender} no longer sends what the offer {withdrawal.offer_id}\n"
        f"was about. Nothing (more) of it will come."
    )


def _quoted(note: str) -> list[str]:
    return [*(f"> {line}" for line in _clean(note).split("\n")), ""] if note else []


def _clean(note: str) -> str:
    return "\n".join(printable(n, 4096) for n in re.split(r"\r\n|\r|\n", note)).strip()


def stub_text(item: str, item_id: str, note: str) -> str:
    """Return what an item's stub says; ``item`` describes it."""
    return "\n".join(
        [
            item,
            "",
            *_quoted(note),
            "The content is not in this message, so that mail programs stay small.",
            f"To get it:   mshare get {printable(item_id)}",
            "             or open the folder Library, which holds it in full.",
            "To send it:  copy this message into the folder Share/<address>, for",
            "             example Share/bob@b.example.",
        ]
    )


def version_text(version: int) -> str:
    """Return what the stub of an item says that was replaced."""
    return (
        f"This is version {version}; what is kept of the older ones is in the folder"
        "\nVersions."
    )


def live_text(item: str, item_id: str, note: str) -> str:
    """Return what the stub of an item says whose size nobody knows yet."""
    return "\n".join(
        [
            item,
            "",
            *_quoted(note),
            "It is still being recorded. When it is closed, it will be in the folder",
            f"Library in full, and here as {printable(item_id)} with its size.",
            "To send it:  copy this message into the folder Share/<address>, for",
            "             example Share/bob@b.example. It goes out when it is closed.",
        ]
    )


def transfer_text(
    transfer: str, reason: str, transfer_id: str, go_until: float | None
) -> str:
    """Return what a transfer's message says; ``reason`` is the last reply or "".

    ``go_until``: until when its sender may say go, if that is awaited.
    """
    lines = [transfer, ""]
    if go_until is not None:
        lines += [
            "The other server is ready to take it. Nothing of it leaves before you",
            f"say go, until {date(go_until)}:",
            "set the keyword (tag) $Go on this message, or type",
            f"    mshare go {printable(transfer_id)}",
            "",
        ]
    if reason:
        lines += [f"The last answer was: {printable(reason)}", ""]
    lines += [
        "To cancel this transfer, delete this message; flag it to hold the transfer.",
    ]
    return "\n".join(lines)


def notice_text(transfer: str, reply: str, *, delayed: bool) -> str:
    """Return what a delivery status notification says."""
    if delayed:
        said = "This has not been delivered yet; further attempts will be made:"
    else:
        said = "This could not be delivered, and no further attempt will be made:"
    return f"{said}\n\n{transfer}\n\nThe reason given was:\n\n    {printable(reply)}"


def push_text(item: str) -> str:
    """Return the text beside the content of a push that has no note."""
    return f"Attached is what you accepted:\n\n{item}"
