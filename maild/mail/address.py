# SPDX-License-Identifier: Apache-2.0
"""The one grammar of mail addresses on the wire (RFC 5321 §4.1.2, RFC 6531 §3.3)."""

from __future__ import annotations

import re
from dataclasses import dataclass

MAX_LOCAL = 64
"""Octets of a local part (RFC 5321 §4.5.3.1.1)."""
MAX_DOMAIN = 255
"""Octets of a domain (RFC 5321 §4.5.3.1.2)."""

# What is excluded is listed, all of it ASCII: sets up to U+10FFFF compile very slowly.
_ATEXT = r"[^\x00-\x20\"(),.:;<>@\[\\\]\x7f]"
_DOT_STRING = re.compile(rf"{_ATEXT}+(?:\.{_ATEXT}+)*")
_QUOTED = re.compile(r'"((?:[\x20\x21\x23-\x5b\x5d-\x7e]|\\[\x20-\x7e])*)"')
_LETTER = r"[^\x00-/:-@\[-`{-\x7f]"
_LABEL = rf"{_LETTER}(?:[^\x00-,./:-@\[-`{{-\x7f]*{_LETTER})?"
_DOMAIN = re.compile(rf"{_LABEL}(?:\.{_LABEL})*")
_LITERAL = re.compile(r"\[(?:(?i:IPv6):[0-9A-Fa-f:.]+|[0-9.]+)\]")
_LOOKALIKE_DOTS = "\u3002\uff0e\uff61"
"""Characters that IDNA maps to a dot: refused, so that one name has one spelling."""


class AddressError(ValueError):
    """The text is not a mail address; the message says why in one clause."""


@dataclass(frozen=True, slots=True)
class Address:
    """A mailbox: ``local`` as written (unquoted), ``domain`` in lower case.

    A domain with non-ASCII labels is kept as its A-label (RFC 5890), an address
    literal with its brackets.
    """

    local: str
    domain: str

    @property
    def is_literal(self) -> bool:
        """Whether the domain is an address literal such as ``[192.0.2.1]``."""
        return self.domain.startswith("[")

    @property
    def is_ascii(self) -> bool:
        """Whether the address needs no SMTPUTF8 (RFC 6531)."""
        return self.local.isascii()

    @property
    def key(self) -> str:
        """The form two spellings of one account share: our local parts fold case."""
        return f"{self.local.casefold()}@{self.domain}"

    @property
    def base(self) -> Address:
        """The address without its ``+tag``."""
        return Address(self.local.split("+", 1)[0] or self.local, self.domain)

    @property
    def tag(self) -> str:
        """What follows the first ``+`` of the local part, or ""."""
        first, _, tag = self.local.partition("+")
        return tag if first else ""

    def __str__(self) -> str:
        if _DOT_STRING.fullmatch(self.local):
            return f"{self.local}@{self.domain}"
        quoted = self.local.replace("\\", "\\\\").replace('"', '\\"')
        return f'"{quoted}"@{self.domain}'


def parse_address(text: str) -> Address:
    """Parse ``local@domain`` without angle brackets; raise `AddressError`."""
    local, rest = _local_part(text)
    if not rest.startswith("@"):
        raise AddressError("there is no @ after the local part")
    domain = rest[1:]
    if len(local.encode()) > MAX_LOCAL:
        raise AddressError("the local part is longer than 64 octets")
    return Address(local, _domain(domain))


def mail_domain(text: str) -> str:
    """Return a domain as `Address` has it; raise `AddressError` unless it is a name.

    No host of one label, and no address: a client must not choose those (CWE-918).
    """
    domain = _domain(text)
    *above, last = domain.split(".")
    if not above or domain.startswith("[") or last.isdigit():
        raise AddressError("it is no domain of mail")
    return domain


def _local_part(text: str) -> tuple[str, str]:
    if text.startswith('"'):
        quoted = _QUOTED.match(text)
        if quoted is None:
            raise AddressError("the quoted local part is malformed")
        return re.sub(r"\\(.)", r"\1", quoted[1]), text[quoted.end() :]
    plain = _DOT_STRING.match(text)
    if plain is None:
        raise AddressError("the local part is malformed")
    return plain[0], text[plain.end() :]


def _domain(text: str) -> str:
    if _LITERAL.fullmatch(text):
        return text.lower()
    if any(dot in text for dot in _LOOKALIKE_DOTS) or not _DOMAIN.fullmatch(text):
        raise AddressError("the domain is malformed")
    try:
        ascii_form = text.lower() if text.isascii() else text.encode("idna").decode()
    except UnicodeError as error:
        raise AddressError("the domain is not a valid IDN") from error
    if len(ascii_form) > MAX_DOMAIN or any(
        len(label) > 63 for label in ascii_form.split(".")
    ):
        raise AddressError("the domain is too long")
    return ascii_form.lower()
