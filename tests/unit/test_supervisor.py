# SPDX-License-Identifier: Apache-2.0
"""The service manager hears what it waits for."""

from __future__ import annotations

import asyncio
import os
import socket
from pathlib import Path

import pytest

from maild.supervisor import Supervisor


@pytest.mark.parametrize("abstract", [False, True])
def test_facts_arrive_as_one_datagram(tmp_path: Path, abstract: bool) -> None:
    path = f"@maild-test-{os.getpid()}" if abstract else str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(path.replace("@", "\0") if abstract else path)
        manager.settimeout(5)
        Supervisor(path).tell("READY=1", "STATUS=well")
        assert manager.recv(1000) == b"READY=1\nSTATUS=well"


def test_nobody_listening_is_no_error(tmp_path: Path) -> None:
    Supervisor(None).tell("READY=1")
    Supervisor(str(tmp_path / "gone")).tell("READY=1")


def test_environment() -> None:
    read = Supervisor.from_environment
    own = str(os.getpid())
    given = {"NOTIFY_SOCKET": "/run/n", "WATCHDOG_USEC": "3000000"}
    assert read({}) == Supervisor(None, None)
    assert read(given) == Supervisor("/run/n", 3.0)
    assert read({**given, "WATCHDOG_PID": own}) == Supervisor("/run/n", 3.0)
    assert read({**given, "WATCHDOG_PID": own + "0"}) == Supervisor("/run/n", None)
    assert read({"WATCHDOG_USEC": "soon"}) == Supervisor(None, None)


async def test_signs_of_life(tmp_path: Path) -> None:
    path = str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(path)
        manager.setblocking(False)
        alive = asyncio.create_task(Supervisor(path, 0.003).stay_alive())
        loop = asyncio.get_running_loop()
        heard = [await loop.sock_recv(manager, 100) for _ in range(3)]
        alive.cancel()
    assert heard == [b"WATCHDOG=1"] * 3


async def test_without_a_watchdog_nothing_is_kept_running() -> None:
    await Supervisor(None, None).stay_alive()
