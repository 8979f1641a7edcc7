# SPDX-License-Identifier: Apache-2.0
"""The road (seed 201-220): every kind of file arrives as it left."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from tests.flows.programs import Programs, playground, sha256
from tests.flows.story import item_at, offer_at, share, transfer_of

MIB = 2**20

FILES = {
    "nothing.bin": b"",
    "one.bin": b"\xff",
    "film 🎬 ∕ final.mov": b"moving pictures" * 1000,
    "n" * 195 + ".text": b"a long name",
    "lone.txt": b"one\n.\n..\ntwo\r\n.\r\n.three\n\r.\r\nMAIL FROM:<x@y>\n",
    "boundary.bin": b"\r\n--=_\r\n--=_0000\r\n\r\n.\r\nQUIT\r\n" * 3000,
}


@pytest.mark.parametrize("name", FILES, ids=lambda name: f"{name[:12]}-{len(name)}")
def test_every_kind_of_file_arrives_as_it_left(
    programs: Programs, tmp_path: Path, name: str
) -> None:
    file = tmp_path / name
    file.write_bytes(FILES[name])
    assert sha256(share(programs, file, tmp_path)) == sha256(file)


def test_a_large_file_arrives_with_flat_memory_and_one_login(tmp_path: Path) -> None:
    """Peak RSS of every process under 100 MiB; one AUTH over the whole download."""
    file = tmp_path / "large.bin"
    with file.open("wb") as out:
        for _ in range(192):
            out.write(os.urandom(MIB))
    with playground(tmp_path / "playground") as programs:
        up = programs.mshare("alice", "upload", file)
        programs.mshare("alice", "send", file, programs.account("bob")["address"])
        offer = offer_at(programs, "bob", file.name)
        programs.mshare("bob", "accept", offer["id"])
        item = item_at(programs, "bob", file.name)
        logins = len(programs.servers["b"].lines(r"sasl_method="))
        down = programs.mshare("bob", "get", item["id"], "-o", tmp_path / "fetched")
        assert len(programs.servers["b"].lines(r"sasl_method=")) == logins + 1
        assert sha256(tmp_path / "fetched") == sha256(file)
        peaks = {"upload": up.peak, "get": down.peak}
        peaks |= {n: s.measure() for n, s in programs.servers.items()}
    print({name: f"{peak / MIB:.0f} MiB" for name, peak in peaks.items()})
    assert max(peaks.values()) < 100 * MIB


def test_the_sender_sees_every_state_and_the_log_one_line_a_hop(
    programs: Programs, tmp_path: Path
) -> None:
    file = tmp_path / "story.bin"
    file.write_bytes(os.urandom(300_000))
    share(programs, file, tmp_path)
    sent = transfer_of(programs, "alice", file.name, "sent")
    assert sent["octets"] == sent["size"] == 300_000
    lines = programs.servers["a"].lines(rf"{sent['id']}: to=<bob@b.example>")
    assert [re.findall(r"status=(\w+)", line)[0] for line in lines] == [
        "offered",
        "sent",
    ]
    told = programs.maild("a", "trace", sent["id"]).out
    assert "offered" in told
    assert "sent" in told
