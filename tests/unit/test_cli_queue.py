# SPDX-License-Identifier: Apache-2.0
"""What operators are shown of what is under way: queue, checkpoints, offers, traces."""

from __future__ import annotations

import json
import os
from dataclasses import replace

from maild.mail.address import parse_address
from maild.mail.transfer import Event, Kind, State
from maild.operator import story
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
from maild.store.index import Tx
from maild.store.refusals import Refusal
from maild.store.trace import TraceEvent
from maild.store.transfers import Transfer
from tests.store.room import BOB, START, an_offer, stub
from tests.unit.operators import Operator


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
    assert len(maild.json("queue", "ls", "--state", "held")) == 2
    assert maild.json("queue", "ls", "--state", "deferred") == []
    maild("queue", "ls", "--state", "kept", status=os.EX_USAGE)
    assert "cancelled, held" in maild.complaint
    maild("queue", "release", "second")
    maild("queue", "retry", "second")
    assert maild.json("queue", "show", "second")["due"] < "2090"
    maild("queue", "rm", "first")
    assert [t["id"] for t in maild.json("queue", "ls")] == ["second"]
    states = {t["id"]: t["state"] for t in maild.json("queue", "ls", "--all")}
    assert states == {"first": "cancelled", "second": "deferred"}
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
    maild("trace", "offer-not")
    maild("trace", "offer-", status=os.EX_NOINPUT)
    assert "3 ids begin so" in maild.complaint


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


def test_trace_speaks_as_people_do(maild: Operator) -> None:
    def tell(records: Records) -> None:
        for text in ("claim", "fail-for-now 4.4.1 no answer", "held"):
            event = TraceEvent(1e9, "trace-1", "first", "queue", text)
            records.write(trace.note, event)

    maild.with_store(tell)
    shown = maild("trace", "trace-1")
    for text in ("taken up\n", "put off: 4.4.1 no answer\n", "held\n"):
        assert text in shown
    assert maild.json("trace", "trace-1")[0]["event"] == "claim"
    assert set(story.SAID) == set(Event)


def test_trace_by_the_offer_at_each_server(maild: Operator) -> None:
    """Neither its recipient's server nor a rendezvous has a transfer of that id."""

    def come(records: Records) -> None:
        bob = records.read(accounts.find, BOB)
        assert bob is not None

        def take(tx: Tx) -> None:
            content = messages.add_small(
                tx, b"Subject: x\r\n\r\n", stub().structure, "t"
            )
            here = an_offer(id="here-0001", trace="trace-here")
            assert consent.received(tx, bob.id, here, content, START)
            passed = an_offer(id="passed-0001", trace="trace-passed")
            passages.offered(tx, passed, START)
            for name in ("here", "passed"):
                event = TraceEvent(START, f"trace-{name}", "x", "smtpd", f"came {name}")
                trace.note(tx, event)

        records.write(take)

    maild.with_store(come)
    for name in ("here", "passed"):
        for which in (f"{name}-0001", name[:4]):
            (told,) = maild.json("trace", which)
            assert told["event"] == f"came {name}"
    maild("trace", "her", status=os.EX_NOINPUT)
