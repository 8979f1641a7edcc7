# SPDX-License-Identifier: Apache-2.0
"""Messages we write, with any foreign text: clean on the wire, the same when read.

Read twice: by the standard library, and by our own reader, whose structure must be
the one that was noted while writing.
"""

from __future__ import annotations

import email
import email.policy
from dataclasses import replace
from email.message import EmailMessage, Message

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from maild.mail.address import Address
from maild.mail.compose import (
    Composed,
    Facts,
    ItemFacts,
    TransferFacts,
    answer_message,
    digest_in,
    failure_notice,
    item_stub,
    offer_message,
    push_frame,
    transfer_view,
    upload_head,
    with_digest,
    withdrawal_message,
)
from maild.mail.header import field, file_name, printable
from maild.mail.monitor import MOST_OCTETS
from maild.mail.offer import Answer, Offer, Withdrawal, parse_facts
from maild.mail.parting import Cause, Parting, parting_notice
from maild.mail.reply import Reply
from maild.mail.structure import Part
from tests.unit.wire.rendering import read

ALICE = Address("alice", "a.example")
BOB = Address("bob", "b.example")
FACTS = Facts("4Zx1cQ0b9R@a.example", 1.7e9, "0123456789abcdef")
NASTY = st.sampled_from(
    [
        *"\r\n\0\t \"\\'()<>@,;:/=?_%*.\x85\u2028\u202e\u2215\u00a0é日😀\ud800\x7f",
        "=?utf-8?q?x?=",
        "\r\nBcc: eve@e.example",
        "--",
        "\r\n\r\n",
        "A" * 300,
        "😀" * 90,
    ]
)
FOREIGN = st.lists(NASTY | st.characters(exclude_categories=()), max_size=30).map(
    "".join
)
ADDRESSES = st.sampled_from(
    [
        BOB,
        Address("böb", "b.example"),
        Address('b " b', "b.example"),
        Address("x" * 64, "b" * 60),
    ]
)
ITEMS = st.builds(
    ItemFacts,
    id=st.just("item0001"),
    name=FOREIGN,
    type=st.sampled_from(["video/mp4", "text/csv", "message/rfc822"]) | FOREIGN,
    size=st.integers(0, 2**63 - 1),
    sha256=st.none() | st.just("a" * 64),
    sender=ADDRESSES,
    note=FOREIGN,
)


def theirs(octets: bytes) -> EmailMessage:
    found = email.message_from_bytes(octets, policy=email.policy.SMTP)
    assert isinstance(found, EmailMessage)
    for part in found.walk():
        assert not part.defects, part.defects
    return found


def unplaced(part: Part) -> Part:
    """Without what only a reader knows: which piece of a rope is a blob."""
    return replace(part, blob=None, children=tuple(map(unplaced, part.children)))


def check(made: Composed, *names: str) -> EmailMessage:
    """Check the wire form and both readings; ``names``: the fields there may be."""
    octets = made.octets
    assert octets.isascii()
    assert octets.endswith(b"\r\n")
    assert b"\n" not in octets.replace(b"\r\n", b"")
    assert b"\r" not in octets.replace(b"\r\n", b"")
    assert b"\0" not in octets
    assert max(map(len, octets.split(b"\r\n"))) <= 998
    ours = read(octets)
    assert ours.rendering == octets
    assert unplaced(ours.root) == unplaced(made.structure.root)
    assert ours.structure.envelope == made.structure.envelope
    assert made.structure.size == len(octets)
    found = theirs(octets)
    allowed = {"date", "from", "to", "message-id", "maild-trace", "subject"}
    allowed |= {"mime-version", "content-type", "content-transfer-encoding"}
    assert {n.lower() for n in found} <= allowed | {"auto-submitted", *names}
    assert len(found.keys()) == len(set(found.keys()))
    return found


@given(FOREIGN)
@example("a" * 2000)
@example(" =?utf-8?b??= ")
def test_a_field_is_read_as_it_was_meant(text: str) -> None:
    octets = field("Subject", text)
    found = theirs(octets + b"\r\n")
    assert found.keys() == ["Subject"]
    assert str(found["Subject"]) == printable(text)
    assert max(map(len, octets.split(b"\r\n"))) <= 78


OFFERS = st.builds(
    Offer,
    id=st.just("offer-00000001"),
    nonce=st.just("0" * 32),
    sender=st.just(ALICE),
    recipient=ADDRESSES,
    name=FOREIGN.map(lambda text: text[:1024]),
    type=st.just("video/mp4"),
    size=st.integers(0, 2**63 - 1),
    sha256=st.none(),
    created=st.just(1),
    expires=st.integers(0, 2**35),
    home=st.just("a.example"),
    trace=st.just("0123456789abcdef"),
    note=FOREIGN,
)


