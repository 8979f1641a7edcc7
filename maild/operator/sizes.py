# SPDX-License-Identifier: Apache-2.0
"""Sizes as operators write them; the configuration file has octets only."""

from __future__ import annotations

import os
import re
from typing import Final

from maild.complaint import OperatorError

AT_FIRST: Final = "1G"
"""Largest item taken unasked, where a policy says from whom only."""
_SIZE: Final = re.compile(r"([0-9]{1,18})(?:([KMGT])(i)?)?B?", re.IGNORECASE)


def parse(text: str) -> int:
    """Return octets: K, M, G, T are powers of 1000, as shown; Ki, .. of 1024."""
    found = _SIZE.fullmatch(text.strip())
    if found is None:
        raise OperatorError(
            f"{text}: a size is a number of octets, or one with K, M, G, T (thousands)"
            " or Ki, Mi, Gi, Ti",
            os.EX_USAGE,
        )
    number, unit, is_binary = found.groups()
    power = "KMGT".index(unit.upper()) + 1 if unit else 0
    step = 1024 if is_binary else 1000
    return int(number) * int(step**power)
