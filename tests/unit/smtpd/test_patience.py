# SPDX-License-Identifier: Apache-2.0
"""A peer may pause, and may be slow, but not for ever."""

from __future__ import annotations

import pytest

from maild.smtpd import patience
from maild.smtpd.patience import LEAST_RATE, Patience


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [1000.0]
    monkeypatch.setattr(patience, "monotonic", lambda: now[0])
    return now


def test_a_pause_is_bounded(clock: list[float]) -> None:
    waiting = Patience(300.0)
    assert waiting.left() == 300.0
    clock[0] += 299.0
    assert waiting.left() == 1.0
    clock[0] += 1.0
    with pytest.raises(TimeoutError):
        waiting.left()


def test_octets_buy_time_but_no_longer_pause(clock: list[float]) -> None:
    waiting = Patience(300.0)
    waiting.moved(int(LEAST_RATE * 1000))
    assert waiting.left() == 300.0
    clock[0] += 1200.0
    assert waiting.left() == 100.0


def test_an_octet_now_and_then_is_too_slow(clock: list[float]) -> None:
    waiting = Patience(300.0)
    for _ in range(29):
        clock[0] += 10.0
        assert waiting.left() > 0
        waiting.moved(1)
    clock[0] += 10.1
    with pytest.raises(TimeoutError):
        waiting.left()