@settings(deadline=None)
@given(OFFERS, st.none() | st.just(b"\xff\xd8\xff" + b"x" * 9000))
def test_offers(offer: Offer, thumbnail: bytes | None) -> None:
    made = offer_message(offer, FACTS, thumbnail)
    found = check(made)
    assert len(made.octets) < 64 * 1024
    facts = read(made.octets).reader.facts
    assert facts is not None
    again = parse_facts(facts)
    assert isinstance(again, Offer)
    assert replace(again, note="") == replace(offer, note="")
    images = [p for p in found.walk() if p.get_content_type() == "image/jpeg"]
    assert [p.get_content() for p in images] == ([thumbnail] if thumbnail else [])
    html = next(p for p in found.walk() if p.get_content_type() == "text/html")
    assert html.get_content().count("<img") == len(images)


@pytest.mark.parametrize("char", ["a", "é", "日", "😀", "<", '"', "&", "\n"])
def test_the_longest_offer_fits(char: str) -> None:
    offer = Offer(
        "offer-00000001", "0" * 32, ALICE, BOB, char * 1024, "video/mp4", 1, None, 1, 2,
        "a.example", "0" * 16, char * 4096,
    )  # fmt: skip
    made = offer_message(offer, FACTS, b"\xff\xd8\xff" + b"x" * 10_000)
    assert len(made.octets) < 64 * 1024
    facts = read(made.octets).reader.facts
    assert facts is not None
    again = parse_facts(facts)
    assert isinstance(again, Offer)
    assert again.name == offer.name
    assert offer.note.startswith(again.note)


def test_a_thumbnail_that_is_none_is_left_out() -> None:
    offer = Offer(
        "offer-00000001", "0" * 32, ALICE, BOB, "a", "video/mp4", 1, None, 1, 2,
        "a.example", "0" * 16,
    )  # fmt: skip
    for thumbnail in (b"<svg>", b"\xff\xd8\xff" + b"x" * 11_000, b""):
        made = offer_message(offer, FACTS, thumbnail)
        assert b"image/" not in made.octets
        assert b"cid:" not in made.octets


@pytest.mark.parametrize("letter", ["a", "<", '"', "ä", "\u20ac", "\U0001f600", "\n"])
def test_a_whole_offer_stays_small(letter: str) -> None:
    """However long its name and its note, and with a thumbnail: under 64 KiB."""
    offer = Offer(
        "o" * 64, "n" * 64, ALICE, ALICE, letter * 1024, "video/mp4", 1, "a" * 64, 1, 2,
        "a.example", "t" * 64, letter * 4096, "b" * 32, "rcs.example",
    )  # fmt: skip
    made = offer_message(offer, FACTS, b"\xff\xd8\xff" + bytes(10_000))
    assert len(made.octets) < MOST_OCTETS


@given(ADDRESSES, st.booleans())
def test_answers(bob: Address, accepted: bool) -> None:
    ticket = "a" * 32 if accepted else None
    answer = Answer(
        "offer-0001", "n" * 32, ALICE, bob, accepted, ticket, 9, 2, "t" * 16
    )
    made = answer_message(answer, FACTS)
    check(made)
    facts = read(made.octets).reader.facts
    assert facts is not None
    assert parse_facts(facts) == answer


@given(ADDRESSES)
def test_withdrawals(bob: Address) -> None:
    withdrawal = Withdrawal("offer-0001", "n" * 32, ALICE, bob, "t" * 16)
    made = withdrawal_message(withdrawal, FACTS)
    check(made)
    facts = read(made.octets).reader.facts
    assert facts is not None
    assert parse_facts(facts) == withdrawal


PARTINGS = st.builds(
    Parting,
    cause=st.sampled_from(Cause),
    name=FOREIGN,
    sender=ADDRESSES,
    size=st.none() | st.integers(0, 2**63 - 1),
    landed=st.integers(0, 2**63 - 1),
)


@settings(deadline=None)
@given(PARTINGS)
def test_partings(parting: Parting) -> None:
    found = check(parting_notice(parting, ALICE, "mx.a.example", FACTS))
    assert found["Auto-Submitted"] == "auto-generated"
    assert (printable(parting.name) or "unnamed") in found.get_content()


@settings(deadline=None)
@given(ITEMS)
def test_stubs(item: ItemFacts) -> None:
    found = check(item_stub(item, ALICE, FACTS), "share-item", "share-type")
    assert found["Share-Item"] == "item0001"
    assert printable(item.name) in found.get_content()


