# SPDX-License-Identifier: Apache-2.0
"""How many small messages a second are taken, each on the device before its 250?

Messages of 10 KiB to one account over 1, 5 and 20 connections, BDAT pipelined, beside
a private Postfix in the same run, which is sent the same messages by DATA, pipelined as
far as DATA can be.  Ratios travel, rates do not.  Run it alone on the machine, as root:

    python -m bench.small [MESSAGES] [ROUNDS]
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

from bench.dialogue import Dialogue
from bench.house import RECIPIENT, SENDER, house
from tests.interop.postfix import DISCARDING, postfix, why_not

OCTETS = 10 * 1024
"""Octets of one message."""
WINDOW = 20
"""Messages under way on one connection before their replies are read."""
CONNECTIONS = (1, 5, 20)


def message(number: int) -> bytes:
    """Return one message of `OCTETS` octets, unlike any other."""
    head = (
        f"From: {SENDER}\r\nTo: {RECIPIENT}\r\nSubject: message {number}\r\n"
        f"Date: Thu, 1 Jan 2026 00:00:00 +0000\r\nMessage-ID: <{number}@a.example>\r\n"
        f"\r\n"
    ).encode()
    line = f"{number:010} the quick brown fox jumps over the lazy dog\r\n".encode()
    lines = (OCTETS - len(head)) // len(line)
    return head + line * lines


def by_bdat(port: int, messages: list[bytes]) -> None:
    """Send messages on one connection, `WINDOW` of them ahead of their replies."""
    with Dialogue(port) as dialogue:
        dialogue.ask("EHLO a.example", 250)
        for number, octets in enumerate(messages):
            commands = (
                f"MAIL FROM:<{SENDER}> SIZE={len(octets)}\r\n"
                f"RCPT TO:<{RECIPIENT}>\r\nBDAT {len(octets)} LAST\r\n"
            ).encode()
            dialogue.socket.sendall(commands + octets)
            if number >= WINDOW:
                _accepted(dialogue)
        for _ in messages[-WINDOW:]:
            _accepted(dialogue)
        dialogue.ask("QUIT", 221)


def _accepted(dialogue: Dialogue) -> None:
    for _ in ("MAIL", "RCPT", "BDAT"):
        dialogue.expect(250)


def by_data(port: int, messages: list[bytes]) -> None:
    """Send messages on one connection; the next MAIL goes with the final dot."""
    commands = (f"MAIL FROM:<{SENDER}>\r\nRCPT TO:<{RECIPIENT}>\r\nDATA\r\n").encode()
    with Dialogue(port) as dialogue:
        dialogue.ask("EHLO a.example", 250)
        dialogue.socket.sendall(commands)
        for number, octets in enumerate(messages):
            for code in (250, 250, 354):
                dialogue.expect(code)
            last = number == len(messages) - 1
            dialogue.socket.sendall(octets + b".\r\n" + (b"" if last else commands))
            dialogue.expect(250)
        dialogue.ask("QUIT", 221)


Way = Callable[[int, list[bytes]], None]


def rate(way: Way, port: int, connections: int, messages: list[bytes]) -> float:
    """Return messages a second over ``connections``."""
    shares = [messages[n::connections] for n in range(connections)]
    with ThreadPoolExecutor(connections) as threads:
        began = time.perf_counter()
        for done in [threads.submit(way, port, share) for share in shares]:
            done.result()
        return len(messages) / (time.perf_counter() - began)


def main() -> None:
    """Run the rounds and print rates and ratios."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 2000
    rounds = int(sys.argv[2]) if len(sys.argv) > 2 else 5
    reason = why_not()
    rates: dict[tuple[str, int], list[float]] = {}
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        station = stack.enter_context(house(folder / "house"))
        ways: dict[str, tuple[Way, int]] = {
            "maild, BDAT": (by_bdat, station.port),
            "maild, DATA": (by_data, station.port),
        }
        if reason is None:
            peer = stack.enter_context(postfix(folder / "postfix", DISCARDING))
            ways["Postfix, DATA"] = (by_data, peer.port)
        for number in range(rounds):
            for connections in CONNECTIONS:
                for name, (way, port) in ways.items():
                    first = number * count
                    messages = [message(n) for n in range(first, first + count)]
                    found = rate(way, port, connections, messages)
                    rates.setdefault((name, connections), []).append(found)
        peak = station.peak()
    print(f"small: {count} messages of {OCTETS} octets, {rounds} rounds, medians")
    for connections in CONNECTIONS:
        _print(rates, connections)
    print(f"  peak memory of maild: {peak // 2**20} MiB")
    if reason is not None:
        print(f"  Postfix: skipped, {reason}")


def _print(rates: dict[tuple[str, int], list[float]], connections: int) -> None:
    print(f"  {connections} connections:")
    peer = rates.get(("Postfix, DATA", connections))
    for (name, count), found in rates.items():
        if count != connections:
            continue
        middle = statistics.median(found)
        spread = (max(found) - min(found)) / middle
        ratio = f", {middle / statistics.median(peer):.1f} x Postfix" if peer else ""
        print(f"    {name:14} {middle:6.0f}/s (spread {spread:.0%}){ratio}")


if __name__ == "__main__":
    main()
