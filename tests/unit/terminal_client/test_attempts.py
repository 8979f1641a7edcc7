# SPDX-License-Identifier: GPL-3.0-only
"""Attempts: as many as it takes while something moves, a few when nothing does."""

from __future__ import annotations

import os

import pytest

from terminal_client import attempts, errors
from terminal_client.attempts import WAITS, Attempts


@pytest.fixture(autouse=True)
def waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attempts, "WAITS", (0.0,) * len(WAITS))


class Seen(list[int]):
    """A progress that remembers, and can be told something."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def __call__(self, done: int, total: int) -> None:
        self.append(done)

    def tell(self, what: str) -> None:
        self.told.append(what)


LOST = errors.CutError("the connection to a.example:993 was lost; try again")


async def test_any_number_of_cuts_while_octets_move() -> None:
    seen = Seen()
    tries = Attempts(seen)
    at = 0

    async def step() -> str:
        nonlocal at
        at += 1
        tries.progress(at, 100)
        if at < 100:
            raise LOST
        return "done"

    assert await tries.persist(step) == "done"
    assert seen == list(range(1, 101))
    assert len(seen.told) == 99
    assert seen.told[0].startswith("the connection to a.example:993 was lost; again in")


async def test_a_few_when_nothing_moves() -> None:
    calls = []
    tries = Attempts(Seen())

    async def stuck() -> None:
        calls.append(1)
        tries.progress(7, 100)
        raise LOST

    with pytest.raises(errors.TryLaterError, match="will go on where it was") as caught:
        await tries.persist(stuck)
    assert len(calls) == len(WAITS) + 1
    assert caught.value.status == os.EX_TEMPFAIL
    assert "try again" not in str(caught.value)


async def test_what_moves_a_second_time_is_no_progress() -> None:
    seen = Seen()
    tries = Attempts(seen)
    for done in (0, 50, 0, 40, 60):
        tries.progress(done, 100)
    assert seen == [0, 50, 50, 50, 60]


async def test_nobody_there_is_told_at_once() -> None:
    calls = []

    async def absent() -> None:
        calls.append(1)
        raise errors.UnreachableError("cannot be reached")

    with pytest.raises(errors.UnreachableError):
        await Attempts(Seen()).persist(absent)
    assert len(calls) == 1


async def test_a_refusal_is_final() -> None:
    tries = Attempts(lambda done, total: None)
    tries.progress(1, 2)
    tries.tell("nobody listens")

    async def refused() -> None:
        raise errors.NotAllowedError("no")

    with pytest.raises(errors.NotAllowedError):
        await tries.persist(refused)
