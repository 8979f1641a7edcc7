# SPDX-License-Identifier: Apache-2.0
"""Content over SMTP (seed 218): cut ten times anywhere, it costs ten checkpoints."""

from __future__ import annotations

import os
import random
from functools import partial
from pathlib import Path

import pytest

from tests.flows.legs import push_leg
from tests.flows.programs import eventually, sha256
from tests.flows.proxy import CountingProxy
from tests.flows.story import item_at, offer_at, transfer_of

MIB = 2**20
SIZE = 96 * MIB
CUTS = 10
CHECKPOINT = 8 * MIB
"""Octets after which what has come is recorded, at the latest."""
IN_FLIGHT = 2 * MIB
"""Octets in pieces and socket buffers when a connection breaks."""


def crossed(proxy: CountingProxy, octets: int) -> bool:
    return proxy.up >= octets


@pytest.mark.timeout(300)
def test_ten_cuts_cost_ten_checkpoints(tmp_path: Path) -> None:
    file = tmp_path / "cut.bin"
    with file.open("wb") as out:
        for _ in range(SIZE // MIB):
            out.write(os.urandom(MIB))
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    offsets = sorted(random.Random(seed).sample(range(MIB, SIZE), CUTS))
    with push_leg(tmp_path / "playground", rate=48 * MIB) as (programs, proxy):
        programs.mshare("alice", "send", file, "bob@b.example")
        programs.mshare("bob", "accept", offer_at(programs, "bob", file.name)["id"])
        cuts = 0
        for offset in offsets:
            # Of all that crossed, what was sent twice included: it never ends first.
            eventually(partial(crossed, proxy, offset), f"{offset} octets crossed")
            proxy.cut()
            cuts += 1
        sent = transfer_of(programs, "alice", file.name, "sent")
        assert sent["octets"] == SIZE
        item = item_at(programs, "bob", file.name, SIZE)
        programs.mshare("bob", "get", item["id"], "-o", tmp_path / "fetched")
        assert sha256(tmp_path / "fetched") == sha256(file)
        lines = programs.servers["a"].lines(rf"{sent['id']}: to=.*status=deferred")
        print(f"{cuts} cuts, {len(lines)} attempts cut, {proxy.up - SIZE:,} more")
        assert lines
        assert proxy.up <= SIZE + len(lines) * (CHECKPOINT + IN_FLIGHT) + MIB
