# SPDX-License-Identifier: Apache-2.0
"""The operator's verbs, in one process: what they print, and their statuses."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from maild import playground
from maild.cli import main
from maild.mail.address import parse_address
from maild.mail.transfer import Kind, State
from maild.operator.console import Records
from maild.store import (
    accounts,
    checkpoints,
    consent,
    mailboxes,
    messages,
    passages,
    refusals,
    trace,
    transfers,
)
from maild.store.house import Store
from maild.store.index import Tx
from maild.store.refusals import Refusal
from maild.store.trace import TraceEvent
from maild.store.transfers import Transfer
from tests.store.room import BOB, START, an_offer, stub


class Operator:
    """Types commands for one server."""

    def __init__(self, file: Path, capture: pytest.CaptureFixture[str]) -> None:
        self.file = file
        self._capture = capture
        self.complaint = ""

    def __call__(self, *words: str, status: int = os.EX_OK) -> str:
        """Run a verb and return its output; --config stands where it may."""
        self._capture.readouterr()
        found = main([words[0], "--config", str(self.file), *words[1:]])
        said = self._capture.readouterr()
        self.complaint = said.err
        assert found == status, said.err
        return said.out

    def json(self, *words: str) -> Any:
        return json.loads(self(*words, "--json"))

    def with_store(self, job: Callable[[Records], object]) -> None:
        store = Store(self.file.parent / "b" / "store")
        store.open()
        try:
            job(Records(store))
        finally:
            store.close()


@pytest.fixture
def maild(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> Operator:
    monkeypatch.setattr("sys.stdin", io.StringIO())
    made = playground.make(tmp_path / "new", 24000)
    return Operator(made.folder / "b.toml", capsys)


def transfer(name: str, state: State = State.DEFERRED) -> Transfer:
    return Transfer(
        id=name,
        account_id=None,
        kind=Kind.MAIL,
        state=state,
        held=False,
        item_id=None,
        content_id=None,
        sender=parse_address("bob@b.example"),
        recipient=parse_address("alice@a.example"),
        smtputf8=False,
        note="",
        size=1000,
        octets=10,
        nonce="secret-nonce",
        ticket="secret-ticket",
        ticket_size=None,
        attempts=3,
        due=4e9,
        expires=5e9,
        warned=False,
        status="4.4.1",
        reply="451 4.4.1 no answer",
        relay="",
        trace="trace-1",
        created=1e9,
        changed=1e9,
        finished=None,
        view_uid=None,
    )


def test_check_config(maild: Operator) -> None:
    assert maild("check-config") == f"{maild.file}: ok\n"
    maild.file.write_text(maild.file.read_text() + "\n[smpt]\n")
    maild("check-config", status=os.EX_CONFIG)
    assert maild.complaint.startswith(f"maild: {maild.file}: [smpt] no such table")


def test_config_may_stand_anywhere(
    maild: Operator, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    file = str(maild.file)
    listings = [
        ["--config", file, "account", "ls"],
        ["account", "ls", "--config", file],
    ]
    listings += [["account", "--config", file, "ls"]]
    for words in listings:
        assert main(words) == os.EX_OK
        assert "carol@b.example" in capsys.readouterr().out
    monkeypatch.setenv("MAILD_CONFIG", file)
    assert main(["account", "ls"]) == os.EX_OK


def test_usage(maild: Operator, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["nosuch"]) == os.EX_USAGE
    assert main(["explain", "--nosuch"]) == os.EX_USAGE
    assert main(["--help"]) == os.EX_OK
    maild("serve", "--only", "smtpd,kitchen", status=os.EX_USAGE)
    assert "kitchen" in maild.complaint


def test_accounts_come_and_go(maild: Operator) -> None:
    made = maild("account", "add", "Dave@B.example")
    assert "Dave@b.example has been added" in made
    assert "password: " in made
    maild("account", "add", "dave@b.example", status=os.EX_CANTCREAT)
    assert "there already" in maild.complaint
    found = {a["address"] for a in maild.json("account", "ls")}
    assert found == {"bob@b.example", "carol@b.example", "dave@b.example"}
    maild("account", "rm", "dave@b.example", status=os.EX_USAGE)
    maild("account", "rm", "dave@b.example", "--yes")
    assert len(maild.json("account", "ls")) == 2


@pytest.mark.parametrize(
    ("address", "why"),
    [
        ("alice@rcs.example", "a number begins with +"),
        ("+1415@rcs.example", "a number begins with +"),
        ("+9995550101@rcs.example", "no country has such a number"),
        ("+441234567890+x@rcs.example", "a number begins with +"),
        ("+4401212345678@rcs.example", "the form of this number is +441212345678"),
    ],
)
def test_accounts_of_a_rendezvous_are_numbers(
    maild: Operator, address: str, why: str
) -> None:
    rendezvous = str(maild.file.with_name("r.toml"))
    words = ("add", address, "--generate", "--config", rendezvous)
    maild("account", *words, status=os.EX_DATAERR)
    assert why in maild.complaint
    added = maild("account", "add", "+14155550109@rcs.example", *words[2:])
    assert added.startswith("+14155550109@rcs.example has been added")


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("dave@a.example", "this server has b.example only"),
        ("dave", "@-sign"),
        ("a b@b.example", "characters"),
        ("dave+tag@b.example", "not part of an account"),
        ("dave@[127.0.0.1]", "not allowed"),
    ],
)
def test_addresses_that_cannot_be_accounts(
    maild: Operator, address: str, said: str
) -> None:
    maild("account", "add", address, status=os.EX_DATAERR)
    assert said in maild.complaint


def test_a_given_password_is_never_shown(
    maild: Operator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("correct horse\n"))
    said = maild("account", "passwd", "bob@b.example", "--password-stdin")
    assert said == "bob@b.example has a new password\n"
    monkeypatch.setattr("sys.stdin", io.StringIO("short\n"))
    maild(
        "account", "passwd", "bob@b.example", "--password-stdin", status=os.EX_DATAERR
    )
    maild("account", "passwd", "nobody@b.example", status=os.EX_NOUSER)


def test_policy(maild: Operator) -> None:
    shown = maild.json("account", "policy", "bob@b.example")
    assert shown["policy"] == "ask"
    maild("account", "policy", "bob@b.example", "contacts", "--size", "10G")
    shown = maild.json("account", "policy", "bob@b.example")
    assert (shown["policy"], shown["policy_size"]) == ("contacts", 10 * 2**30)
    maild("account", "policy", "carol@b.example", "anyone", status=os.EX_USAGE)
    assert "--size" in maild.complaint
    maild("account", "policy", "bob@b.example", "--size", "much", status=os.EX_USAGE)


def test_quota(maild: Operator) -> None:
    shown = maild.json("account", "quota", "bob@b.example")
    assert (shown["used"], shown["quota"]) == (shown["held"], None)
    maild("account", "quota", "bob@b.example", "10G")
    assert "10.7 GB" in maild("account", "quota", "bob@b.example")
    (bob,) = (a for a in maild.json("account", "ls") if a["address"] == "bob@b.example")
    assert (bob["used"], bob["quota"]) == (shown["used"], 10 * 2**30)
    maild("account", "quota", "bob@b.example", "none")
    assert maild.json("account", "quota", "bob@b.example")["quota"] is None
    maild("account", "quota", "bob@b.example", "much", status=os.EX_USAGE)
    maild("account", "quota", "nobody@b.example", "1G", status=os.EX_NOUSER)


def test_queue(maild: Operator) -> None:
    assert maild("queue", "ls") == "the queue is empty\n"

    def fill(records: Records) -> None:
        for name in ("first", "second"):
            records.write(transfers.add, transfer(name), 1e9)

    maild.with_store(fill)
    shown = maild("queue", "ls")
    assert "first" in shown
    assert "451 4.4.1 no answer" in shown
    assert [t["id"] for t in maild.json("queue", "ls")] == ["first", "second"]
    facts = maild.json("queue", "show", "first")
    assert (facts["attempts"], facts["due"]) == (3, "2096-10-02T07:06:40+00:00")
    assert "secret" not in json.dumps(facts)

    maild("queue", "hold", "first", "second")
    assert {t["state"] for t in maild.json("queue", "ls")} == {"held"}
    maild("queue", "release", "second")
    maild("queue", "retry", "second")
    assert maild.json("queue", "show", "second")["due"] < "2090"
    maild("queue", "rm", "first")
    assert [t["id"] for t in maild.json("queue", "ls")] == ["second"]
    assert len(maild.json("queue", "ls", "--all")) == 2
    maild("queue", "rm", "first", status=os.EX_DATAERR)
    assert "is cancelled already" in maild.complaint
    maild("queue", "show", "third", status=os.EX_NOINPUT)


def test_queue_tells_how_far_and_how_fast(maild: Operator) -> None:
    def fill(records: Records) -> None:
        moving = replace(transfer("moving"), size=10**9, status="", reply="")
        records.write(transfers.add, moving, 1e9)
        now = records.store.clock()
        records.write(transfers.progress, "moving", 4 * 10**8, now, 2.0e7)
        records.write(transfers.progress, "moving", 3 * 10**8, now, 2.0e7)

    maild.with_store(fill)
    (fact,) = maild.json("queue", "ls")
    assert (fact["octets"], fact["percent"]) == (4 * 10**8, 40)
    assert (fact["rate"], fact["left"]) == (2 * 10**7, 30)
    shown = maild("queue", "ls")
    assert "400 MB 40 %" in shown
    assert "20.0 MB/s, 30 s left" in shown


def test_queue_believes_no_old_rate(maild: Operator) -> None:
    def fill(records: Records) -> None:
        records.write(transfers.add, replace(transfer("still"), size=1000), 1e9)
        records.write(transfers.progress, "still", 500, 1e9, 2.0e7)

    maild.with_store(fill)
    (fact,) = maild.json("queue", "ls")
    assert (fact["percent"], fact["rate"], fact["left"]) == (50, None, None)
    assert "/s" not in maild("queue", "ls")


def test_checkpoint(maild: Operator) -> None:
    assert maild("checkpoint", "ls") == "there are no checkpoints\n"

    def fill(records: Records) -> None:
        account = records.read(accounts.everyone)[0].id
        bound = checkpoints.Envelope(
            "secret", checkpoints.Kind.PUSH, account, "a@b", "c@d", 1000, "BINARYMIME"
        )
        writer = records.store.blobs.create()
        writer.append(bytes(100_000))
        writer.flush()
        kept = checkpoints.Checkpoint(bound, "id-1", b"head", 0, None, None, 60.0)
        records.write(checkpoints.begin, kept, writer.key, 1e9)
        writer.close()

    maild.with_store(fill)
    assert "id-1" in maild("checkpoint", "ls")
    told = maild("queue", "ls")
    assert told.startswith("the queue is empty\n\nstill arriving here:")
    assert "id-1" in told
    (facts,) = maild.json("checkpoint", "ls")
    assert (facts["state"], facts["octets"], facts["size"]) == (
        "arriving",
        100_000,
        1000,
    )
    assert "secret" not in json.dumps(facts)


def test_offers(maild: Operator) -> None:
    assert maild("offers", "ls") == "there are no offers\n"

    def come(records: Records) -> None:
        here = an_offer(id="offer-here", expires=2**40)
        bob = records.read(accounts.find, BOB)
        assert bob is not None
        inbox = records.read(mailboxes.must_find, bob.id, "INBOX")

        def take(tx: Tx) -> None:
            content = messages.add_small(
                tx, b"Subject: x\r\n\r\n", stub().structure, "t"
            )
            messages.append(tx, inbox.id, content, ("$Offer",), START)
            assert consent.received(tx, bob.id, here, content, START)

        records.write(take)
        passed = an_offer(id="offer-passed", expires=int(START))
        records.write(passages.offered, passed, START + 1)
        refused = Refusal(
            START + 2, "offer-not", "eve@e.example", "bob@b.example", "a.exe",
            5_000_000, "size", "552 5.2.3 too large", "0123456789abcdef",
        )  # fmt: skip
        records.write(refusals.note, refused)

    maild.with_store(come)
    found = maild.json("offers", "ls")
    assert [(each["where"], each["outcome"]) for each in found] == [
        ("refused", "size"),
        ("passed", "expired"),
        ("here", "expired"),
    ]
    table = maild("offers", "ls")
    (line,) = [each for each in table.splitlines() if "a.exe" in each]
    assert "size (5.2.3)" in line
    assert "5.0 MB" in line
    (only,) = maild.json("offers", "ls", "--where", "passed")
    assert only["id"] == "offer-passed"
    assert "refused (size)" in maild("trace", "0123456789abcdef")
    maild("offers", "ls", "--where", "lost", status=os.EX_USAGE)


def test_trace(maild: Operator) -> None:
    def tell(records: Records) -> None:
        event = TraceEvent(1e9, "trace-1", "first", "smtpd", "took it\x1b[2J in")
        records.write(trace.note, event)

    maild.with_store(tell)
    shown = maild("trace", "trace-1")
    assert "2001-09-09T01:46:40+00:00" in shown
    assert "took it?[2J in" in shown
    assert maild.json("trace", "trace-1")[0]["station"] == "smtpd"
    maild("trace", "unknown", status=os.EX_NOINPUT)


def test_explain(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", "550 5.7.1 no"]) == os.EX_OK
    shown = capsys.readouterr().out
    assert shown.startswith("5.7.1  Delivery not authorized, message refused\n")
    assert main(["explain"]) == os.EX_OK
    assert "4.3.0" in capsys.readouterr().out
    assert main(["explain", "5.7.1", "--json"]) == os.EX_OK
    assert json.loads(capsys.readouterr().out)["code"] == "5.7.1"
    assert main(["explain", "9.9.9"]) == os.EX_NOINPUT


def test_store_verbs(maild: Operator) -> None:
    assert maild("fsck") == "the store is sound\n"
    assert maild("gc") == "removed 0 blobs, 0 files, 0 octets\n"

    def keep(records: Records) -> None:
        blob = records.store.blobs.create()
        blob.append(b"x" * 100_000)
        blob.seal()

    maild.with_store(keep)
    store = maild.file.parent / "b" / "store"
    (file,) = (p for p in (store / "blobs").rglob("*") if p.is_file())
    file.chmod(0o600)
    file.write_bytes(b"y" * 100_000)
    assert "wrong digest" in maild("fsck", status=os.EX_DATAERR)
    assert maild.complaint == "maild: 1 of 1 findings remain\n"


def test_without_a_store(maild: Operator) -> None:
    maild.file.write_text(maild.file.read_text().replace('"b/store"', '"c/store"'))
    maild("queue", "ls", status=os.EX_NOINPUT)
    assert "there is no store yet" in maild.complaint


def test_accounts_are_seen_by_the_store(maild: Operator) -> None:
    maild("account", "add", "dave@b.example")

    def look(records: Records) -> None:
        found = records.read(accounts.find, parse_address("dave+x@b.example"))
        assert found is not None

    maild.with_store(look)
