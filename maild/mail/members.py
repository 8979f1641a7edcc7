# SPDX-License-Identifier: Apache-2.0
"""How a facts part (``application/vnd.maild+json``) is read and written: typed members.

Whatever a peer sends, reading it raises `OfferError` or gives values of the right kind;
which kinds there are, and what they say, is told by those who use this.
"""

from __future__ import annotations

import json
import re
from typing import Any, Final

from maild.mail.address import Address, AddressError, mail_domain, parse_address

VERSION: Final = 1
MAX_JSON: Final = 16 * 1024
"""Octets of a facts part; an offer as a whole stays under 64 KiB."""
MAX_SIZE: Final = 2**63 - 1
"""Octets; the largest size an index column holds."""
ID: Final = re.compile(r"[A-Za-z0-9_-]{8,64}")


class OfferError(ValueError):
    """A facts part is malformed; the message names the member."""


class Members:
    """Typed look-ups in a decoded facts part."""

    def __init__(self, found: dict[str, Any]) -> None:
        self._found = found

    @classmethod
    def decoded(cls, octets: bytes) -> Members:
        """Read a facts part of a version that is known."""
        if len(octets) > MAX_JSON:
            raise OfferError("the facts are larger than 16 KiB")
        try:
            found = json.loads(octets)
        except (ValueError, RecursionError) as error:
            raise OfferError("the facts are not JSON") from error
        if not isinstance(found, dict) or found.get("maild") != VERSION:
            raise OfferError("maild: not a version that is known here")
        return cls(found)

    @property
    def kind(self) -> Any:
        """What the facts are about."""
        return self._found.get("kind")

    def has(self, name: str) -> bool:
        """Whether a member is there, and not null."""
        return self._found.get(name) is not None

    def text(self, name: str, most: int) -> str:
        """Return a text of at most ``most`` characters."""
        value = self._found.get(name)
        if not isinstance(value, str) or len(value) > most:
            raise OfferError(f"{name}: not a text of at most {most} characters")
        return value

    def matching(self, name: str, pattern: re.Pattern[str]) -> str:
        """Return a text that ``pattern`` describes."""
        value = self.text(name, 1024)
        if not pattern.fullmatch(value):
            raise OfferError(f"{name}: malformed")
        return value

    def number(self, name: str) -> int:
        """Return a whole number that an index column holds."""
        value = self._found.get(name)
        if not isinstance(value, int) or isinstance(value, bool):
            raise OfferError(f"{name}: not a whole number")
        if not 0 <= value <= MAX_SIZE:
            raise OfferError(f"{name}: out of range")
        return value

    def flag(self, name: str) -> bool:
        """Return true or false."""
        value = self._found.get(name)
        if not isinstance(value, bool):
            raise OfferError(f"{name}: neither true nor false")
        return value

    def domain(self, name: str) -> str:
        """Return a domain of mail."""
        try:
            return mail_domain(self.text(name, 255))
        except AddressError as error:
            raise OfferError(f"{name}: {error}") from error

    def address(self, name: str) -> Address:
        """Return a mail address."""
        try:
            return parse_address(self.text(name, 400))
        except AddressError as error:
            raise OfferError(f"{name}: {error}") from error


def dump(**facts: Any) -> str:
    """Return a facts part."""
    return json.dumps({"maild": VERSION, **facts}, ensure_ascii=True, indent=1)
