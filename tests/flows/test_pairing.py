# SPDX-License-Identifier: GPL-3.0-only
"""Two terminals and no rendezvous: an address goes from hand to hand, then a file."""

from __future__ import annotations

import os
from pathlib import Path

from tests.flows.programs import Programs, sha256
from tests.flows.story import item_at, offer_at


def test_an_address_as_a_code_then_a_file_by_name(
    programs: Programs, tmp_path: Path
) -> None:
    file, code = tmp_path / "by_name.bin", tmp_path / "bob.svg"
    file.write_bytes(os.urandom(500_000))
    shown = programs.mshare("bob", "me", "--name", "Bob", "--qr", "--svg", code).out
    uri = shown.splitlines()[-1]
    assert uri == "maild:bob@b.example?name=Bob"
    programs.mshare("alice", "add", code)
    unknown = programs.mshare("alice", "send", file, "Robert", expect=64)
    assert "mshare add" in unknown.err
    programs.mshare("alice", "send", file, "bob")
    programs.mshare("bob", "accept", offer_at(programs, "bob", file.name)["id"])
    item = item_at(programs, "bob", file.name, 500_000)
    programs.mshare("bob", "get", item["id"], "-o", tmp_path / "fetched")
    assert sha256(tmp_path / "fetched") == sha256(file)
    programs.mshare("alice", "contacts", "rm", "Bob")
    assert programs.mshare("alice", "contacts", "--json").json == []
