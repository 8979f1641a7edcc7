# SPDX-License-Identifier: GPL-3.0-only
"""A person as a text that fits on a card: ``maild:bob@b.example?name=Bob``.

An address as in a mailto URI (RFC 6068 §2), then fields; docs/protocol.md has the
grammar.  What comes from a camera or a stranger is read strictly: one spelling of each
thing, nothing that a screen would show as something else.
"""

from __future__ import annotations

import re
import unicodedata
from urllib.parse import quote, unquote_to_bytes

from maild.mail.address import Address, AddressError, parse_address
from terminal_client.contacts import LONGEST_NAME, NUMBER, Contact, is_plain

SCHEME = "maild:"
LONGEST = 1000
"""Octets of a URI: what is longer makes a code that no camera reads."""

# RFC 3986 §3.3, §3.4: pchar without what RFC 6068 §2 wants encoded.
_TEXT = r"(?:[A-Za-z0-9\-._~!$'()*,;:@]|%[0-9A-F]{2})"
_ADDRESS = r"(?:[A-Za-z0-9\-._~!$'()*,;:@+]|%[0-9A-F]{2})"
_FIELD = rf"[a-z][a-z0-9-]*={_TEXT}*"
_URI = re.compile(rf"maild:({_ADDRESS}+)(?:\?({_FIELD}(?:&{_FIELD})*))?", re.ASCII)
FOUND = re.compile(r"(?<![A-Za-z0-9])maild:[!-~]+", re.IGNORECASE | re.ASCII)
"""What may be a URI within a text."""


class UriError(ValueError):
    """The text is no such URI; the message says why in one clause."""


def write(contact: Contact) -> str:
    """Return the URI of somebody."""
    fields = {
        "name": contact.name,
        "number": contact.number,
        "rendezvous": contact.rendezvous if contact.number else "",
    }
    said = "&".join(
        f"{key}={quote(value, safe='')}" for key, value in fields.items() if value
    )
    address = quote(str(contact.address), safe="@+!$'*")
    return f"{SCHEME}{address}?{said}" if said else f"{SCHEME}{address}"


def read(text: str) -> Contact:
    """Return whom a URI names; raise `UriError`.

    A field that is not known is passed over: later versions may say more.
    """
    if len(text) > LONGEST:
        raise UriError(f"it is longer than {LONGEST} characters")
    scheme, _, rest = text.partition(":")
    found = _URI.fullmatch(f"{scheme.lower()}:{rest}")  # RFC 3986 §3.1: in any case
    if found is None:
        raise UriError("it is not maild:ADDRESS?field=value&field=value")
    fields: dict[str, str] = {}
    for field in (found[2] or "").split("&") if found[2] else ():
        key, _, value = field.partition("=")
        if key in fields:
            raise UriError(f"it says its {key} twice")
        fields[key] = _decoded(value, key)
    number, rendezvous = fields.get("number", ""), fields.get("rendezvous", "")
    if bool(number) != bool(rendezvous):
        raise UriError("a number and its rendezvous come together")
    return Contact(
        _address(_decoded(found[1], "address")),
        _name(fields.get("name", "")),
        _number(number),
        _domain(rendezvous),
    )


def _decoded(text: str, what: str) -> str:
    try:
        return unquote_to_bytes(text).decode()
    except UnicodeDecodeError:
        raise UriError(f"its {what} is not UTF-8") from None


def _address(text: str) -> Address:
    try:
        address = parse_address(text)
    except AddressError as error:
        raise UriError(f"its mail address is none: {error}") from None
    if address.is_literal:
        raise UriError("its mail address has no domain")
    if not is_plain(address.local):
        raise UriError("its mail address has characters that nobody can see")
    return address


def _name(text: str) -> str:
    if len(text) > LONGEST_NAME:
        raise UriError(f"its name is longer than {LONGEST_NAME} characters")
    if not is_plain(text) or text != text.strip():
        raise UriError("its name has characters that nobody can see")
    if "@" in text or text.startswith("+"):
        raise UriError("its name reads like an address or a number")
    return unicodedata.normalize("NFC", text)


def _number(text: str) -> str:
    if text and not NUMBER.fullmatch(text):
        raise UriError("its number is not like +14155550102")
    return text


def _domain(text: str) -> str:
    """Return a mail domain in the one spelling that an address has."""
    return _address(f"x@{text}").domain if text else ""
