# SPDX-License-Identifier: Apache-2.0
"""Streams that share a room take smaller pieces the more there are."""

from __future__ import annotations

from contextlib import ExitStack

from maild.store.sharing import Shared


def test_pieces_shrink_while_others_come_and_grow_when_they_go() -> None:
    shared = Shared(room=1024, least=64, most=512)
    sizes = [shared.size]
    with ExitStack() as stack:
        for _ in range(40):
            stack.enter_context(shared.one_more())
            sizes.append(shared.size)
        assert shared.is_crowded
    assert sizes[:6] == [512, 512, 512, 256, 256, 128]
    assert sizes[-1] == 64
    assert sizes == sorted(sizes, reverse=True)
    assert shared.size == 512
    assert not shared.is_crowded


def test_all_pieces_together_fit_the_room() -> None:
    shared = Shared(room=1024, least=64, most=512)
    with ExitStack() as stack:
        for count in range(1, 17):
            stack.enter_context(shared.one_more())
            assert count * shared.size <= 1024
