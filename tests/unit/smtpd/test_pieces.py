# SPDX-License-Identifier: Apache-2.0
"""Many chunks at once share the memory that one may have alone."""

from __future__ import annotations

from contextlib import ExitStack

from maild.smtpd.pieces import LARGEST, LEAST, ROOM, Pieces


def test_a_chunk_alone_is_moved_in_the_largest_pieces() -> None:
    pieces = Pieces()
    with pieces.shared():
        assert pieces.size == LARGEST


def test_all_chunks_together_stay_within_the_room() -> None:
    pieces = Pieces()
    with ExitStack() as chunks:
        for number in range(1, 101):
            chunks.enter_context(pieces.shared())
            size = pieces.size
            assert size & (size - 1) == 0
            assert size == LEAST or number * size <= ROOM
        assert pieces.size == LEAST
    assert pieces.size == LARGEST
