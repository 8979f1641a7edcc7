# SPDX-License-Identifier: Apache-2.0
"""Digests of a growing file come out the same however its octets arrive."""

from __future__ import annotations

import hashlib
import random
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from xxhash import xxh3_128

from maild.store.blob_digest import SEGMENT, GrowingDigest
from maild.store.errors import StoreError


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(2) as threads:
        yield threads


@pytest.mark.parametrize("most", [1000, 300_000, 1 << 20, 5 << 20])
@pytest.mark.parametrize("lag", [0, 3 << 20])
def test_pieces_of_any_size_give_the_same_digests(
    pool: ThreadPoolExecutor, most: int, lag: int
) -> None:
    chance = random.Random(f"{most} {lag}")
    octets = chance.randbytes(2 * SEGMENT + 12_345 if most > 1000 else 100_000)
    digest = GrowingDigest(pool)
    view = memoryview(octets)
    found: dict[int, bytes] = {}
    at, marks = 0, 0
    while at < len(octets):
        piece = view[at : at + chance.randint(1, most)]
        digest.take(piece, lag)
        at += len(piece)
        if at == len(octets) or chance.random() < 0.1:
            digest.mark_at(at)
            mark = digest.wait()
            assert mark.length == at
            assert mark.sha256 == hashlib.sha256(view[:at]).hexdigest()
            found |= dict(mark.segments)
            marks += 1
    digest.settle()
    assert marks
    assert found == {
        number: xxh3_128(view[start : start + SEGMENT]).digest()
        for number, start in enumerate(range(0, len(octets), SEGMENT))
    }


def test_a_writer_that_waits_is_let_go_when_hashing_stops() -> None:
    held, begun = threading.Event(), threading.Event()

    def hold() -> None:
        begun.set()
        held.wait()

    with ThreadPoolExecutor(1) as busy, ThreadPoolExecutor(1) as writer:
        busy.submit(hold)
        begun.wait()
        digest = GrowingDigest(busy)
        octets = memoryview(bytes(300_000))
        digest.take(octets, 0)
        waits = writer.submit(digest.take, octets, 0)
        stops = threading.Thread(target=digest.settle)
        stops.start()
        waits.result()  # although nobody has hashed yet
        held.set()
        stops.join()
    with pytest.raises(StoreError):
        digest.wait()


def test_what_is_hashed_is_let_go() -> None:
    buffer = bytearray(300_000)
    with ThreadPoolExecutor(1) as pool:
        digest = GrowingDigest(pool)
        digest.take(memoryview(buffer).toreadonly(), len(buffer))
        digest.mark_at(len(buffer))
        digest.wait()
        buffer.append(0)  # nobody sees it any more
        digest.settle()
