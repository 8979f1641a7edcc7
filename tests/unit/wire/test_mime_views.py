# SPDX-License-Identifier: Apache-2.0
"""Which octets the reader copies: those that may change, and no others."""

from __future__ import annotations

from maild.wire.mime import BlobOctets, MessageReader, Step

HEAD = (
    b"Content-Type: application/octet-stream\r\n"
    b"Content-Transfer-Encoding: binary\r\n\r\n"
)


def _views(steps: list[Step]) -> list[memoryview]:
    found = [step.octets for step in steps if isinstance(step, BlobOctets)]
    return [view for view in found if isinstance(view, memoryview)]


def _reader() -> MessageReader:
    reader = MessageReader(binary=True)
    reader.feed(memoryview(HEAD + b"a"))
    return reader


def test_a_read_only_view_of_a_whole_buffer_is_passed_on() -> None:
    buffer = bytearray(b"x" * 100_000)
    (view,) = _views(_reader().feed(memoryview(buffer).toreadonly()))
    assert view.obj is buffer
    assert view.readonly


def test_what_may_change_is_copied() -> None:
    buffer = bytearray(b"x" * 100_000)
    (view,) = _views(_reader().feed(memoryview(buffer)))
    buffer[:] = b"y" * len(buffer)
    assert bytes(view) == b"x" * len(buffer)
    assert view.readonly


def test_a_part_of_a_buffer_is_that_part() -> None:
    buffer = bytearray(b"0123456789")
    (view,) = _views(_reader().feed(memoryview(buffer)[2:5].toreadonly()))
    assert bytes(view) == b"234"
