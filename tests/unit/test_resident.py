# SPDX-License-Identifier: Apache-2.0
"""What a program must not load: a server would hold it as long as it runs."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = ("cryptography", "pydantic", "multiprocessing", "unittest", "PIL")
"""Libraries of megabytes each."""
VERBS = ("typer", "click", "rich", "dns")
"""What only commands need, or who looks for servers by name."""


@pytest.mark.parametrize(
    ("program", "heavy"),
    [
        ("maild.cli", HEAVY),
        ("maild.daemon", HEAVY + VERBS),
        ("terminal_client.cli", HEAVY),
    ],
)
def test_programs_stay_small(program: str, heavy: tuple[str, ...]) -> None:
    look = f"import sys, {program}; print(*(m for m in {heavy} if m in sys.modules))"
    ran = subprocess.run(
        [sys.executable, "-c", look], capture_output=True, text=True, check=True
    )
    assert ran.stdout.split() == []


GARBAGE = """
import weakref
from maild import app, footprint

class Ended:
    def __init__(self):
        self.parts = [[self] for _ in range(80)]

footprint.stay_small()
kept = [Ended() for _ in range(100)]
alive, most = weakref.WeakSet(kept), 0
for _ in range(1000):
    alive.add(Ended())
    most = max(most, len(alive))
print(most - len(kept))
"""
"""Connections that end while a hundred go on; prints how many were garbage at once."""


def test_connections_that_have_ended_do_not_lie_about() -> None:
    ran = subprocess.run(
        [sys.executable, "-c", GARBAGE], capture_output=True, text=True, check=True
    )
    assert 0 < int(ran.stdout) <= 60


BUFFERS = """
import asyncio, ssl
from asyncio import sslproto
from maild import footprint

footprint.stay_small()
loop = asyncio.new_event_loop()
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
made = [
    sslproto.SSLProtocol(loop, asyncio.Protocol(), context, None, server_side=True)
    for _ in range(3)
]
print(len({id(p.get_buffer(-1).obj) for p in made}), len(made[0].get_buffer(-1)))
loop.close()
"""


def test_tls_connections_receive_in_one_buffer() -> None:
    ran = subprocess.run(
        [sys.executable, "-c", BUFFERS], capture_output=True, text=True, check=True
    )
    assert ran.stdout.split() == ["1", "16384"]


ENDED = """
import asyncio, ssl
from asyncio import sslproto
from maild import footprint

footprint.stay_small()
loop = asyncio.new_event_loop()
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
protocol = sslproto.SSLProtocol(
    loop, asyncio.Protocol(), context, None, server_side=True
)
transport = protocol._get_app_transport()
protocol.connection_lost(None)
transport.write(b"late")
transport.resume_reading()
print(transport.is_closing(), transport.get_write_buffer_size())
transport.close()
transport.abort()
loop.close()
"""
"""A connection whose owner has not heard of its end yet, and goes on for a moment."""


def test_a_tls_connection_that_has_ended_still_answers() -> None:
    ran = subprocess.run(
        [sys.executable, "-c", ENDED], capture_output=True, text=True, check=True
    )
    assert (ran.stdout.split(), ran.stderr) == (["True", "0"], "")
