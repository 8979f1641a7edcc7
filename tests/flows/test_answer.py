# SPDX-License-Identifier: Apache-2.0
"""The answer (seed 209, 210) with nothing but IMAP MOVE: yes, no, and only once."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.flows.legs import push_leg
from tests.flows.plain import find, mailbox
from tests.flows.programs import Programs, eventually
from tests.flows.proxy import CountingProxy
from tests.flows.story import item_at, transfer_of

SIZE = 3_000_000
OFFER = 64 * 1024
"""Octets that an offer may have, with all that is said around it."""


@pytest.fixture(scope="module")
def counted(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[tuple[Programs, CountingProxy]]:
    with push_leg(tmp_path_factory.mktemp("answer") / "playground") as made:
        yield made


def moved(programs: Programs, file: Path, to: str) -> None:
    """Let bob move the offer of a file, as any mail program does."""
    with mailbox(programs, "bob") as box:
        criteria = ("KEYWORD", "$Offer", "SUBJECT", file.name)
        uid = eventually(lambda: find(box, "INBOX", *criteria), "the offer is there")
        assert box.uid("MOVE", uid.decode(), to)[0] == "OK"
        assert find(box, "INBOX", *criteria) == b""


def sent(programs: Programs, folder: Path, name: str) -> Path:
    file = folder / name
    file.write_bytes(os.urandom(SIZE))
    programs.mshare("alice", "send", file, "bob@b.example")
    transfer_of(programs, "alice", name, "offered")
    return file


def test_moved_to_declined_no_octet_ever(
    counted: tuple[Programs, CountingProxy], tmp_path: Path
) -> None:
    programs, proxy = counted
    before = proxy.up
    file = sent(programs, tmp_path, "unwanted.bin")
    moved(programs, file, "Declined")
    found = transfer_of(programs, "alice", file.name, "declined")
    # The first decision wins.
    with mailbox(programs, "bob") as box:
        uid = find(box, "Declined", "SUBJECT", file.name)
        box.uid("MOVE", uid.decode(), "Accepted")
    told = programs.mshare("alice", "status", found["id"], expect=77)
    assert "declined" in told.out
    # What is sent after it gets through, so it would have, too.
    after = sent(programs, tmp_path, "marker.bin")
    moved(programs, after, "Declined")
    transfer_of(programs, "alice", after.name, "declined")
    assert transfer_of(programs, "alice", file.name, "declined")["octets"] == 0
    assert proxy.up - before < 2 * OFFER


def test_moved_to_accepted_content_comes(
    counted: tuple[Programs, CountingProxy], tmp_path: Path
) -> None:
    programs, proxy = counted
    before = proxy.up
    file = sent(programs, tmp_path, "wanted.bin")
    assert proxy.up - before < OFFER
    moved(programs, file, "Accepted")
    eventually(lambda: proxy.up - before > OFFER, "content goes from a to b")
    item_at(programs, "bob", file.name, SIZE)
    found = transfer_of(programs, "alice", file.name, "sent")
    attempts = programs.servers["a"].lines(rf"{found['id']}: to=<")
    assert len(attempts) == 2  # offered, sent: nothing had to be tried again


def test_what_the_policy_accepts_waits_for_nobody(
    counted: tuple[Programs, CountingProxy], tmp_path: Path
) -> None:
    programs, _ = counted
    words = ("account", "policy", "bob@b.example", "anyone", "--size", "1G")
    programs.maild("b", *words)
    file = tmp_path / "welcome.bin"
    file.write_bytes(os.urandom(SIZE))
    programs.mshare("alice", "send", file, "bob@b.example")
    item_at(programs, "bob", file.name, SIZE)
    waiting = programs.mshare("bob", "offers", "--json").json
    assert file.name not in [each["name"] for each in waiting]
