# SPDX-License-Identifier: Apache-2.0
"""Items that are called alike: nobody changes one when another was meant."""

from __future__ import annotations

import os
from pathlib import Path

from tests.flows.programs import Programs
from tests.flows.story import item_at, offer_at


def test_what_changes_something_needs_the_id(
    programs: Programs, tmp_path: Path
) -> None:
    own, received = tmp_path / "own" / "alike.txt", tmp_path / "alike.txt"
    own.parent.mkdir()
    own.write_text("an own one\n")
    received.write_text("one of bob's\n")
    new = tmp_path / "new.txt"
    new.write_text("what it is to be\n")
    programs.mshare("alice", "upload", own)
    programs.mshare("bob", "send", received, "alice@a.example")
    offer = offer_at(programs, "alice", own.name)["id"]
    programs.mshare("alice", "accept", offer)
    twice = programs.mshare("alice", "accept", offer)
    assert f"already accepted: {own.name} from bob@b.example ({offer})" in twice.err
    short = programs.mshare("alice", "accept", "V4Z", expect=os.EX_NOINPUT)
    assert "an id needs its first 4 characters" in short.err
    newest = item_at(programs, "alice", own.name, received.stat().st_size)["id"]
    known = programs.mshare("alice", "ls", "--json").json
    ids = [item["id"] for item in known if item["name"] == own.name]
    assert len(ids) == 2

    put = programs.mshare("alice", "put", new, own.name, expect=os.EX_USAGE)
    words = ("edit", own.name, "--with", "true")
    edited = programs.mshare("alice", *words, expect=os.EX_USAGE)
    for said in (put.err, edited.err):
        assert f"2 items are called {own.name}; name one by its id: " in said
        for id_, origin in zip(ids, ("own upload", "from bob@b.example"), strict=True):
            assert f"{id_} ({origin}, 20" in said

    place = tmp_path / "got"
    got = programs.mshare("alice", "get", own.name, "-o", place).err
    for said in (got, programs.mshare("alice", "preview", own.name).err):
        assert f"2 items are called {own.name}; the newest is taken, {newest}" in said
    assert place.read_text() == received.read_text()
    told = programs.mshare("alice", "versions", own.name)
    assert "the newest is taken" in told.err
    assert len(told.out.splitlines()) == 1
    exact = programs.mshare("alice", "get", newest, "-o", tmp_path / "exact")
    assert "are called" not in exact.err
    sent = programs.mshare("alice", "send", newest, "carol@b.example")
    assert sent.out.startswith(f"{own.name} to carol@b.example: transfer ")
    assert "version 2" in programs.mshare("alice", "put", new, ids[0]).out