TRANSFERS = st.builds(
    TransferFacts,
    id=st.just("4Zx1cQ0b9R"),
    state=st.sampled_from(["queued", "transferring", "sent", "failed"]),
    recipient=ADDRESSES,
    name=FOREIGN,
    size=st.integers(0, 2**63 - 1),
    octets=st.integers(0, 2**63 - 1),
    reason=FOREIGN,
    go_until=st.none() | st.floats(0, 2**32),
)


@settings(deadline=None)
@given(TRANSFERS)
def test_transfers(transfer: TransferFacts) -> None:
    found = check(transfer_view(transfer, ALICE, FACTS), "share-transfer")
    assert found["Subject"].startswith(transfer.state.capitalize())
    assert printable(transfer.reason) in found.get_content()


@settings(deadline=None)
@given(TRANSFERS, FOREIGN, st.booleans())
def test_notices(transfer: TransferFacts, text: str, delayed: bool) -> None:
    reply = Reply(450 if delayed else 550, "1.1", text)
    made = failure_notice(
        transfer, ALICE, "mx.a.example", reply, FACTS, delayed=delayed
    )
    found = check(made)
    assert found.get_content_type() == "multipart/report"
    _, status, headers = found.iter_parts()
    payload = status.get_payload()
    assert isinstance(payload, list)
    per_message, per_recipient = payload
    assert isinstance(per_message, Message)
    assert isinstance(per_recipient, Message)
    assert per_message["Reporting-MTA"] == "dns; mx.a.example"
    assert set(per_message.keys()) == {"Reporting-MTA"}
    assert per_recipient["Action"] == ("delayed" if delayed else "failed")
    assert per_recipient["Status"] == reply.status
    assert per_recipient["Diagnostic-Code"].startswith(f"smtp; {reply.code} ")
    assert len(per_recipient.keys()) == 5
    assert headers.get_content_type() == "text/rfc822-headers"


@settings(deadline=None)
@given(ITEMS, FOREIGN, st.binary(max_size=300))
@example(
    item=ItemFacts("item0001", '""', "a/b", 0, None, None), foreign="", content=b""
)
def test_uploads(item: ItemFacts, foreign: str, content: bytes) -> None:
    octets = upload_head(
        item, number="001", code="c0de", account=ALICE, facts=FACTS, terminal=foreign
    )
    assert octets.isascii()
    assert octets.count(b"\r\n\r\n") == 1
    found = theirs(octets)
    # get_filename() would take quotes that belong to the name for syntax
    assert found["Content-Disposition"].params["filename"] == file_name(item.name)
    assert found["Content-Disposition"].params["size"] == str(item.size)
    assert (found["Share-Number"], found["Share-Code"]) == ("001", "c0de")
    ours = read(octets + content, binary=True)
    assert ours.root.filename == file_name(item.name)
    assert ours.content(ours.root) == content
    assert ours.pieces[1].expected == item.size


@settings(deadline=None)
@given(ITEMS, st.binary(max_size=300) | st.just(b"\r\n--=_0\r\n"))
def test_pushes(item: ItemFacts, content: bytes) -> None:
    head, tail = push_frame(replace(item, sha256=None), "=_" + "0f" * 16, FACTS)
    done = with_digest(tail, "ab" * 32)
    assert len(done) == len(tail)
    assert b"bob" not in head + tail or "bob" in item.note + str(item.sender)
    ours = read(head + content + done, binary=True)
    _, file, _ = ours.root.children
    assert ours.content(file) == content
    assert file.filename == file_name(item.name)
    assert file.type not in ("text", "message", "multipart")
    assert ours.reader.facts is not None
    assert digest_in(ours.reader.facts) == "ab" * 32
    rendered = theirs(ours.rendering)
    assert next(rendered.iter_attachments()).get_content() == content
    known = push_frame(replace(item, sha256="ab" * 32), "=_" + "0f" * 16, FACTS)
    assert known == (head, done)


@given(st.binary(max_size=50))
def test_no_digest_in_other_facts(octets: bytes) -> None:
    assert digest_in(octets) is None


def test_zeros_are_no_digest() -> None:
    item = ItemFacts("i", "n", "a/b", 1, None, ALICE)
    _, tail = push_frame(item, "b", FACTS)
    facts = tail.split(b"\r\n\r\n")[1]
    assert digest_in(facts) is None


@pytest.mark.parametrize("digest", ["", "0" * 63, "A" * 64, "g" * 64])
def test_only_a_digest_is_a_digest(digest: str) -> None:
    with pytest.raises(ValueError, match="SHA-256"):
        with_digest(b"", digest)
