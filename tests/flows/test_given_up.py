# SPDX-License-Identifier: Apache-2.0
"""What its sender gives up is gone at the recipient's server, and he is told once."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.flows.plain import body, find, mailbox
from tests.flows.programs import Programs, edit, eventually, playground
from tests.flows.proxy import CountingProxy
from tests.flows.story import item_at, offer_at, transfer_of

BOB = "bob@b.example"
SIZE = 40_000_000
"""Octets; more than sockets hold on the way, so that a held push is never whole."""
HELD = 5_000_000


@pytest.fixture
def file(tmp_path: Path) -> Path:
    made = tmp_path / "film.mov"
    made.write_bytes(os.urandom(SIZE))
    return made


def told(programs: Programs, name: str, subject: str) -> str:
    """Wait until a message with ``subject`` lies in INBOX; return its text."""
    box = mailbox(programs, name)
    try:
        uid = eventually(
            lambda: find(box, "INBOX", "SUBJECT", f'"{subject}"'),
            f"{name} is told: {subject}",
        )
        _, found = box.uid("SEARCH", "SUBJECT", f'"{subject}"')
        assert len(found[0].split()) == 1  # once
        return " ".join(body(box, uid.decode()).decode().split())
    finally:
        box.logout()


def has_nothing(programs: Programs, server: str) -> None:
    """Check that nothing of an item is left on a server, now and after gc."""
    assert "sound" in programs.maild(server, "fsck").out
    programs.maild(server, "gc")
    assert "no checkpoints" in programs.maild(server, "checkpoint", "ls").out
    store = programs.folder / server
    for folder in ("incoming", "blobs"):
        left = [p for p in store.rglob(f"{folder}/**/*") if p.is_file()]
        assert left == []
    assert "sound" in programs.maild(server, "fsck").out


def queued(programs: Programs, server: str, kind: str) -> list[dict[str, str]]:
    """Return what is, and was, in a queue of one kind."""
    ran = programs.maild(server, "queue", "ls", "--all", "--json")
    return [t for t in ran.json if t["kind"] == kind]


@pytest.fixture
def held(tmp_path: Path) -> Iterator[tuple[Programs, CountingProxy]]:
    """Two servers; what goes from a to b stands still after a few megabytes."""
    proxies: list[CountingProxy] = []

    def change(made: Path) -> None:
        facts = json.loads((made / "playground.json").read_text())
        proxies.append(CountingProxy(facts["servers"]["b"]["smtp"], hold_after=HELD))
        address = f"127.0.0.1:{proxies[0].port}"
        edit(made / "a.toml", 'peer."b.example"', address=address)

    with ExitStack() as stack:
        programs = stack.enter_context(
            playground(tmp_path / "playground", change=change)
        )
        yield programs, stack.enter_context(proxies[0])


@pytest.mark.parametrize("by_hand", [True, False], ids=["operator", "item deleted"])
def test_a_push_given_up_in_the_middle(
    held: tuple[Programs, CountingProxy], file: Path, by_hand: bool
) -> None:
    programs, proxy = held
    programs.mshare("alice", "send", file, BOB)
    programs.mshare("bob", "accept", offer_at(programs, "bob", file.name)["id"])
    assert proxy.held.wait(60)
    item_at(programs, "bob", file.name)  # it arrives
    transfer = transfer_of(programs, "alice", file.name, "transferring")
    if by_hand:
        programs.maild("a", "queue", "rm", transfer["id"])
    else:
        box = mailbox(programs, "alice")
        uid = find(box, "Items", "SUBJECT", file.name)
        box.uid("STORE", uid.decode(), "+FLAGS", "(\\Deleted)")
        box.expunge()
        box.logout()
    proxy.release()
    said = told(programs, "bob", f"alice@a.example has stopped sending {file.name}")
    assert "What had arrived (" in said
    assert "of 40.0 MB) was removed." in said
    assert "Auto-Submitted: auto-generated" in said
    assert programs.mshare("bob", "ls", "--json").json == []
    (line,) = programs.servers["b"].lines(r"given up \(stopped\): to=<bob@b")
    assert f"size={SIZE}" in line
    (withdrawal,) = queued(programs, "a", "withdrawal")
    assert (withdrawal["state"], withdrawal["recipient"]) == ("sent", BOB)
    story = programs.maild("a", "trace", transfer["id"]).out
    assert "withdrawal for bob@b.example queued" in story
    assert withdrawal["id"] not in programs.mshare("alice", "status", "--json").out
    has_nothing(programs, "b")


def test_an_offer_taken_back(programs: Programs, tmp_path: Path) -> None:
    file = tmp_path / "taken_back.bin"
    file.write_bytes(os.urandom(200_000))
    programs.mshare("alice", "send", file, BOB)
    offer_at(programs, "bob", file.name)
    transfer_of(programs, "alice", file.name, "offered")
    box = mailbox(programs, "alice")
    uid = find(box, "Transfers", "SUBJECT", file.name)
    box.uid("STORE", uid.decode(), "+FLAGS", "(\\Deleted)")
    box.expunge()
    box.logout()
    said = told(programs, "bob", f"alice@a.example has withdrawn {file.name}")
    assert "nothing was transferred" in said
    names = [o["name"] for o in programs.mshare("bob", "offers", "--json").json]
    assert file.name not in names


def test_who_accepts_too_late_is_told(tmp_path: Path, file: Path) -> None:
    """Whatever became of the withdrawal: here an operator has removed it."""
    with playground(tmp_path / "playground") as programs:
        programs.mshare("alice", "send", file, BOB)
        offer = offer_at(programs, "bob", file.name)
        transfer = transfer_of(programs, "alice", file.name, "offered")
        programs.servers["a"].stop()
        programs.maild("a", "queue", "rm", transfer["id"])
        (first,) = queued(programs, "a", "withdrawal")
        programs.maild("a", "queue", "rm", first["id"])
        programs.servers["a"].start()
        programs.mshare("bob", "accept", offer["id"])
        told(programs, "bob", f"alice@a.example has stopped sending {file.name}")
        (_, second) = queued(programs, "a", "withdrawal")
        assert second["state"] == "sent"
        assert programs.mshare("bob", "ls", "--json").json == []
        has_nothing(programs, "b")
