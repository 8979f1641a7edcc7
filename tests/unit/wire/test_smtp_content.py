# SPDX-License-Identifier: Apache-2.0
import pytest
from hypothesis import given
from hypothesis import strategies as st

from maild.wire.smtp_content import DotStuffer, LineScan


def scanned(*pieces: bytes) -> LineScan:
    scan = LineScan()
    for piece in pieces:
        scan.feed(piece)
    scan.finish()
    return scan


@pytest.mark.parametrize(
    "octets",
    [
        b"a\nb\r\n",
        b"a\rb\r\n",
        b"a\r",
        b"\r\r\n",
        b"\n\r\n",
        b"a\0b\r\n",
        b"x" * 999 + b"\r\n",
        b"\r\n" + b"x" * 1500,
    ],
)
def test_what_only_binarymime_carries(octets: bytes) -> None:
    assert scanned(octets).binary
    assert scanned(*(octets[i : i + 1] for i in range(len(octets)))).binary


@pytest.mark.parametrize(
    "octets", [b"", b"a\r\nb\r\n", b"no end", b"x" * 998 + b"\r\ny\r\n", b"\r\n.\r\n"]
)
def test_what_every_server_carries(octets: bytes) -> None:
    scan = scanned(octets)
    assert not scan.binary
    assert not scan.eight_bit


def test_eight_bits_are_seen() -> None:
    assert scanned("grün\r\n".encode()).eight_bit
    assert not scanned("grün\r\n".encode()).binary


def test_skipped_lines_do_not_add_to_a_line() -> None:
    scan = LineScan()
    scan.feed(b"x" * 900 + b"\r\n")
    scan.skip()
    scan.feed(b"\r\n--edge\r\n")
    scan.finish()
    assert not scan.binary


LINES = st.lists(st.sampled_from([b"", b".", b"..", b"a", b".b", b"end"]), max_size=8)


@given(LINES, st.integers(1, 5), st.booleans())
def test_stuffed_data_is_one_message_that_reads_back(
    lines: list[bytes], size: int, ended: bool
) -> None:
    message = b"\r\n".join(lines) + (b"\r\n" if ended else b"")
    stuffer = DotStuffer()
    pieces = [message[i : i + size] for i in range(0, len(message), size)]
    wire = b"".join(map(stuffer.feed, pieces)) + stuffer.finish()
    found = (b"\r\n" + wire).index(b"\r\n.\r\n")
    assert found + 5 == len(wire) + 2  # the end of data is at the end, and only there
    body = wire[:-3]
    read = b"".join(
        line[1:] if line.startswith(b".") else line
        for line in body.splitlines(keepends=True)
    )
    assert read == message or read == message + b"\r\n"
