# SPDX-License-Identifier: Apache-2.0
"""The MIME structure of one stored message, with offsets into its rendering.

Computed once, while the octets arrive (`maild.wire.mime`); kept as JSON beside the
message; read by imapd for BODYSTRUCTURE, sections and BINARY.  The *rendering* is what
``FETCH BODY[]`` gives: parts that came as raw octets (BINARYMIME) appear as base64.
"""

from __future__ import annotations

import json
from dataclasses import MISSING, dataclass, fields
from functools import lru_cache
from typing import Any, Final


@dataclass(frozen=True, slots=True)
class Part:
    """One MIME part (RFC 2045).  Offsets are octets from the start of the rendering.

    ``header_start:body_start`` is the header block with its empty line,
    ``body_start:body_end`` the body as rendered (encoded).
    """

    type: str
    """Main type in lower case: text, multipart, message, application."""
    subtype: str
    params: tuple[tuple[str, str], ...]
    """Content-Type parameters, decoded (RFC 2231), names in lower case."""
    encoding: str
    """Content-Transfer-Encoding in the rendering, lower case: 7bit, base64, ..."""
    header_start: int
    body_start: int
    body_end: int
    lines: int = 0
    """Lines of the rendered body; for text/* and message/rfc822."""
    content_id: str | None = None
    description: str | None = None
    disposition: str | None = None
    disposition_params: tuple[tuple[str, str], ...] = ()
    language: tuple[str, ...] = ()
    location: str | None = None
    md5: str | None = None
    blob: int | None = None
    """Which piece of the message's rope holds the body as a blob; None when inline."""
    decoded_size: int | None = None
    """Octets after removing the transfer encoding, when known without decoding."""
    envelope: tuple[Any, ...] | None = None
    """For message/rfc822: the ENVELOPE of the inner message, as in `Structure`."""
    children: tuple[Part, ...] = ()
    """Parts of a multipart; the one inner message's body of a message/rfc822."""

    @property
    def size(self) -> int:
        """Octets of the rendered body (RFC 9051 §7.5.2: body-fld-octets)."""
        return self.body_end - self.body_start

    @property
    def filename(self) -> str | None:
        """The name suggested by Content-Disposition, else by Content-Type."""
        return dict(self.disposition_params).get("filename") or dict(self.params).get(
            "name"
        )


@dataclass(frozen=True, slots=True)
class Structure:
    """What IMAP answers about a message without looking at its octets again."""

    root: Part
    size: int
    """Octets of the whole rendering (RFC822.SIZE)."""
    envelope: tuple[Any, ...]
    """RFC 9051 §7.5.2 order: date, subject, from, sender, reply-to, to, cc, bcc,
    in-reply-to, message-id.  Strings are as they stand in the header (unfolded, not
    RFC 2047 decoded); address lists are tuples of (name, route, mailbox, host)."""

    def to_json(self) -> str:
        """Return the form kept in the index."""
        found = {
            "root": _facts(self.root),
            "size": self.size,
            "envelope": self.envelope,
        }
        return json.dumps(found, ensure_ascii=False, separators=(",", ":"))


COMMON: Final = 8 * 1024
"""Characters of the form in the index up to which a structure is remembered: nearly
all are shorter, and what is larger must not add up."""


def structure_from_json(text: str) -> Structure:
    """Read back what `Structure.to_json` wrote; the same value for the same text.

    Many sessions look at the same messages: it is read once, and they share it.
    """
    return _remembered(text) if len(text) <= COMMON else _read_back(text)


def _read_back(text: str) -> Structure:
    found = json.loads(text)
    return Structure(
        root=_part(found["root"]),
        size=found["size"],
        envelope=_tuples(found["envelope"]),
    )


_remembered = lru_cache(maxsize=256)(_read_back)  # values: nobody can change one

_DEFAULTS = {
    field.name: field.default for field in fields(Part) if field.default is not MISSING
}
_LISTS = ("params", "disposition_params", "language", "envelope")


def _facts(part: Part) -> dict[str, Any]:
    """Return what is not as usual: most parts have few of the facts."""
    found = {
        name: value
        for name in Part.__slots__
        if (value := getattr(part, name)) != _DEFAULTS.get(name, MISSING)
    }
    if part.children:
        found["children"] = [_facts(child) for child in part.children]
    return found


def _part(found: dict[str, Any]) -> Part:
    if "children" in found:
        found["children"] = tuple(_part(child) for child in found["children"])
    for name in _LISTS:
        if name in found:
            found[name] = _tuples(found[name])
    return Part(**found)


def _tuples(value: Any) -> Any:
    return tuple(_tuples(v) for v in value) if isinstance(value, list) else value
