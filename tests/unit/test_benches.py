# SPDX-License-Identifier: Apache-2.0
"""The benches can be run; what they measure with does what it says."""

from __future__ import annotations

import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from bench import telling
from bench.throttle import NarrowLeg, one_leg, sink


@pytest.mark.parametrize("bench", ["road", "memory", "fair", "restart", "changes"])
def test_a_bench_says_what_it_takes(bench: str) -> None:
    ran = subprocess.run(
        [sys.executable, "-m", f"bench.{bench}", "--help"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "--json" in ran.stdout
    assert "--scratch" in ran.stdout


def test_a_narrow_leg_loses_nothing_and_counts() -> None:
    octets = bytes(range(256)) * 4096
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        NarrowLeg(server.getsockname()[1], 100_000_000) as leg,
        socket.create_connection(("127.0.0.1", leg.port)) as client,
        server.accept()[0] as accepted,
        ThreadPoolExecutor(1) as aside,
    ):
        sending = aside.submit(client.sendall, octets)
        got = b""
        while len(got) < len(octets):
            got += accepted.recv(65536)
        sending.result()
        assert got == octets
        assert leg.up == len(octets)


def test_a_leg_takes_at_least_what_its_rate_says() -> None:
    size, rate = 200_000, 2_000_000
    assert one_leg(rate, size) >= 0.8 * size / rate  # a burst may be made up for


def test_a_sink_ends_when_its_client_does() -> None:
    with sink() as target, socket.create_connection(("127.0.0.1", target.port)) as one:
        one.sendall(b"x" * 100_000)
        one.shutdown(socket.SHUT_WR)
        assert one.recv(1) == b""


def test_figures() -> None:
    assert telling.quantile([3.0, 1.0, 2.0], 0.5) == 2.0
    assert telling.quantile([1.0] * 99 + [5.0], 0.99) == 5.0
    assert telling.rate("20M") == 20_000_000
    assert telling.octets("8Gi") == 8 << 30


def test_files_are_of_their_size_and_no_two_alike(tmp_path: Path) -> None:
    for size in (0, 10, 5000, 3 * 2**20 + 1):
        first = telling.new_file(tmp_path / "a", size)
        second = telling.new_file(tmp_path / "b", size, sparse=True)
        assert first.stat().st_size == second.stat().st_size == size
        assert not size or first.read_bytes() != second.read_bytes()
