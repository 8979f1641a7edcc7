# SPDX-License-Identifier: Apache-2.0
"""A server is killed in the middle of a push: it goes on where it was, once."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.flows.legs import push_leg
from tests.flows.programs import Programs, Server, eventually, sha256
from tests.flows.proxy import CountingProxy
from tests.flows.story import item_at, offer_at, transfer_of

MIB = 2**20
SIZE = 64 * MIB
WATERMARK = 16 * MIB
HELD = 40 * MIB
"""Octets after which the leg stands still."""


@contextmanager
def counted_push(folder: Path, file: Path) -> Iterator[tuple[Programs, CountingProxy]]:
    """Yield while the push of alice's file to bob stands still on the way."""
    with push_leg(folder, hold_after=HELD) as (programs, proxy):
        programs.mshare("alice", "send", file, programs.account("bob")["address"])
        programs.mshare("bob", "accept", offer_at(programs, "bob", file.name)["id"])
        assert proxy.held.wait(60)
        yield programs, proxy


def checkpoints(programs: Programs) -> list[dict[str, Any]]:
    told = programs.maild("b", "checkpoint", "ls", "--json")
    return list(json.loads(told.out))


def landed(programs: Programs) -> dict[str, Any] | None:
    """Return b's checkpoint once what came is durable, but for some pieces."""
    found = checkpoints(programs)
    return found[0] if found and found[0]["octets"] > HELD - 8 * MIB else None


def kill(server: Server) -> None:
    assert server.process is not None
    server.process.kill()
    server.process.wait(timeout=30)
    assert server.process.stderr is not None
    server.process.stderr.close()
    server.process = None


@pytest.mark.parametrize("victim", ["b", "a", "both"])
def test_a_push_outlives_kill_9(tmp_path: Path, victim: str) -> None:
    file = tmp_path / "interrupted.bin"
    file.write_bytes(os.urandom(SIZE))
    with counted_push(tmp_path / "playground", file) as (programs, proxy):
        before = eventually(lambda: landed(programs), "most of it is durable")
        assert (before["kind"], before["state"]) == ("push", "arriving")
        for name in ("a", "b") if victim == "both" else (victim,):
            kill(programs.servers[name])
        proxy.cut()
        proxy.release()
        for server in programs.servers.values():
            if server.process is None:
                server.start()
        sent = transfer_of(programs, "alice", file.name, "sent")
        assert sent["octets"] == SIZE
        item = item_at(programs, "bob", file.name, SIZE)
        target = tmp_path / "fetched"
        programs.mshare("bob", "get", item["id"], "-o", target)
        assert sha256(target) == sha256(file)
        of_that_name = [
            each
            for each in programs.mshare("bob", "ls", "--json").json
            if each["name"] == file.name
        ]
        print(
            f"{victim}: durable {before['octets'] / MIB:.1f} MiB at the kill,"
            f" {(proxy.up - SIZE) / MIB:.2f} MiB more than the item on the leg"
        )
        assert len(of_that_name) == 1
        assert proxy.up <= SIZE + 2 * WATERMARK
        assert checkpoints(programs) == []
        assert "sound" in programs.maild("b", "fsck").out
