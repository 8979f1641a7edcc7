# SPDX-License-Identifier: Apache-2.0
"""Messages made to cost much: CVE-2026-27859, CVE-2024-23184 and their kind."""

from __future__ import annotations

import time
import tracemalloc

import pytest

from maild.mail.reply import ReplyError
from maild.wire.mime import MessageReader
from tests.unit.wire.messages import HEAD, lines, part_of


def nested(depth: int) -> bytes:
    return b"".join(
        b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (n, n)
        for n in range(depth)
    )


FALSE_LINES = HEAD + lines(b"Content-Type: multipart/mixed; boundary=b", b"")

BOMBS = {
    "10,000 nested multiparts": nested(10_000),
    "100,000 parts": FALSE_LINES + b"--b\r\n\r\n" * 100_000,
    "100,000 parts without header": FALSE_LINES + b"--b\r\n" * 100_000,
    "100,000 fields": b"X: y\r\n" * 100_000,
    "10 MiB line": b"X: " + b"y" * 10 * 2**20,
    "10 MiB field": b"X: y\r\n" + b" y\r\n" * (10 * 2**18),
    "boundary of 70,000": b"Content-Type: multipart/mixed;\r\n boundary=%b\r\n\r\n"
    % (b"b" * 60_000),
    "1,000 messages deep": b"Content-Type: message/rfc822\r\n\r\n" * 1000,
    "100,000 parameters": b"Content-Type: text/plain"
    + b";\r\n a=b" * 40_000
    + b"\r\n\r\n",
    "100,000 segments": b"Content-Type: text/plain"
    + b"".join(b";\r\n a*%d*=b" % n for n in range(18_000))
    + b"\r\n\r\n",
    "100,000 addresses": b"To: a@b" + b",\r\n a@b" * 30_000 + b"\r\n\r\n",
    "parentheses": b"To: " + b"(\r\n " * 50_000 + b"\r\n\r\n",
    "quotes": b"To: " + b'"a\r\n ' * 40_000 + b"\r\n\r\n",
    "semicolons": b"Content-Type: a/b" + b";" * 60_000 + b"\r\n\r\n",
    "blanks": b"Content-Type: a/b;" + b" " * 60_000 + b"\r\n\r\n",
    "half delimiters": FALSE_LINES + b"\r\n--b x" * 1_000_000,
    "dashes": FALSE_LINES + b"\r\n--" * 2_000_000,
    "line ends": FALSE_LINES + b"\r\n" * 4_000_000,
    "depth and delimiters": (nested(29) + b"\r\n--b0\r\n") * 50,
    "bad base64": part_of((b"QUJD" * 19 + b"\r\n") * 13_000 + b"!" * 100) * 5,
}


def outcome(message: bytes, piece: int) -> str:
    reader = MessageReader(binary=False)
    try:
        for start in range(0, len(message), piece):
            reader.feed(memoryview(message)[start : start + piece])
        reader.finish()
        reader.structure.to_json()
    except ReplyError as error:
        return error.reply.status
    return "taken"


@pytest.mark.parametrize("name", BOMBS)
@pytest.mark.parametrize("piece", [2**20, 1400])
def test_bombs_cost_little(name: str, piece: int) -> None:
    message = BOMBS[name]
    began = time.process_time()
    assert outcome(message, piece) in ("taken", "5.3.4", "5.6.0")
    # Generous: what is guarded against takes minutes.  No wall clock is involved.
    assert time.process_time() - began < 5.0


@pytest.mark.parametrize("name", BOMBS)
def test_bombs_take_little_memory(name: str) -> None:
    message = BOMBS[name]
    tracemalloc.start()
    try:
        outcome(message, 2**16)
        assert tracemalloc.get_traced_memory()[1] < 30 * 2**20
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    ("name", "status"),
    [
        ("100,000 parts", "5.3.4"),
        ("100,000 fields", "5.3.4"),
        ("10 MiB line", "5.3.4"),
        ("10 MiB field", "5.3.4"),
        ("boundary of 70,000", "5.6.0"),
        ("half delimiters", "5.6.0"),
        ("10,000 nested multiparts", "taken"),
        ("1,000 messages deep", "taken"),
    ],
)
def test_bombs_are_answered(name: str, status: str) -> None:
    assert outcome(BOMBS[name], 2**20) == status
