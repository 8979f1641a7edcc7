# SPDX-License-Identifier: Apache-2.0
"""First the result of the connection, then, after a word, the content (216-217)."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.flows.plain import body, find, mailbox
from tests.flows.programs import (
    Programs,
    Server,
    edit,
    eventually,
    playground,
    sha256,
)
from tests.flows.proxy import CountingProxy
from tests.flows.story import item_at, offer_at, transfer_of

BOB, CAROL = "bob@b.example", "carol@b.example"
SIZE = 3_000_000
ENVELOPE = 16 * 1024
"""Octets that a connection costs which gets to RCPT, with TLS."""


@pytest.fixture
def counted(tmp_path: Path) -> Iterator[tuple[Programs, CountingProxy]]:
    """Two servers; what goes from a to b is counted."""
    proxies: list[CountingProxy] = []

    def change(made: Path) -> None:
        facts = json.loads((made / "playground.json").read_text())
        proxies.append(CountingProxy(facts["servers"]["b"]["smtp"]))
        address = f"127.0.0.1:{proxies[0].port}"
        edit(made / "a.toml", 'peer."b.example"', address=address)
        edit(made / "a.toml", "delivery", retry_first=0.2, retry_most=0.5)

    with ExitStack() as stack:
        programs = stack.enter_context(
            playground(tmp_path / "playground", change=change)
        )
        yield programs, stack.enter_context(proxies[0])


@pytest.fixture
def file(tmp_path: Path) -> Path:
    made = tmp_path / "film.mov"
    made.write_bytes(os.urandom(SIZE))
    return made


def prepared(programs: Programs, file: Path, to: str = BOB) -> dict[str, Any]:
    """Send with --confirm, accept, and wait for the result of the connection."""
    who = to.split("@", maxsplit=1)[0]
    programs.mshare("alice", "send", file, to, "--confirm")
    programs.mshare(who, "accept", offer_at(programs, who, file.name)["id"])
    return transfer_of(programs, "alice", file.name, "prepared")


def kill(server: Server) -> None:
    assert server.process is not None
    server.process.send_signal(signal.SIGKILL)
    server.bury()


def attempts(programs: Programs, transfer_id: str, status: str) -> int:
    return len(programs.servers["a"].lines(rf"{transfer_id}: .* status={status} "))


def test_prepared_sends_nothing_until_go(
    counted: tuple[Programs, CountingProxy], file: Path, tmp_path: Path
) -> None:
    programs, proxy = counted
    transfer = prepared(programs, file)
    assert (transfer["status"], transfer["octets"]) == ("2.1.5", 0)
    assert transfer["confirm"] == 86400
    assert transfer["expires"] - transfer["created"] < 86400 + 60
    assert proxy.up < 2 * ENVELOPE  # the offer, and the connection
    assert programs.mshare("bob", "ls", "--json").json == []
    (queued,) = programs.maild("a", "queue", "ls", "--json").json
    assert queued["state"] == "prepared"
    assert "mshare go" in programs.mshare("alice", "status").out
    status = programs.mshare("alice", "status", transfer["id"], expect=75)
    assert "prepared" in status.out

    before = proxy.up
    went = programs.mshare("alice", "go", transfer["id"], "--wait")
    assert went.out == f"{file.name} to {BOB}: goes\n"
    assert proxy.up - before > SIZE
    item = item_at(programs, "bob", file.name, SIZE)
    programs.mshare("bob", "get", item["id"], "-o", tmp_path / "fetched")
    assert sha256(tmp_path / "fetched") == sha256(file)
    story = programs.maild("a", "trace", transfer["id"]).out
    assert (
        story.index("prepared by") < story.index("let go by") < story.index("content b")
    )


def test_go_by_a_mail_program(
    counted: tuple[Programs, CountingProxy], file: Path
) -> None:
    programs, proxy = counted
    prepared(programs, file)
    assert proxy.up < 2 * ENVELOPE
    box = mailbox(programs, "alice")
    uid = find(box, "Transfers", "KEYWORD", "$Prepared")
    status, told = box.uid("STORE", uid.decode(), "+FLAGS", "($Go)")
    assert status == "OK"
    assert b"$Go" in told[0]
    box.logout()
    transfer_of(programs, "alice", file.name, "sent")
    item_at(programs, "bob", file.name, SIZE)


def test_without_go_both_sides_are_told(
    counted: tuple[Programs, CountingProxy], file: Path
) -> None:
    programs, proxy = counted
    programs.mshare("alice", "send", file, BOB, "--confirm", "--within", "2s")
    programs.mshare("bob", "accept", offer_at(programs, "bob", file.name)["id"])
    transfer = transfer_of(programs, "alice", file.name, "expired")
    assert "prepared by" in programs.maild("a", "trace", transfer["id"]).out
    for name, subject in (
        ("alice", "film.mov"),
        ("bob", "alice@a.example has stopped sending"),
    ):
        box = mailbox(programs, name)
        uid = eventually(
            lambda box=box, subject=subject: find(  # type: ignore[misc]
                box, "INBOX", "SUBJECT", f'"{subject}"'
            ),
            f"{name} is told",
        )
        text = " ".join(body(box, uid.decode()).decode().split())
        assert name == "bob" or "nobody said go in time" in text
        box.logout()
    assert proxy.up < 4 * ENVELOPE  # offer, connection, withdrawal
    late = programs.mshare("alice", "go", transfer["id"], expect=69)
    assert "is expired already" in late.out
    assert programs.mshare("bob", "ls", "--json").json == []


def test_a_kill_neither_loses_nor_skips_the_word(
    counted: tuple[Programs, CountingProxy], file: Path
) -> None:
    """The server is killed prepared, while it asks, and right after go."""
    programs, proxy = counted
    a, b = programs.servers["a"], programs.servers["b"]
    transfer = prepared(programs, file)
    kill(a)
    a.start()
    after = transfer_of(programs, "alice", file.name, "prepared")
    assert (after["id"], after["confirm"]) == (transfer["id"], 86400)
    assert attempts(programs, transfer["id"], "prepared") == 1

    other = file.with_name("other.mov")
    other.write_bytes(os.urandom(SIZE))
    programs.mshare("alice", "send", other, BOB, "--confirm")
    offer = offer_at(programs, "bob", other.name)
    transfer_of(programs, "alice", other.name, "offered")
    b.stop()  # the answer goes out, the connection finds nobody
    b.start()
    programs.mshare("bob", "accept", offer["id"])
    second = eventually(
        lambda: next(
            (
                t
                for t in programs.mshare("alice", "status", "--json").json
                if t["name"] == other.name and t["state"] != "offered"
            ),
            None,
        ),
        "the answer is in",
    )
    kill(a)  # wherever its attempt is
    a.start()
    transfer_of(programs, "alice", other.name, "prepared")
    assert proxy.up < 8 * ENVELOPE

    programs.mshare("alice", "go", transfer["id"], second["id"])
    kill(a)
    a.start()
    for each in (file, other):
        transfer_of(programs, "alice", each.name, "sent")
        item_at(programs, "bob", each.name, SIZE)


def test_a_refusal_is_told_at_once(
    counted: tuple[Programs, CountingProxy], file: Path
) -> None:
    programs, proxy = counted
    a, b = programs.servers["a"], programs.servers["b"]
    programs.mshare("alice", "send", file, BOB, "--confirm")
    offer = offer_at(programs, "bob", file.name)
    transfer_of(programs, "alice", file.name, "offered")
    programs.maild("a", "queue", "hold", transfer_id := offer["id"])
    programs.mshare("bob", "accept", offer["id"])
    eventually(
        lambda: "accepted" in programs.maild("a", "trace", transfer_id).out.split(),
        "the answer is in",
    )
    b.stop()
    edit(b.config, "smtp", size_limit=1_000_000)
    b.start()
    programs.maild("a", "queue", "release", transfer_id)
    failed = transfer_of(programs, "alice", file.name, "failed")
    assert failed["status"].startswith("5.")
    assert proxy.up < 3 * ENVELOPE
    assert a.lines(rf"{transfer_id}: .* status=bounced ")


def test_another_recipient_gets_nothing_before_go(
    counted: tuple[Programs, CountingProxy], file: Path
) -> None:
    """What one recipient of the server has is lent to the next one after go only."""
    programs, proxy = counted
    programs.mshare("alice", "send", file, BOB)
    programs.mshare("bob", "accept", offer_at(programs, "bob", file.name)["id"])
    transfer_of(programs, "alice", file.name, "sent")
    before = proxy.up
    transfer = prepared(programs, file, CAROL)
    assert programs.mshare("carol", "ls", "--json").json == []
    programs.mshare("alice", "go", transfer["id"], "--wait")
    item_at(programs, "carol", file.name, SIZE)
    assert proxy.up - before < 4 * ENVELOPE  # no octet of the content twice


def test_while_it_is_still_uploaded(
    counted: tuple[Programs, CountingProxy], file: Path
) -> None:
    """--wait with --confirm ends with the result; cut-through goes on after go."""
    programs, _ = counted
    programs.mshare("bob", "ls")
    with file.open("ab") as grown:
        grown.write(os.urandom(SIZE))
    sent = programs.mshare("alice", "send", file, BOB, "--confirm", "--json")
    (told,) = sent.json["transfers"]
    programs.mshare("bob", "accept", offer_at(programs, "bob", file.name)["id"])
    again = programs.mshare("alice", "send", file, BOB, "--confirm", "--wait")
    assert told["id"] in again.out  # sent once
    assert "prepared (waits until" in again.err
    programs.mshare("alice", "go", told["id"], "--wait")
    item_at(programs, "bob", file.name, 2 * SIZE)


def test_what_goes_already_is_not_made_to_wait(
    counted: tuple[Programs, CountingProxy], file: Path
) -> None:
    programs, _ = counted
    programs.mshare("alice", "send", file, BOB)
    refused = programs.mshare("alice", "send", file, BOB, "--confirm", expect=None)
    assert refused.status in range(64, 79)
    assert "it is being sent already, without waiting for go" in refused.err


def test_said_again_it_changes_nothing_and_says_so(
    counted: tuple[Programs, CountingProxy], file: Path
) -> None:
    programs, _ = counted

    def again(*words: str, expect: int = 0) -> str:
        said = programs.mshare("alice", "send", file, BOB, *words, expect=expect)
        assert (id_ in said.out) == (expect == 0)
        return said.err

    first = programs.mshare("alice", "send", file, BOB, "--confirm", "--within", "1h")
    id_ = transfer_of(programs, "alice", file.name, "offered")["id"]
    assert id_ in first.out
    assert "before" not in first.err
    for words in (("--confirm", "--within", "1m"), ()):
        said = again(*words, expect=os.EX_UNAVAILABLE)
        assert "waits for go (3,600 s once prepared)" in said
        assert f"mshare cancel {id_}" in said
    said = again("--confirm", "--within", "1h")
    assert f"{id_} was sent before: it is offered; nothing new goes" in said
    assert f"mshare go {id_}" in said
    programs.mshare("alice", "go", id_)
    assert f"`mshare cancel {id_}` takes it back" in again()
    programs.mshare("bob", "accept", offer_at(programs, "bob", file.name)["id"])
    item_at(programs, "bob", file.name, SIZE)
    transfer_of(programs, "alice", file.name, "sent")
    assert f"{id_} was sent before: it is sent; nothing new goes" in again("--wait")
