# SPDX-License-Identifier: Apache-2.0
"""How long guessers wait; time is a number here."""

from __future__ import annotations

import pytest

from maild import backoff
from maild.backoff import BackOff, Delays, network

HERE = "192.0.2.1"


def failed_times(count: int, delays: Delays | None = None) -> BackOff:
    book = BackOff(delays or Delays())
    for _ in range(count):
        book.failed(HERE, "alice", 100.0)
    return book


def test_mistyping_costs_nothing() -> None:
    assert failed_times(4).reserve(HERE, "alice", 100.0) == 0


def test_the_delay_doubles_up_to_the_longest() -> None:
    delays = Delays(free=1, first=1.0, most=30.0)
    waits = [failed_times(n, delays).reserve(HERE, "alice", 100.0) for n in range(1, 9)]
    assert waits == [1, 2, 4, 8, 16, 30, 30, 30]


def test_attempts_at_once_queue_and_the_last_are_refused() -> None:
    book = failed_times(8, Delays(free=5, first=1.0, most=30.0))  # 8 s each
    waits = [book.reserve(HERE, "alice", 100.0) for _ in range(5)]
    assert waits == [8, 16, 24, None, None]


def test_a_source_waits_whomever_it_tries() -> None:
    assert failed_times(5).reserve(HERE, "bob", 100.0) == 1


def test_an_account_is_guarded_against_many_sources() -> None:
    assert failed_times(5).reserve("198.51.100.7", "alice", 100.0) == 1
    assert failed_times(5).reserve("198.51.100.7", "bob", 100.0) == 0


def test_a_proven_source_waits_for_nobody() -> None:
    book = BackOff(Delays())
    book.succeeded("198.51.100.7", "alice")
    for _ in range(9):
        book.failed(HERE, "alice", 100.0)
    assert book.reserve("198.51.100.7", "alice", 100.0) == 0
    book.failed("198.51.100.7", "alice", 100.0)
    assert book.reserve("198.51.100.7", "alice", 100.0) == 30


def test_time_heals() -> None:
    assert failed_times(9).reserve(HERE, "alice", 100.0 + 901) == 0


def test_a_clock_that_was_ahead_locks_nobody_out() -> None:
    book = failed_times(8, Delays(free=5, first=1.0, most=30.0))  # 8 s each
    assert book.reserve(HERE, "alice", 100.0) == 8
    assert book.reserve(HERE, "alice", 100.0 - 86_400.0) == 8


def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backoff, "MAX_KEYS", 10)
    book = BackOff(Delays())
    for number in range(100):
        book.failed(f"192.0.2.{number}", f"user{number}", 100.0)
        book.succeeded(f"192.0.2.{number}", f"friend{number}")
    assert len(book._entries) <= 10
    assert len(book._proven) <= 10


@pytest.mark.parametrize(
    ("source", "key"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("2001:db8::1", "2001:db8::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("?", "?"),
    ],
)
def test_one_guesser_one_key(source: str, key: str) -> None:
    assert network(source) == key
