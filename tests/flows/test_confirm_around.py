# SPDX-License-Identifier: Apache-2.0
"""A prepared transfer whose servers cannot meet: asked, and sent, by the rendezvous."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.flows.ladder import RENDEZVOUS, acquainted, arrived, file_of, stored_at
from tests.flows.programs import sha256
from tests.flows.story import offer_at, transfer_of
from tests.flows.test_ladder import closed_way

MIB = 2**20


@pytest.mark.timeout(300)
def test_prepared_by_the_rendezvous(tmp_path: Path) -> None:
    file = file_of(tmp_path, "around.bin", 3 * MIB)
    with closed_way(tmp_path / "p") as (programs, _, road):
        acquainted(programs, tmp_path)
        bob = programs.account("bob")["number"]
        programs.mshare("alice", "send", file, bob, "--confirm")
        programs.mshare("bob", "accept", offer_at(programs, "bob", file.name)["id"])
        transfer = transfer_of(programs, "alice", file.name, "prepared")
        assert road.up < MIB
        programs.mshare("alice", "go", transfer["id"])
        arrived(programs, file, tmp_path / "fetched")
        assert sha256(tmp_path / "fetched") == sha256(file)
        assert road.up > 3 * MIB
        sent = transfer_of(programs, "alice", file.name, "sent")
        assert sent["route"] == RENDEZVOUS
        assert stored_at(programs, "r") == []
