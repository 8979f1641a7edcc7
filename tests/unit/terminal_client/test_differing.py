# SPDX-License-Identifier: GPL-3.0-only
"""What has changed is found, whatever it is; and never wrongly."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from terminal_client import differing, landmarks
from terminal_client.differing import Fresh, Kept, Range, Sizes, plan, travelling
from terminal_client.landmarks import Read

CHANCE = random.Random(8508)


def reader(octets: bytes) -> Read:
    return lambda at, count: octets[at : at + count]


def found(old: bytes, new: bytes) -> list[Range]:
    """Return the plan, which is right: a wrong one would be no use at all."""
    ranges = plan(reader(old), reader(new), Sizes(len(old), len(new)))
    made = b"".join(
        (old if isinstance(r, Kept) else new)[r.start : r.start + r.size]
        for r in ranges
    )
    assert made == new
    at = 0
    for one in ranges:
        assert one.size
        assert isinstance(one, Kept) or one.start == at
        at += one.size
    return ranges


@st.composite
def edits(draw: st.DrawFn) -> tuple[bytes, bytes]:
    """Return a text of few words, and what some edits have made of it."""
    words = draw(st.lists(st.binary(min_size=1, max_size=40), min_size=1, max_size=4))
    old = b"".join(draw(st.lists(st.sampled_from(words), max_size=60)))
    new = old * draw(st.integers(0, 3))
    for _ in range(draw(st.integers(0, 4))):
        at = draw(st.integers(0, len(new)))
        gone = draw(st.integers(0, 30))
        new = new[:at] + draw(st.binary(max_size=30)) + new[at + gone :]
    return old, new


@settings(max_examples=300)
@given(edits())
def test_any_edit(pair: tuple[bytes, bytes]) -> None:
    with pytest.MonkeyPatch.context() as patch:  # small files, and the whole machinery
        patch.setattr(differing, "FEW", 0)
        patch.setattr(differing, "SHORTEST", 4)
        patch.setattr(differing, "WINDOW", 8)
        patch.setattr(landmarks, "WINDOW", 8)
        patch.setattr(landmarks, "CLOSEST", 16)
        patch.setattr(landmarks, "BLOCK", 64)
        patch.setattr(landmarks, "MOST", 8)
        found(*pair)


RANDOM = CHANCE.randbytes(6 << 20)
TABLE = b"".join(b"%d,%d\n" % (n, CHANCE.randrange(10**6)) for n in range(300_000))
LINES = b"the same line again and again\n" * 100_000
HOLES = b"".join(bytes(200_000) + CHANCE.randbytes(100) for _ in range(20))
FILES = {"random": RANDOM, "table": TABLE, "lines": LINES, "holes": HOLES}


@pytest.mark.parametrize("kind", FILES)
def test_one_octet_is_one_octet(kind: str) -> None:
    old = FILES[kind]
    at = len(old) // 3
    assert travelling(found(old, old[:at] + b"\x01" + old[at:])) == 1
    assert travelling(found(old, old[:at] + old[at + 1 :])) == 0
    assert travelling(found(old, old + b"\x01")) == 1
    assert travelling(found(old, b"\x01" + old)) == 1
    assert found(old, old) == [Kept(0, len(old))]


@pytest.mark.parametrize("kind", FILES)
def test_edits_far_apart(kind: str) -> None:
    """Six edits of all kinds, in between much that stays: little of that travels."""
    old = FILES[kind]
    new = bytearray(old)
    for place in (5, 4, 3, 2, 1):
        at = place * len(old) // 6
        new[at : at + place - 2] = CHANCE.randbytes(place)
    new[0:0] = b"front"
    assert travelling(found(old, bytes(new))) < len(old) // 10


@pytest.mark.parametrize("kind", ["random", "table"])
def test_what_has_moved_stays(kind: str) -> None:
    old = FILES[kind]
    middle = len(old) // 2
    assert travelling(found(old, old[middle:] + old[:middle])) < 1000
    assert travelling(found(old, old + old)) < 1000


def test_all_of_it_is_new() -> None:
    new = CHANCE.randbytes(1 << 20)
    assert found(RANDOM, new) == [Fresh(0, len(new))]
    assert found(b"", new) == [Fresh(0, len(new))]
    assert found(RANDOM, b"") == []
    assert found(b"", b"") == []


def test_many_edits_are_a_bounded_plan(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(differing, "MOST_KEPT", 10)
    new = bytearray(TABLE)
    for at in range(len(TABLE) - 9, 0, -20_000):
        new[at:at] = b"!"
    assert 5 < len(found(TABLE, bytes(new))) <= 21


def test_landmarks_are_bounded() -> None:
    """However large the file, and however often the mark stands in it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(landmarks, "MOST", 64)
        for octets in FILES.values():
            known = landmarks.Landmarks(reader(octets), 0, len(octets))
            assert len(known._known) <= 64


def test_one_file_is_not_held(tmp_path: Path) -> None:
    """Reads are of blocks, never of a whole file."""
    largest = 0

    def counting(octets: bytes) -> Read:
        def read(at: int, count: int) -> bytes:
            nonlocal largest
            largest = max(largest, count)
            return octets[at : at + count]

        return read

    new = RANDOM[:100] + b"x" + RANDOM[100 : 4 << 20] + b"y" + RANDOM[4 << 20 :]
    plan(counting(RANDOM), counting(new), Sizes(len(RANDOM), len(new)))
    assert largest <= landmarks.BLOCK + 16
