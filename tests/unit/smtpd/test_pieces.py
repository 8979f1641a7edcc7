# SPDX-License-Identifier: Apache-2.0
"""Buffers are used again, but never while anybody sees them."""

from __future__ import annotations

from maild.smtpd.pieces import Buffers


def test_a_buffer_is_used_again_when_no_view_is_left() -> None:
    buffers = Buffers()
    first = buffers.take(64)
    part = memoryview(first)[8:16].toreadonly()
    second = buffers.take(64)
    assert second is not first
    del part
    assert buffers.take(64) is first
    assert len(first) == 64


def test_what_a_view_shows_stays() -> None:
    buffers = Buffers()
    kept = []
    for number in range(5):
        buffer = buffers.take(16)
        buffer[:] = bytes([number]) * 16
        kept.append(memoryview(buffer).toreadonly())
    assert [bytes(view) for view in kept] == [bytes([n]) * 16 for n in range(5)]


def test_buffers_of_another_size_are_let_go() -> None:
    buffers = Buffers()
    large = buffers.take(64)
    assert len(buffers.take(16)) == 16
    assert buffers.take(64) is not large
