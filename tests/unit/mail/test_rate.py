# SPDX-License-Identifier: Apache-2.0
"""Buckets: how often, how soon again, and how many are remembered."""

from __future__ import annotations

from maild.mail import rate
from maild.mail.rate import Rates


def test_so_many_at_once_and_then_so_many_a_minute() -> None:
    rates = Rates(60)
    assert [rates.takes("a", 0.0) for _ in range(61)] == [True] * 60 + [False]
    assert rates.takes("b", 0.0)
    assert not rates.takes("a", 0.5)
    assert rates.takes("a", 1.1)
    assert not rates.takes("a", 1.1)
    assert sum(rates.takes("a", 1000.0) for _ in range(100)) == 60


def test_a_clock_that_goes_back_gives_nothing() -> None:
    rates = Rates(1)
    assert rates.takes("a", 100.0)
    assert not rates.takes("a", 50.0)
    assert not rates.takes("a", 60.0)


def test_however_many_there_are_few_are_remembered() -> None:
    rates = Rates(1)
    assert rates.takes("first", 0.0)
    for n in range(rate.MOST_REMEMBERED + 50):
        assert rates.takes(f"s{n}", 0.0)
    assert len(rates) == rate.MOST_REMEMBERED
    assert not rates.takes(f"s{rate.MOST_REMEMBERED}", 0.0)
    assert rates.takes("first", 0.0)  # forgotten: it has done nothing for longest
