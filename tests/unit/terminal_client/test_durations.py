# SPDX-License-Identifier: GPL-3.0-only
from __future__ import annotations

import pytest

from terminal_client import durations
from terminal_client.errors import UsageError

DAY = 86400


@pytest.mark.parametrize(
    ("text", "meant"),
    [("90", 90), ("90s", 90), ("30m", 1800), ("1h", 3600), ("2 D", 2 * DAY)],
)
def test_what_is_meant(text: str, meant: int) -> None:
    assert durations.seconds(text, 30 * DAY) == meant


@pytest.mark.parametrize("text", ["", "0", "-1", "1w", "1.5h", "h", "31d", "٣h", "1h1"])
def test_what_is_none(text: str) -> None:
    with pytest.raises(UsageError, match="at most 30d"):
        durations.seconds(text, 30 * DAY)
