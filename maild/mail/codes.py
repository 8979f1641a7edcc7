# SPDX-License-Identifier: Apache-2.0
"""What every enhanced status code means that this house can give (RFC 3463, RFC 5248).

A test compares the keys with the replies in the code: none is missing, none is more.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Meaning:
    """``title`` as registered, ``means`` here, and what to ``do``; whole sentences."""

    title: str
    means: str
    do: str


MEANINGS: Final[dict[str, Meaning]] = {}
"""By code, class included."""

_CODE: Final = re.compile(r"([245])\.([0-9]{1,3})\.([0-9]{1,3})")


def explain(text: str) -> tuple[str, Meaning] | None:
    """Return the first code in ``text`` with its meaning: a bare code or a reply line.

    A code that only its other class knows (4 for 5) is not guessed.
    """
    for found in _CODE.finditer(text):
        meaning = MEANINGS.get(found[0])
        if meaning is not None:
            return found[0], meaning
    return None
