# SPDX-License-Identifier: Apache-2.0
"""How long does a 1 kB mail wait while a large item fills the same servers?

Small mails are sent one after the other, each on the device before its 250: by
submission (TLS, logged in) to the server that takes the upload and pushes it on, and by
SMTP to the server that receives the push.  Quiet times and busy times alternate in one
run; a busy time lasts from the first push to the last, the next upload under way.
Ratios of quantiles travel, milliseconds do not.  The exit status tells whether the
99 % stayed below the goal.

    python -m bench.fair [--size 1Gi] [--rounds 3] [--mails 300] [--goal 3]
"""

from __future__ import annotations

import argparse
import smtplib
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from bench import telling
from bench.telling import quantile
from bench.world import pushes, world
from tests.flows.programs import Programs, eventually

PAUSE = 0.01
"""Seconds between two mails of one connection: people, not a flood."""
BODY = "x" * 68 + "\r\n"
PARTS = {"p50": 0.5, "p99": 0.99}

Open = Callable[[], smtplib.SMTP]


class Post:
    """Two connections on which small mails are sent, and how long each has waited."""

    def __init__(self, programs: Programs) -> None:
        self._programs = programs
        self._number = 0

    def submission(self) -> smtplib.SMTP:
        """Return alice's connection to her server."""
        account = self._programs.account("alice")
        smtp = smtplib.SMTP_SSL(
            "localhost",
            self._programs.port("a", "submission"),
            context=self._programs.tls,
        )
        smtp.login(account["address"], account["password"])
        return smtp

    def smtp(self) -> smtplib.SMTP:
        """Return a stranger's connection to bob's server."""
        return smtplib.SMTP("127.0.0.1", self._programs.port("b", "smtp"))

    def send(
        self, smtp: smtplib.SMTP, sender: str, to: str, until: Callable[[int], bool]
    ) -> list[float]:
        """Send mails while ``until`` (told their number) is false; return seconds."""
        took: list[float] = []
        smtp.ehlo_or_helo_if_needed()
        while not until(len(took)):
            self._number += 1
            text = (
                f"From: {sender}\r\nTo: {to}\r\nSubject: {self._number}\r\n"
                f"Message-ID: <{self._number}@bench.example>\r\n\r\n{BODY * 12}"
            ).encode()
            command = (
                f"MAIL FROM:<{sender}>\r\nRCPT TO:<{to}>\r\nBDAT {len(text)} LAST\r\n"
            )
            began = time.perf_counter()
            smtp.send(command.encode() + text)
            replies = [smtp.getreply() for _ in range(3)]
            took.append(time.perf_counter() - began)
            assert all(code == 250 for code, _ in replies), replies
            threading.Event().wait(PAUSE)
        return took


class Waits:
    """Seconds by way and by time: quiet or busy."""

    def __init__(self) -> None:
        self.seconds: dict[tuple[str, str], list[float]] = {}

    def measure(
        self, programs: Programs, which: str, until: Callable[[int], bool]
    ) -> None:
        """Send by both ways at once."""
        post = Post(programs)
        bob = programs.account("bob")["address"]
        alice = programs.account("alice")["address"]
        with (
            ThreadPoolExecutor(2) as both,
            post.submission() as own,
            post.smtp() as strange,
        ):
            sent = {
                "submission": both.submit(post.send, own, alice, bob, until),
                "smtp": both.submit(
                    post.send, strange, "carol@elsewhere.example", bob, until
                ),
            }
            for way, done in sent.items():
                self.seconds.setdefault((way, which), []).extend(done.result())

    def ratio(self, way: str, part: float) -> float:
        """Return busy by quiet."""
        quiet = quantile(self.seconds[way, "quiet"], part)
        return quantile(self.seconds[way, "busy"], part) / quiet


@contextmanager
def saturated(
    programs: Programs, folder: Path, size: int
) -> Iterator[Callable[[], bool]]:
    """Upload and push two items, one after the other; yield whether both have gone."""
    before = pushes(programs, size)
    files = [
        telling.new_file(folder / f"busy-{time.monotonic_ns()}.bin", size)
        for _ in range(2)
    ]
    bob = programs.account("bob")["address"]

    def send() -> None:
        for file in files:
            programs.mshare("alice", "send", file, bob)
            file.unlink()

    with ThreadPoolExecutor(1) as aside:
        sending = aside.submit(send)

        def over() -> bool:
            return sending.done() and pushes(programs, size) >= before + len(files)

        yield over
        sending.result()
    eventually(over, "everything has gone", 600)


def main() -> int:
    """Run the rounds, print quantiles and ratios; return the exit status."""
    parser = telling.parser(__doc__)
    parser.add_argument("--size", type=telling.octets, default=1 << 30)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--mails", type=int, default=300, help="in each quiet time")
    parser.add_argument("--goal", type=float, default=3.0, help="of the quiet p99")
    options = parser.parse_args()
    waits = Waits()
    need = 8 * options.rounds * options.size
    with telling.scratch(options, need) as folder, world(folder / "world") as programs:
        waits.measure(programs, "warm", lambda count: count >= options.mails)
        for _ in range(options.rounds):
            waits.measure(programs, "quiet", lambda count: count >= options.mails)
            with saturated(programs, folder, options.size) as over:
                waits.measure(programs, "busy", lambda _: over())
    return _tell(options, waits)


def _tell(options: argparse.Namespace, waits: Waits) -> int:
    ways = ("submission", "smtp")
    facts = {
        way: {
            **{
                f"{which} {name} ms": 1000 * quantile(waits.seconds[way, which], part)
                for which in ("quiet", "busy")
                for name, part in PARTS.items()
            },
            **{f"{name} ratio": waits.ratio(way, part) for name, part in PARTS.items()},
            **{
                f"{which} mails": float(len(waits.seconds[way, which]))
                for which in ("quiet", "busy")
            },
        }
        for way in ways
    }
    print(
        f"fair: mails of 1 kB while items of {options.size >> 20} MiB pass,"
        f" {options.rounds} rounds"
    )
    rows = [
        (name, *(f"{facts[way][name]:.1f}" for way in ways)) for name in facts["smtp"]
    ]
    telling.table(("", *ways), rows)
    telling.dump(options, facts)
    return int(any(waits.ratio(way, 0.99) > options.goal for way in ways))


if __name__ == "__main__":
    sys.exit(main())
