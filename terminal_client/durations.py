# SPDX-License-Identifier: GPL-3.0-only
"""Lengths of time as people type them: ``90``, ``30m``, ``1h``, ``2d``."""

from __future__ import annotations

import re

from terminal_client.errors import UsageError

_SECONDS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}
_DURATION = re.compile(r"([0-9]{1,9}) ?([smhd]?)", re.ASCII)


def seconds(text: str, most: int) -> int:
    """Return the seconds that ``text`` means, from 1 to ``most``; or `UsageError`."""
    found = _DURATION.fullmatch(text.strip().lower())
    meant = int(found[1]) * _SECONDS[found[2]] if found else 0
    if not 0 < meant <= most:
        raise UsageError(
            f"{text!r} is no length of time here; write seconds, or 30m, 1h, 2d, "
            f"at most {most // 86400}d"
        )
    return meant
