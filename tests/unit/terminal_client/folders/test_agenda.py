# SPDX-License-Identifier: GPL-3.0-only
"""Which file is looked at when: no clock runs here."""

from __future__ import annotations

from pathlib import Path

from terminal_client.folders.agenda import LATEST, SOON, Agenda
from terminal_client.folders.backoff import ROOM_FIRST, Room, wait_after
from terminal_client.folders.refusals import Refusals
from terminal_client.folders.restless import FORGOTTEN, LONGEST, SETTLE, Restless
from terminal_client.matching import Shape

A, B = Path("/a"), Path("/b")
SHAPE = Shape(1, 2, 3)


def test_a_change_puts_it_off() -> None:
    agenda = Agenda()
    agenda.touched(A, 0, 1)
    agenda.touched(B, 0.1, 1)
    agenda.touched(A, 0.5, 1)
    assert agenda.next(1.0) is None
    assert agenda.wait(1.0) is not None
    assert [agenda.next(now) and path for now, path in ((1.2, B), (1.5, A))]
    assert agenda.next(9.0) is None
    assert (len(agenda), agenda.wait(9.0)) == (0, None)


def test_what_is_written_for_long_is_looked_at_less_often() -> None:
    agenda = Agenda()
    agenda.touched(A, 0, 0)
    now, waits = 0.0, []
    for _ in range(40):
        found = agenda.next(now)
        assert found is not None
        agenda.written(A, found[1], SHAPE, now)
        wait = agenda.wait(now)
        assert wait is not None
        waits.append(wait)
        now += wait
    assert (waits[0], waits[-1]) == (SOON, LATEST)
    assert waits == sorted(waits)


def test_it_is_bounded() -> None:
    agenda = Agenda(2)
    assert agenda.touched(A, 0, 1)
    assert agenda.touched(B, 0, 1)
    assert not agenda.touched(Path("/c"), 0, 1)
    for now in range(1000):  # also in what is to be passed over
        assert agenda.touched(A, now, 1)
    assert len(agenda._order) <= 4 * 64


def test_hurry_is_for_what_failed() -> None:
    agenda = Agenda()
    agenda.touched(A, 0, 0)
    found = agenda.next(0)
    assert found is not None
    agenda.again(A, found[1], 100)
    agenda.touched(B, 0, 50)
    agenda.hurry(10)
    assert agenda.next(10) is not None
    assert agenda.next(10) is None
    assert agenda.wait(10) == 40


def test_waits_double() -> None:
    assert [wait_after(n) for n in (1, 2, 3, 99)] == [1, 2, 4, 300]


def test_room() -> None:
    """What is smaller than what did not fit is tried; the rest waits together."""
    room = Room()
    assert not room.lacks(10, 0)
    assert room.refused(100, 0) == ROOM_FIRST
    assert room.lacks(100, 1)
    assert room.lacks(200, 1)
    assert not room.lacks(99, 1)
    assert room.refused(50, 1) == ROOM_FIRST  # the same time of no room
    assert room.lacks(60, 1)
    room.took(10)
    assert room.lacks(60, 1)
    assert not room.lacks(60, 1 + ROOM_FIRST)
    assert room.refused(60, 1 + ROOM_FIRST) == 2 * ROOM_FIRST
    room.took(60)
    assert not room.lacks(60, 2)


def test_the_restless_wait_longer() -> None:
    restless = Restless(2)
    assert restless.quiet(A, 0) == SETTLE
    waits = []
    for now in range(20):
        restless.moved(A, now)
        waits.append(restless.quiet(A, now))
    assert waits == sorted(waits)
    assert waits[-1] == LONGEST
    assert restless.quiet(A, 20 + FORGOTTEN) == SETTLE
    for number in range(9):
        restless.moved(Path(f"/{number}"), 0)
    assert restless.quiet(A, 20) == SETTLE  # forgotten for others


def test_refusals_are_of_a_shape() -> None:
    refusals = Refusals(2)
    refusals.add(A, SHAPE)
    assert refusals.knows(A, SHAPE)
    assert not refusals.knows(A, Shape(1, 2, 4))
    refusals.add(B, None)
    assert refusals.knows(B, None)
    refusals.add(Path("/c"), SHAPE)
    assert not refusals.knows(A, SHAPE)
