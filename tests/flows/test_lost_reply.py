# SPDX-License-Identifier: Apache-2.0
"""The last reply is lost: what has arrived is neither sent again nor there twice."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from tests.flows.legs import leg, push_leg, running
from tests.flows.programs import Programs, eventually, sha256
from tests.flows.story import offer_at, transfer_of

SIZE = 48 * 2**20
OVERHEAD = 1.01
"""What TLS and commands add, at most."""
AGAIN = 64 * 1024
"""Octets at most that it costs to hear the reply again: no content is among them."""


def whole(programs: Programs, name: str, file: Path) -> list[dict[str, Any]]:
    """Return the items of a file's name that are whole at an account."""
    items = programs.mshare(name, "ls", "--json").json
    return [i for i in items if i["name"] == file.name and i["sha256"] is not None]


def test_a_push_whose_250_is_lost(tmp_path: Path) -> None:
    file = tmp_path / "pushed.bin"
    file.write_bytes(os.urandom(SIZE))
    with push_leg(tmp_path / "playground", mute_after=SIZE) as (programs, proxy):
        programs.mshare("alice", "send", file, programs.account("bob")["address"])
        programs.mshare("bob", "accept", offer_at(programs, "bob", file.name)["id"])
        eventually(lambda: whole(programs, "bob", file), "bob has all of it")
        assert proxy.held.is_set()
        before = proxy.up
        assert programs.servers["a"].lines(r"status=sent") == []
        proxy.cut()
        proxy.release()
        transfer_of(programs, "alice", file.name, "sent")
        print(f"the push cost {before:,} octets, its reply {proxy.up - before:,}")
        assert SIZE <= before <= SIZE * OVERHEAD
        assert proxy.up - before <= AGAIN
        (item,) = whole(programs, "bob", file)
        assert item["sha256"] == sha256(file)
        letters = programs.mshare("bob", "inbox", "--json").json
        assert len([one for one in letters if file.name in one["subject"]]) == 1
        assert len(programs.servers["a"].lines(r"status=sent .*octets=")) == 1
        assert "sound" in programs.maild("b", "fsck").out


def test_an_upload_whose_250_is_lost(programs: Programs, tmp_path: Path) -> None:
    file = tmp_path / "uploaded.bin"
    file.write_bytes(os.urandom(SIZE))
    with leg(programs, "carol", "submission", mute_after=SIZE) as proxy:
        with running(programs, "carol", "upload", file) as upload:
            eventually(lambda: whole(programs, "carol", file), "the server has it")
            assert proxy.held.is_set()
            assert upload.poll() is None
            before = proxy.up
            proxy.cut()
            proxy.release()
            _, said = upload.communicate(timeout=60)
            assert upload.returncode == 0, said
        print(f"the upload cost {before:,} octets, its reply {proxy.up - before:,}")
        assert SIZE <= before <= SIZE * OVERHEAD
        assert proxy.up - before <= AGAIN
    (item,) = whole(programs, "carol", file)
    assert item["sha256"] == sha256(file)
