# SPDX-License-Identifier: Apache-2.0
"""Telephone numbers as names of accounts: E.164, ``+`` and digits, nothing else.

On the wire and in the store only the one canonical form exists; what people type is
brought into it by `normal`, which knows the numbering plans of the countries.
"""

from __future__ import annotations

import re
from typing import Final

LONGEST: Final = 15
"""Digits of a number with its country code (ITU-T E.164 §6.2.1)."""

_CANONICAL = re.compile(r"\+[1-9][0-9]{6,14}")
_TYPED = re.compile(r"\+[0-9][0-9 ()./\u00a0\u2010-\u2015-]{4,40}")


class NumberError(ValueError):
    """The text is not a number; the message says why in one clause."""


def is_number(text: str) -> bool:
    """Whether ``text`` is a number in its canonical form: ``+14155550101``."""
    return _CANONICAL.fullmatch(text) is not None


def looks_like_number(text: str) -> bool:
    """Whether somebody who typed ``text`` meant a number, not a mail address."""
    return text.startswith("+") and "@" not in text


def normal(text: str) -> str:
    """Return the canonical form of a number as people write it; raise `NumberError`.

    With the country code: ``+44 (0)20 7946 0958`` is ``+442079460958``.  Whether the
    country has numbers of this length is asked, whether this one is in use is not.
    """
    if not _TYPED.fullmatch(text.strip()):
        raise NumberError("a number begins with + and the country code, then digits")
    import phonenumbers  # 3 MiB and 40 ms: only for those who type numbers

    try:
        parsed = phonenumbers.parse(text, None)
    except phonenumbers.NumberParseException as error:
        raise NumberError("no country has such a number") from error
    found = phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164)
    if not phonenumbers.is_possible_number(parsed) or not is_number(found):
        raise NumberError("no country has such a number")
    return found
